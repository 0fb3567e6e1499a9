"""``python -m benchmarks.calibration``: are p values of the group level what they say they are?

Smooth noise, symmetric about 0, without an effect; many groups, each tested with few sign flips: at
.05 a test with 19 flips is exact, so 5 of 100 groups must come out, by each method and tail.
Extents are whole numbers, and a tie for the largest counts against the observed: how often ties
alone keep one from coming out is counted too. They are rare only where clusters are large, so the
extent of clusters at a strict threshold is tried in a field of its own.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.correct import count_p, familywise_p
from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.group_scores import fisher_z
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import Relabelings
from bids_rsa.core.inference.resolution import score_resolution

ALPHA = 0.05
GROUPS_PER_CHUNK = 50
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
    enhance: bool = True
    n_cells: int | None = None
    seed: int = 5


FIELDS = {
    "every-method": Setup(),
    # 64,000 voxels at the largest smoothness: the largest of the clusters at p < .001 has 5 to 23
    # voxels, in the field above 1 to 9. TFCE, which has no ties, would take most of the time.
    "clusters": Setup(
        n_groups=10_000,
        shape=(40, 40, 40),
        fwhm_voxels=3.0,
        cluster_p=(0.001,),
        enhance=False,
        seed=2027,
    ),
    # Spearman's rho of three conditions: at many voxels all subjects have the same score
    "ranks": Setup(n_groups=2000, n_subjects=8, n_cells=3, seed=93),
}


def null_scores(rng: np.random.Generator, setup: Setup) -> tuple[np.ndarray, np.ndarray | None]:
    """Scores without an effect, (n_subjects, n_voxels), and their resolution, (n_voxels,).

    Smooth Gaussian noise, or, with ``n_cells``, Fisher's z of Spearman's rho of RDMs of such noise
    with a model whose cells all differ.
    """
    sigma = setup.fwhm_voxels / np.sqrt(8 * np.log(2))
    noise = rng.standard_normal((setup.n_subjects * (setup.n_cells or 1), *setup.shape))
    smooth = gaussian_filter(noise, (0, sigma, sigma, sigma), mode="wrap", truncate=3)
    if setup.n_cells is None:
        return smooth.reshape(setup.n_subjects, -1), None
    n = setup.n_cells
    ranks = smooth.reshape(setup.n_subjects, n, -1).argsort(axis=1).argsort(axis=1) + 1.0
    rho = 12 / (n**3 - n) * np.einsum("scv,c->sv", ranks - (n + 1) / 2, np.arange(n) - (n - 1) / 2)
    step = find_comparison("spearman").score_step(n)
    known = np.stack([score_resolution(row, n, step) for row in rho])
    return fisher_z(rho, n)[0], np.sqrt((known**2).mean(axis=0))


def one_group(
    scores: np.ndarray,
    resolution: np.ndarray | None,
    signs: np.ndarray,
    adjacency: Adjacency,
    setup: Setup,
) -> dict:
    """Test one group every way; the first row of the signs is the data as they are.

    Returns
    -------
    dict
        (method, tail) to 1 where something came out; for the voxel-wise p the share of voxels.
    """
    found = {}
    draws = Relabelings(signs, "flip", exhaustive=False)
    prepared = prepare_test(scores, one_sample_design(setup.n_subjects), resolution=resolution)
    for tail in TAILS:
        plan = replace(prepared, tail=tail)
        for number, p in enumerate(setup.cluster_p):
            null = permutation_null(
                plan,
                draws,
                adjacency,
                plan.cluster_threshold(p),
                enhance=setup.enhance and number == 0,
            )
            for name, maxima in null.maxima.items():
                label = METHODS[name] + (f", p < {p:g}" if name.startswith("cluster") else "")
                least = familywise_p(maxima[:1], maxima[1:], exhaustive=False)[0]
                found[label, tail] = float(least <= ALPHA + 1e-12)
                if name == "cluster_size":
                    found[f"{label}: what ties leave", tail] = what_ties_leave(maxima)
        p_voxels = count_p(null.counts - 1, setup.n_flips, exhaustive=False)
        found["voxel-wise p", tail] = float((p_voxels <= ALPHA + 1e-12).mean())
    return found


def what_ties_leave(maxima: np.ndarray) -> float:
    """Chance that one labelling, any of these alike, has a maximum that no other reaches."""
    return float((maxima == maxima.max()).sum() == 1) / len(maxima)


def simulate(setup: Setup, processes: int = 1) -> dict[tuple[str, str], float]:
    """Share of groups in which something came out, by method and tail."""
    chunks = [
        range(start, min(start + GROUPS_PER_CHUNK, setup.n_groups))
        for start in range(0, setup.n_groups, GROUPS_PER_CHUNK)
    ]
    totals: dict[tuple[str, str], float] = {}
    done = 0
    with ProcessPoolExecutor(processes) as pool:
        for chunk, sums in zip(chunks, pool.map(partial(some_groups, setup), chunks), strict=True):
            for key, value in sums.items():
                totals[key] = totals.get(key, 0.0) + value / setup.n_groups
            done += len(chunk)
            print(f"{done} of {setup.n_groups} groups", end="\r", file=sys.stderr)
    return totals


def some_groups(setup: Setup, groups: range) -> dict[tuple[str, str], float]:
    """Sums over a few groups; each has a seed of its own."""
    adjacency = grid_adjacency(np.ones(setup.shape, bool))
    sums: dict[tuple[str, str], float] = {}
    for group in groups:
        rng = np.random.default_rng([setup.seed, group])
        scores, resolution = null_scores(rng, setup)
        flips = rng.integers(0, 2, (setup.n_flips, setup.n_subjects)) * 2 - 1
        signs = np.vstack([np.ones(setup.n_subjects), flips]).astype(np.int8)
        for key, value in one_group(scores, resolution, signs, adjacency, setup).items():
            sums[key] = sums.get(key, 0.0) + value
    return sums


def table(rates: dict[tuple[str, str], float]) -> str:
    """Markdown: a row for each method, a column for each tail."""
    lines = ["| method | " + " | ".join(TAILS) + " |", "| --- |" + " --- |" * len(TAILS)]
    for method in dict.fromkeys(method for method, _ in rates):
        cells = " | ".join(f"{rates[method, tail]:.4f}" for tail in TAILS)
        lines.append(f"| {method} | {cells} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Simulate, print the table, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--field", choices=tuple(FIELDS), default="every-method")
    parser.add_argument("--groups", type=int, help="fewer, to see how long it takes")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(argv)
    given = {"n_groups": options.groups, "seed": options.seed}
    setup = replace(
        FIELDS[options.field], **{k: value for k, value in given.items() if value is not None}
    )
    out = options.out or Path(f"benchmarks/results/calibration-{options.field}.json")
    start = time.perf_counter()
    rates = simulate(setup, options.processes)
    print(table(rates))
    print(f"{setup.n_groups} groups, {time.perf_counter() - start:.0f} s")
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"method": m, "tail": t, "rate": rate} for (m, t), rate in rates.items()]
    out.write_text(json.dumps({"setup": asdict(setup), "rates": rows}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
