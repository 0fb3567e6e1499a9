"""``python -m benchmarks.calibration``: are p values of the group level what they say they are?

Smooth noise, symmetric about 0, without an effect; many groups, each tested with few sign flips: at
.05 a test with 19 flips is exact, so 5 of 100 groups must come out, by each method and tail.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from bids_rsa.core.inference import (
    Relabelings,
    count_p,
    familywise_p,
    neighbor_table,
    one_sample_design,
    permutation_null,
    prepare_test,
)

ALPHA = 0.05
TAILS = ("greater", "less", "two-sided")
METHODS = {
    "t": "max-T",
    "tfce": "TFCE",
    "cluster_size": "cluster size",
    "cluster_mass": "cluster mass",
}


@dataclass(frozen=True)
class Setup:
    """What is simulated."""

    n_groups: int = 5000
    n_flips: int = 19
    n_subjects: int = 16
    shape: tuple[int, int, int] = (21, 20, 20)
    fwhm_voxels: float = 2.5
    cluster_p: tuple[float, ...] = (0.001, 0.01)
    seed: int = 5


def null_scores(rng: np.random.Generator, setup: Setup) -> np.ndarray:
    """Smooth Gaussian noise, (n_subjects, n_voxels)."""
    sigma = setup.fwhm_voxels / np.sqrt(8 * np.log(2))
    noise = rng.standard_normal((setup.n_subjects, *setup.shape))
    smooth = gaussian_filter(noise, (0, sigma, sigma, sigma), mode="wrap", truncate=3)
    return smooth.reshape(setup.n_subjects, -1)


def one_group(scores: np.ndarray, signs: np.ndarray, neighbors: np.ndarray, setup: Setup) -> dict:
    """Test one group every way; the first row of the signs is the data as they are.

    Returns
    -------
    dict
        (method, tail) to 1 where something came out; for the voxel-wise p the share of voxels.
    """
    found = {}
    design = one_sample_design(setup.n_subjects)
    draws = Relabelings(signs, "flip", exhaustive=False)
    for tail in TAILS:
        plan = prepare_test(scores, design, tail)
        for number, p in enumerate(setup.cluster_p):
            null = permutation_null(
                plan, draws, neighbors, plan.cluster_threshold(p), enhance=number == 0
            )
            for name, maxima in null.maxima.items():
                label = METHODS[name] + (f", p < {p:g}" if name.startswith("cluster") else "")
                least = familywise_p(maxima[:1], maxima[1:], exhaustive=False)[0]
                found[label, tail] = float(least <= ALPHA + 1e-12)
        p_voxels = count_p(null.counts - 1, setup.n_flips, exhaustive=False)
        found["voxel-wise p", tail] = float((p_voxels <= ALPHA + 1e-12).mean())
    return found


def simulate(setup: Setup) -> dict[tuple[str, str], float]:
    """Share of groups in which something came out, by method and tail."""
    neighbors = neighbor_table(np.ones(setup.shape, bool))
    totals: dict[tuple[str, str], float] = {}
    for group in range(setup.n_groups):
        rng = np.random.default_rng([setup.seed, group])
        scores = null_scores(rng, setup)
        flips = rng.integers(0, 2, (setup.n_flips, setup.n_subjects)) * 2 - 1
        signs = np.vstack([np.ones(setup.n_subjects), flips]).astype(np.int8)
        for key, value in one_group(scores, signs, neighbors, setup).items():
            totals[key] = totals.get(key, 0.0) + value / setup.n_groups
    return totals


def table(rates: dict[tuple[str, str], float]) -> str:
    """Markdown: a row for each method, a column for each tail."""
    lines = ["| method | " + " | ".join(TAILS) + " |", "| --- |" + " --- |" * len(TAILS)]
    for method in dict.fromkeys(method for method, _ in rates):
        cells = " | ".join(f"{rates[method, tail]:.3f}" for tail in TAILS)
        lines.append(f"| {method} | {cells} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Simulate, print the table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--groups", type=int, default=Setup.n_groups)
    parser.add_argument("--seed", type=int, default=Setup.seed)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/calibration.json"))
    options = parser.parse_args(argv)
    setup = Setup(n_groups=options.groups, seed=options.seed)
    start = time.perf_counter()
    rates = simulate(setup)
    print(table(rates))
    print(f"{setup.n_groups} groups, {time.perf_counter() - start:.0f} s")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"method": m, "tail": t, "rate": rate} for (m, t), rate in rates.items()]
    options.out.write_text(json.dumps({"setup": asdict(setup), "rates": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
