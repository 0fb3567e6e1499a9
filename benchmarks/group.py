"""``python -m benchmarks.group``: permutations across subjects beside nilearn's permuted_ols.

20 subjects, 70,000 voxels, the same flips for both; one thread each, in turns. Before anything is
timed t and the null distribution of the maximum are compared.
"""

import argparse
import json
import resource
import time
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiMasker
from nilearn.mass_univariate import permuted_ols
from scipy.ndimage import gaussian_filter
from threadpoolctl import threadpool_limits

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import Relabelings, draw_relabelings

from .report import machine_line
from .timing import best_of, machine

TARGETS = {"max-T": 20.0, "TFCE": 50.0, "two threads": 1.8}
SEED = 7


def ball(n_voxels: int) -> np.ndarray:
    """Mask of about so many voxels in a ball, as round as a brain is."""
    radius = (3 * n_voxels / (4 * np.pi)) ** (1 / 3)
    side = int(2 * radius) + 3
    places = np.indices((side,) * 3) - (side - 1) / 2
    return (places**2).sum(axis=0) <= radius**2


def smooth_scores(mask: np.ndarray, n_subjects: int, sigma_voxels: float = 1.0) -> np.ndarray:
    """Smooth noise, (n_subjects, n_voxels)."""
    rng = np.random.default_rng(SEED)
    rows = [gaussian_filter(rng.standard_normal(mask.shape), sigma_voxels)[mask]
            for _ in range(n_subjects)]  # fmt: skip
    return np.stack(rows)


def nilearn_flips(n_draws: int, n_subjects: int) -> Relabelings:
    """The signs that nilearn draws from the seed: it flips what it has flipped before."""
    chunk = np.random.RandomState(SEED).randint(1, np.iinfo(np.int32).max - 1)
    rng = np.random.RandomState(chunk)
    steps = [rng.randint(2, size=(n_subjects, 1))[:, 0] * 2 - 1 for _ in range(n_draws)]
    return Relabelings(np.cumprod(steps, axis=0).astype(np.int8), "flip", exhaustive=False)


def theirs(scores: np.ndarray, n_draws: int, masker: NiftiMasker | None) -> dict:
    """nilearn's permutations, one-sided, on one thread."""
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        return permuted_ols(
            np.ones((len(scores), 1)), scores, model_intercept=False, n_perm=n_draws,
            two_sided_test=False, random_state=SEED, n_jobs=1, output_type="dict",
            masker=masker, tfce=masker is not None, verbose=0,
        )  # fmt: skip


def side_by_side(n_voxels: int = 70_000, n_subjects: int = 20, repeats: int = 3) -> list[dict]:
    """Milliseconds per permutation of both, and how many times as fast ours is."""
    mask = ball(n_voxels)
    scores = smooth_scores(mask, n_subjects)
    plan = prepare_test(scores, one_sample_design(n_subjects))
    adjacency = grid_adjacency(mask)
    masker = NiftiMasker(nib.Nifti1Image(mask.astype(np.uint8), np.eye(4))).fit()
    check_agreement(scores, plan, adjacency)
    rows = []
    for name, few, many in (("max-T", 50, 1000), ("TFCE", 3, 60)):
        where = None if name == "max-T" else adjacency
        # the difference of two lengths leaves out what is done once
        long, short = (nilearn_flips(n, n_subjects) for n in (many, many // 10))
        ours = (best_of(lambda d=long, w=where: permutation_null(plan, d, w), repeats)
                - best_of(lambda d=short, w=where: permutation_null(plan, d, w), repeats)
                ) / (many - many // 10)  # fmt: skip
        shown = masker if name == "TFCE" else None
        other = (best_of(lambda n=2 * few, m=shown: theirs(scores, n, m), max(1, repeats - 1))
                 - best_of(lambda n=few, m=shown: theirs(scores, n, m), max(1, repeats - 1))
                 ) / few  # fmt: skip
        rows.append(
            {
                "case": name,
                "ours_ms": 1e3 * ours,
                "theirs_ms": 1e3 * other,
                "ratio": other / ours,
                "target": TARGETS[name],
            }
        )
        print(line(rows[-1]), flush=True)
    return rows


def check_agreement(scores: np.ndarray, plan, adjacency: Adjacency) -> None:
    """Stop when t or the null distribution of its maximum differ."""
    found = theirs(scores, 20, None)
    null = permutation_null(plan, nilearn_flips(20, len(scores)))
    np.testing.assert_allclose(observe(plan, adjacency).t, found["t"][0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(null.maxima["t"], found["h0_max_t"][0], rtol=1e-9)
    print("t and the maxima of 20 flips agree.", flush=True)


def two_threads(n_voxels: int = 70_000, n_subjects: int = 20, repeats: int = 3) -> dict:
    """Wall time of one thread and of two, and whether the bytes are the same."""
    mask = ball(n_voxels)
    plan = prepare_test(smooth_scores(mask, n_subjects), one_sample_design(n_subjects))
    adjacency = grid_adjacency(mask)
    draws = draw_relabelings(plan.design, 256, SEED)
    results = {}

    def run(n_threads: int) -> None:
        results[n_threads] = permutation_null(plan, draws, adjacency, 3.5, n_threads=n_threads)

    times = {1: [], 2: []}
    run(1)
    for _ in range(repeats):  # in turns, so that both see the same machine
        for n_threads in (1, 2):
            times[n_threads].append(best_of(lambda n=n_threads: run(n), 1, time.perf_counter))
    same = all(
        results[1].maxima[k].tobytes() == results[2].maxima[k].tobytes() for k in results[1].maxima
    )
    ratio = min(times[1]) / min(times[2])
    return {"case": "two threads", "ratio": ratio, "target": 1.8, "same_bytes": same}


def whole_brain(n_draws: int, n_voxels: int = 230_000, n_threads: int = 2) -> dict:
    """20 subjects, everything: seconds, and the memory of the process at its peak."""
    mask = ball(n_voxels)
    plan = prepare_test(smooth_scores(mask, 20), one_sample_design(20))
    adjacency = grid_adjacency(mask)
    threshold = plan.cluster_threshold(0.001)
    permutation_null(plan, draw_relabelings(plan.design, 4, 0), adjacency, threshold)
    draws = draw_relabelings(plan.design, n_draws, SEED)
    start, processor = time.perf_counter(), time.process_time()
    observe(plan, adjacency)
    permutation_null(plan, draws, adjacency, threshold, n_threads=n_threads)
    return {
        "n_voxels": plan.n_voxels,
        "n_draws": n_draws,
        "n_threads": n_threads,
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def line(row: dict) -> str:
    """One measurement as a row of the table."""
    met = "" if row["ratio"] >= row["target"] else " (not met)"
    if "ours_ms" not in row:
        return f"| {row['case']} | | | {row['ratio']:.2f}{met} | {row['target']:g} |"
    return (
        f"| {row['case']} | {row['ours_ms']:.3f} | {row['theirs_ms']:.2f} | "
        f"{row['ratio']:.0f}{met} | {row['target']:g} |"
    )


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.group", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--draws", type=int, default=10_000, help="of the whole brain; 0: skip it")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/group.json"))
    options = parser.parse_args(argv)
    print(machine_line(machine()))
    print("| per permutation | ours (ms) | nilearn (ms) | ratio | at least |")
    print("| --- | --- | --- | --- | --- |", flush=True)
    found: dict = {"machine": machine(), "table": side_by_side(repeats=options.repeats)}
    found["two_threads"] = two_threads(repeats=options.repeats)
    print(line(found["two_threads"]), "same bytes:", found["two_threads"]["same_bytes"], flush=True)
    if options.draws:
        found["whole_brain"] = whole_brain(options.draws)
        print(found["whole_brain"])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
