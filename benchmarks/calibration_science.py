"""``python -m benchmarks.calibration_science``: noise through the searchlight to the group test.

Null images, groups of 16 subjects each with its own images: how often does something come out? The
searchlight and the test are the app's functions; ``benchmarks.calibration_app`` sends some such
groups, and datasets whose design misleads, through the whole app.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.stats import beta

from bids_rsa.core.inference.condition_null import condition_test
from bids_rsa.core.inference.correct import count_p, familywise_p
from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings
from bids_rsa.core.inference.stelzer import stelzer_test
from bids_rsa.core.searchlight import searchlight_rsa
from bids_rsa.dataset import find_analyses
from bids_rsa.models.fits import condensed
from bids_rsa.models.loading import load_models
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.settings import InputSettings, RsaSettings

from .calibration_designs import AFFINE, CONDITIONS, N_RUNS, SHAPE, Design, models, noise

RADIUS_MM = 9.0
TAILS = ("greater", "less", "two-sided")
ALPHA = 0.05


def subject_scores(root: Path, design: Design) -> tuple[list[dict], list[str]]:
    """Fisher z of every subject, by model, and what the app warns of."""
    files = tuple(f"{root}/models/{name}.tsv" for name in design.models())
    rsa = RsaSettings(radius_mm=RADIUS_MM, missing_runs=design.missing_runs)
    inputs = InputSettings(bids_dir=str(root), models=files)
    read = load_models(inputs)
    found = find_analyses(inputs, rsa, read, str(root / "derivatives"))
    rows, warned = [], set()
    for group in found.analyses:
        stacked = stack_analysis(group, rsa)
        scores = search(stacked.patterns, stacked.patch_mask, condensed(read, stacked.conditions))
        left_out = sum(stacked.voxels_left_out.values())
        rows.append(dict(zip(design.models(), scores, strict=True)))
        warned |= {reworded(sentence) for sentence in stacked.warnings}
        if left_out:
            warned.add("leaves these voxels out of all patches")
    return rows, sorted(warned)


def reworded(warning: str) -> str:
    """The first sentence of a warning on one line, without the numbers of one subject."""
    words = re.sub(r" \([a-z] \d.*?\)", "", " ".join(warning.split()))
    words = re.sub(r" is [01]\.\d+", " is high", words)
    return re.split(r"(?<=[a-z])\. |: (?=run|[a-z] )", words)[0]


def search(patterns: np.ndarray, mask: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Fisher z of each model on the whole grid, NaN outside, (n_models, X, Y, Z)."""
    found = searchlight_rsa(patterns, mask, mask, AFFINE, RADIUS_MM, cells, min_voxels=10)
    volumes = np.full((len(cells), *SHAPE), np.nan)
    volumes[:, mask] = np.arctanh(np.clip(found.scores["spearman"], -1 + 1e-3, 1 - 1e-3))
    return volumes


def noise_patterns(rng: np.random.Generator) -> np.ndarray:
    """One subject's patterns of noise: the mean of the runs' images, as the app makes it."""
    patterns = [np.mean([noise(rng) for _ in range(N_RUNS)], axis=0) for _ in CONDITIONS]
    return np.ascontiguousarray(np.stack(patterns, axis=-1).reshape(-1, 1, len(CONDITIONS)))


def null_group(rng: np.random.Generator, n_subjects: int) -> np.ndarray:
    """One group's scores without an effect, (n_models, n_subjects, n_voxels)."""
    mask = np.ones(SHAPE, bool)
    upper = np.triu_indices(len(CONDITIONS), 1)
    cells = np.array([square[upper] for square in models().values()])
    rows = []
    for _ in range(n_subjects):
        stacked = noise_patterns(rng)
        rows.append(search(stacked, mask, cells).reshape(len(cells), -1))
    return np.stack(rows, axis=1)


def null_rates(n_groups: int, n_draws: int, seed: int) -> list[dict]:
    """Family-wise error of independent groups of 16, by model, tail and method."""
    design = one_sample_design(16)
    hits: dict[tuple[str, str, str], int] = {}
    for group in range(n_groups):
        rng = np.random.default_rng([seed, group])
        draws = draw_relabelings(design, n_draws, int(rng.integers(2**31)))
        for model, scores in zip(models(), null_group(rng, 16), strict=True):
            there = np.isfinite(scores).all(axis=0)
            adjacency = grid_adjacency(there.reshape(SHAPE))
            for tail in TAILS:
                for method, p in smallest_corrected_p(scores[:, there], draws, adjacency, tail):
                    key = (model, tail, method)
                    hits[key] = hits.get(key, 0) + int(p <= ALPHA)
    return [
        {"model": m, "tail": t, "method": k, "rate": n / n_groups,
         "upper_95": float(beta.ppf(0.95, n + 1, n_groups - n)) if n < n_groups else 1.0}
        for (m, t, k), n in hits.items()
    ]  # fmt: skip


def permuted_cells(rng: np.random.Generator, n_draws: int) -> np.ndarray:
    """Each model, and behind it the same with its conditions permuted; one draw for all models."""
    upper = np.triu_indices(len(CONDITIONS), 1)
    orders = [np.arange(len(CONDITIONS))]
    orders += [rng.permutation(len(CONDITIONS)) for _ in range(n_draws)]
    return np.array(
        [square[np.ix_(order, order)][upper] for square in models().values() for order in orders]
    )


def condition_rates(n_groups: int, n_draws: int, seed: int) -> list[dict]:
    """Share of groups in which anything is significant by the null of conditions."""
    mask = np.ones(SHAPE, bool)
    hits: dict[tuple[str, str, str], int] = {}
    adjacency = grid_adjacency(mask)
    names = {"max-T": "tFWEp", "TFCE": "tfceFWEp", "cluster size": "clusterSizeFWEp",
             "cluster mass": "clusterMassFWEp"}  # fmt: skip
    for group in range(n_groups):
        rng = np.random.default_rng([seed, group])
        cells = permuted_cells(rng, n_draws)
        z = np.array([search(noise_patterns(rng), mask, cells)[:, mask] for _ in range(16)])
        for number, model in enumerate(models()):
            mine = z[:, number * (n_draws + 1) : (number + 1) * (n_draws + 1)]
            for tail in TAILS:
                found = condition_test(mine[:, 0], mine[:, 1:].mean(axis=0), adjacency, tail, 0.01)
                p = found.p_maps()
                for method, name in names.items():
                    key = (model, tail, method)
                    hits[key] = hits.get(key, 0) + int(p[name].min() <= ALPHA + 1e-12)
        if (group + 1) % 20 == 0:
            print(f"{group + 1} of {n_groups} groups", end="\r", file=sys.stderr)
    return [{"model": m, "tail": t, "method": k, "rate": n / n_groups}
            for (m, t, k), n in hits.items()]  # fmt: skip


def stelzer_rates(n_groups: int, n_draws: int, seed: int) -> list[dict]:
    """Share of groups with a significant cluster, from 100 null maps of each subject."""
    mask = np.ones(SHAPE, bool)
    adjacency, n_maps = grid_adjacency(mask), 100
    hits: dict[tuple[str, str, str], int] = {}
    for group in range(n_groups):
        rng = np.random.default_rng([seed, group])
        cells = permuted_cells(rng, n_maps)
        z = np.array([search(noise_patterns(rng), mask, cells)[:, mask] for _ in range(16)])
        for number, model in enumerate(models()):
            mine = z[:, number * (n_maps + 1) : (number + 1) * (n_maps + 1)]
            nulls = np.ascontiguousarray(mine[:, 1:], dtype=np.float32)
            for tail in TAILS:
                found = stelzer_test(mine[:, 0], nulls, adjacency, n_draws, group, tail)
                for method, p in (("cluster size, q", found.q), ("cluster size, p", found.p)):
                    key = (model, tail, method)
                    hits[key] = hits.get(key, 0) + int(p.min(initial=1.0) <= ALPHA)
                key = (model, tail, "share of voxels, p < .05")
                hits[key] = hits.get(key, 0) + (found.p_maps()["p"] <= ALPHA).mean()
        print(f"{group + 1} of {n_groups} groups", end="\r", file=sys.stderr)
    return [{"model": m, "tail": t, "method": k, "rate": n / n_groups}
            for (m, t, k), n in hits.items()]  # fmt: skip


def smallest_corrected_p(scores, draws, adjacency, tail) -> list[tuple[str, float]]:
    """Smallest family-wise p of a group, by method."""
    plan = prepare_test(scores, one_sample_design(len(scores)), tail)
    null, found = permutation_null(plan, draws, adjacency), observe(plan, adjacency)
    fold = np.abs if plan.two_sided else np.asarray
    return [
        (method, float(familywise_p(fold(values).max(keepdims=True), null.maxima[name], False)[0]))
        for method, name, values in (
            ("max-T", "t", found.statistic),
            ("TFCE", "tfce", found.tfce),
        )
    ]


def with_zeros(root: Path) -> dict:
    """The same images with zero voxels left in the patches, as a plain searchlight has them."""
    rows = []
    upper = np.triu_indices(len(CONDITIONS), 1)
    for folder in sorted(root.glob("sub-*")):
        patterns = [
            np.mean([nib.load(p).get_fdata() for p in folder.glob(f"func/*contrast-{c}_*")], axis=0)
            for c in CONDITIONS
        ]
        stacked = np.ascontiguousarray(np.stack(patterns, axis=-1).reshape(-1, 1, len(CONDITIONS)))
        cells = models()["category"][upper][None]
        rows.append(search(stacked, np.ones(SHAPE, bool), cells)[0])
    return significance(np.stack(rows))


def significance(volumes: np.ndarray) -> dict:
    """Test one model's maps of several subjects."""
    there = np.isfinite(volumes).all(axis=0)
    scores = volumes[:, there]
    plan = prepare_test(scores, one_sample_design(len(scores)), "two-sided")
    draws = draw_relabelings(plan.design, 999, 0)
    null = permutation_null(plan, draws)
    t = observe(plan, grid_adjacency(there)).statistic
    p = familywise_p(np.abs(t), null.maxima["t"], draws.exhaustive)
    return {
        "mean_rho": float(np.tanh(scores).mean()),
        "mean_t": float(t.mean()),
        "significant": float((p <= ALPHA).mean()),
        "uncorrected": float((count_p(null.counts, draws.n_draws, False) <= ALPHA).mean()),
    }


def null_table(rows: list[dict]) -> str:
    """Markdown of the null images."""
    lines = ["| model | tail | max-T | TFCE |", "| --- | --- | --- | --- |"]
    by = {(r["model"], r["tail"], r["method"]): r for r in rows}
    for model, tail in dict.fromkeys((r["model"], r["tail"]) for r in rows):
        cells = " | ".join(
            f"{by[model, tail, k]['rate']:.3f} (< {by[model, tail, k]['upper_95']:.3f})"
            for k in ("max-T", "TFCE")
        )
        lines.append(f"| {model} | {tail} | {cells} |")
    return "\n".join(lines)


def condition_table(rows: list[dict]) -> str:
    """Markdown of the null of conditions."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = [f"| model | tail | {' | '.join(methods)} |", "| --- " * (len(methods) + 2) + "|"]
    by = {(r["model"], r["tail"], r["method"]): r["rate"] for r in rows}
    for model, tail in dict.fromkeys((r["model"], r["tail"]) for r in rows):
        cells = " | ".join(f"{by[model, tail, k]:.3f}" for k in methods)
        lines.append(f"| {model} | {tail} | {cells} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Simulate, print the table, write JSON."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.calibration_science", description=__doc__
    )
    parser.add_argument("--groups", type=int, default=100)
    parser.add_argument("--draws", type=int, default=199)
    parser.add_argument("--null", choices=("subjects", "conditions", "stelzer"), default="subjects")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/calibration_science.json")
    )
    options = parser.parse_args(argv)
    if options.null == "conditions":
        rows = condition_rates(options.groups, options.draws, options.seed)
        print(condition_table(rows))
    elif options.null == "stelzer":
        rows = stelzer_rates(options.groups, options.draws, options.seed)
        print(condition_table(rows))
    else:
        rows = null_rates(options.groups, options.draws, options.seed)
        print(null_table(rows))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
