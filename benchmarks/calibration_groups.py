"""``python -m benchmarks.calibration_groups``: two groups without a difference, of unequal spread.

Smooth noise; the first group's is wider. How often does something come out between the groups?
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from bids_rsa.core.inference.correct import count_p, familywise_p
from bids_rsa.core.inference.design import two_sample_design
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings

from .calibration import ALPHA, Setup, null_scores

FIELD = Setup(shape=(12, 12, 12))
N_DRAWS = 99
# subjects of the first and of the second group, spread of the first over that of the second
CASES = (
    (12, 12, 1),
    (6, 18, 1),
    (6, 18, 1.3),
    (20, 20, 2),
    (12, 12, 2),
    (10, 30, 2),
    (6, 18, 2),
    (14, 10, 2),
    (16, 8, 2),
    (18, 6, 2),
)
METHODS = {"max-T": "t", "TFCE": "tfce"}


def one_pair(rng: np.random.Generator, first: np.ndarray, spread: float) -> dict[str, float]:
    """Test one pair of groups two-sided: whether something came out; voxel-wise its share."""
    scores = null_scores(rng, replace(FIELD, n_subjects=len(first)))
    scores[first] *= spread
    adjacency = grid_adjacency(np.ones(FIELD.shape, bool))
    plan = prepare_test(scores, two_sample_design(first), "two-sided")
    draws = draw_relabelings(plan.design, N_DRAWS, int(rng.integers(2**31)))
    null, observed = permutation_null(plan, draws, adjacency), observe(plan, adjacency)
    seen = {"t": observed.statistic, "tfce": observed.tfce}
    voxelwise = count_p(null.counts, draws.n_draws, draws.exhaustive)
    return {"voxel-wise p": float((voxelwise <= ALPHA).mean())} | {
        method: float(
            (familywise_p(np.abs(seen[name]), null.maxima[name], draws.exhaustive) <= ALPHA).any()
        )
        for method, name in METHODS.items()
    }


def rates(case: tuple[int, int, float], n_pairs: int, seed: int) -> dict[str, float]:
    """Average over many pairs of groups."""
    n_first, n_second, spread = case
    first = np.arange(n_first + n_second) < n_first
    found = [one_pair(np.random.default_rng([seed, k]), first, spread) for k in range(n_pairs)]
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def main(argv: list[str] | None = None) -> int:
    """Simulate, print the table, write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration_groups", description=__doc__
    )
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/calibration_groups.json")
    )
    options = parser.parse_args(argv)
    columns = ("voxel-wise p", *METHODS)
    print(f"| subjects | ratio of spreads | {' | '.join(columns)} |\n|{' --- |' * 5}", flush=True)
    table = []
    for case in CASES:
        row = rates(case, options.pairs, options.seed)
        cells = " | ".join(f"{row[name]:.3f}" for name in columns)
        print(f"| {case[0]} and {case[1]} | {case[2]} | {cells} |", flush=True)
        table.append({"case": case, **row})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
