"""``python -m benchmarks.calibration_counts``: unequal numbers of images and cross-validation.

Noise only, 4 images a run in half of the conditions and 1 in the others. Cross-validated distances
of noise are 0 on average, but those between conditions of few images spread more. How often does a
group's one-sample test find scores above 0, of a model that calls those conditions alike?
"""

import argparse
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from bids_rsa import compute_dsm_cv
from bids_rsa.core.comparison.plans import prepare
from bids_rsa.core.comparison.table import COMPARISONS

ALPHA = 0.05


@dataclass(frozen=True)
class Setup:
    """What is simulated."""

    n_groups: int = 1000
    n_subjects: int = 16
    n_runs: int = 8
    n_voxels: int = 20
    counts: tuple[int, ...] = (4, 4, 4, 4, 1, 1, 1, 1)
    seed: int = 29


def tied_model(setup: Setup) -> np.ndarray:
    """Model RDM: the conditions with few images are alike, all others are not."""
    few = np.array(setup.counts) == min(setup.counts)
    return (~np.outer(few, few)).astype(float)[np.triu_indices(len(few), 1)]


def subject_rdm(rng: np.random.Generator, setup: Setup) -> np.ndarray:
    """Cross-validated squared Euclidean distances of noise; a run's images are averaged."""
    shape = (setup.n_runs, len(setup.counts), setup.n_voxels)
    folds = rng.standard_normal(shape) / np.sqrt(setup.counts)[None, :, None]
    return compute_dsm_cv(folds, metric="sqeuclidean")


def rates(setup: Setup) -> dict[str, dict[str, float]]:
    """Share of groups with p < .05, scores above 0, and z of the mean t, by comparison."""
    model = tied_model(setup)
    names = [name for name, entry in COMPARISONS.items() if entry.min_models == 1]
    plans = {name: prepare(model, name) for name in names}
    t: dict[str, list[float]] = {name: [] for name in [*names, "numerator of cosine"]}
    for group in range(setup.n_groups):
        rng = np.random.default_rng([setup.seed, group])
        rdms = np.array([subject_rdm(rng, setup) for _ in range(setup.n_subjects)])
        for name, plan in plans.items():
            scores = np.empty((1, len(rdms)))
            plan.score(rdms, scores)
            values = np.arctanh(scores[0]) if COMPARISONS[name].transform == "fisher" else scores[0]
            t[name].append(float(stats.ttest_1samp(values, 0).statistic))
        t["numerator of cosine"].append(float(stats.ttest_1samp(rdms @ model, 0).statistic))
    critical = float(stats.t.isf(ALPHA, setup.n_subjects - 1))
    return {
        name: {
            "rate": float(np.mean(np.array(values) > critical)),
            "z": float(np.mean(values) * np.sqrt(len(values))),
        }
        for name, values in t.items()
    }


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown: a row for each comparison."""
    lines = ["| comparison | p < .05, greater | z of the mean t |", "| --- | --- | --- |"]
    lines += [f"| {name} | {row['rate']:.3f} | {row['z']:+.1f} |" for name, row in found.items()]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Simulate, print the table, write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration_counts", description=__doc__
    )
    parser.add_argument("--groups", type=int, default=Setup.n_groups)
    parser.add_argument("--seed", type=int, default=Setup.seed)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/calibration_counts.json")
    )
    options = parser.parse_args(argv)
    setup = Setup(n_groups=options.groups, seed=options.seed)
    found = rates(setup)
    print(table(found))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"setup": asdict(setup), "rates": found}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
