"""Comparisons beside spearman, further dissimilarities, and many models: one thread, in turns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.table import dissimilarities_with_noise, needs_noise
from bids_rsa.core.measures import ModelScores
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.searchlight import searchlight, searchlight_rsa

from .data import RADIUS_MM, noise, random_models
from .noise import N_CONDITIONS, RADII, VOXEL_MM
from .noise import scene as noise_scene
from .timing import best_of

N_JOINT = 3  # models of comparisons that fit several


@dataclass(frozen=True)
class Run:
    """One searchlight to be timed."""

    name: str
    n_conditions: int = 24
    voxel_mm: float = 3.0
    n_voxels: int = 8000
    n_folds: int = 1
    n_models: int = 1
    dissimilarity: str = "correlation"
    comparison: str = "spearman"
    missing: str = ""  # one value, or 2 % of the voxels in the first run
    n_regions: int = 0  # instead of spheres: lists of 250 voxels
    weighted: str = ""  # name of a parameter with an entry for each voxel

    def prepared(self) -> tuple[Callable[[], object], int]:
        """Make the data; return what is to be timed, and the number of centres."""
        volume = noise(self.n_voxels, self.n_conditions, self.voxel_mm, self.n_folds)
        patterns, params = volume.patterns, {}
        if self.weighted:
            params[self.weighted] = np.random.default_rng(1).uniform(0.5, 1.5, len(patterns))
        if self.missing:
            patterns = patterns.copy()
            where = np.random.default_rng(2).random(len(patterns)) < 0.02
            if self.missing == "2 %":
                patterns[where, 0] = np.nan
            else:
                patterns[len(patterns) // 2, 0, 0] = np.nan
        models = random_models(self.n_models, self.n_conditions)
        if self.n_regions:
            return self._of_regions(patterns, models), self.n_regions

        def run() -> object:
            return searchlight_rsa(
                patterns, volume.mask, volume.mask, volume.affine, RADIUS_MM, models,
                dissimilarity=self.dissimilarity, params=params, comparisons=(self.comparison,),
                ignore_nan=bool(self.missing),
            )  # fmt: skip

        return run, len(patterns)

    def _of_regions(self, patterns: np.ndarray, models: np.ndarray) -> Callable[[], object]:
        """Return what computes the scores of regions."""
        rng = np.random.default_rng(3)
        lists = [rng.choice(len(patterns), 250, replace=False) for _ in range(self.n_regions)]
        regions = Patches.of_lists(lists, len(patterns))
        return lambda: searchlight(
            patterns, regions, [ModelScores(models, (self.comparison,))],
            dissimilarity=self.dissimilarity,
        )  # fmt: skip


def comparisons(repeats: int) -> list[dict[str, object]]:
    """Time every comparison, and spearman in turns with it; searching the RDMs is in both."""
    found = []
    sizes = {24: {"n_voxels": 8000}, 92: {"voxel_mm": 2.0, "n_voxels": 4000}}
    with threadpool_limits(1):
        for n, size in sizes.items():
            runs = {
                name: Run(
                    name, n, comparison=name, n_models=max(entry.min_models, _models(entry)), **size
                )
                for name, entry in COMPARISONS.items()
            }
            times = _in_turns(list(runs.values()), repeats)
            found += [
                {"what": f"{name}, {n} conditions", "us": us, "ratio": us / times["spearman"]}
                for name, us in times.items()
            ]
    return found


def _models(entry: object) -> int:
    """Return how many models a comparison is timed with."""
    return N_JOINT if entry.joint else 1  # type: ignore[attr-defined]


_BIG = {"n_conditions": 92, "voxel_mm": 2.0, "n_voxels": 3000}
RUNS = [
    Run("cross-validated correlation, 4 folds, 24", n_folds=4, n_voxels=4000),
    Run(
        "cross-validated cosine, 4 folds, 24",
        n_folds=4, n_voxels=4000, dissimilarity="cosine",
    ),
    Run(
        "cross-validated sqeuclidean, 6 folds, 92",
        dissimilarity="sqeuclidean", n_folds=6, **_BIG,
    ),
    Run(
        "cross-validated sqeuclidean, 8 folds, 24",
        dissimilarity="sqeuclidean", n_folds=8, n_voxels=4000,
    ),
    Run(
        "the same with one NaN under ignore_nan",
        dissimilarity="sqeuclidean", n_folds=8, n_voxels=4000, missing="one",
    ),
    Run(
        "the same with 2 % of the voxels missing in one run",
        dissimilarity="sqeuclidean", n_folds=8, n_voxels=4000, missing="2 %",
    ),
    Run("crossnobis without noise, 8 folds, 24", dissimilarity="crossnobis", n_folds=8),
    Run("200 regions of 250 voxels, 24", n_regions=200),
    Run("200 regions of 250 voxels, 92", 92, n_regions=200),
    Run("200 regions, sqeuclidean, 8 folds, 24",
        n_regions=200, dissimilarity="sqeuclidean", n_folds=8),
    Run("euclidean with w, 24", dissimilarity="euclidean", weighted="w"),
    Run("seuclidean with V, 24", dissimilarity="seuclidean", weighted="V"),
    Run("cosine with w, 24", dissimilarity="cosine", weighted="w"),
    Run("correlation with w, 24", weighted="w"),
    Run(
        "cross-validated correlation with w, 4 folds, 24",
        n_folds=4, weighted="w", n_voxels=1000,
    ),
    Run("1,000 models, 92", n_models=1000, **_BIG),
    Run("50 models, kendall-tau-a, 92", n_models=50, comparison="kendall-tau-a", **_BIG),
    Run(
        "kendall-tau-a, 200",
        200, 2.0, 2000, comparison="kendall-tau-a",
    ),
]  # fmt: skip


def further(repeats: int) -> list[dict[str, object]]:
    """Time what has no row of its own in the table of the engine."""
    with threadpool_limits(1):
        times = _in_turns(RUNS, repeats) | _with_noise(repeats)
    return [{"what": name, "us": us} for name, us in times.items()]


def _with_noise(repeats: int) -> dict[str, float]:
    """Microseconds a centre of each dissimilarity with a noise covariance, in turns."""
    data, model = noise_scene(), random_models(1, N_CONDITIONS)
    noise_model, centers = data.noise("residuals"), data.centers(123)
    affine = np.diag([VOXEL_MM] * 3 + [1.0])

    one_fold = data.patterns.mean(axis=1, keepdims=True)

    def run(name: str) -> object:
        return searchlight_rsa(
            one_fold if needs_noise(name) else data.patterns, data.mask, centers, affine,
            RADII[123], model, dissimilarity=name, noise=noise_model,
        )  # fmt: skip

    names = [name for name in dissimilarities_with_noise()]
    rounds = [[best_of(lambda n=name: run(n), 1) for name in names] for _ in range(repeats)]
    folds = {name: "1 fold" if needs_noise(name) else "12 folds" for name in names}
    return {
        f"{name}, noise from residuals, 12, {folds[name]}": 1e6 * min(times) / int(centers.sum())
        for name, *times in zip(names, *rounds, strict=True)
    }


def _in_turns(runs: list[Run], repeats: int) -> dict[str, float]:
    """Fewest microseconds a centre of each, in turns."""
    ready = [run.prepared() for run in runs]
    for function, _ in ready:
        function()
    rounds = [
        [1e6 * best_of(function, 1) / n_centers for function, n_centers in ready]
        for _ in range(repeats)
    ]
    return {run.name: min(times) for run, *times in zip(runs, *rounds, strict=True)}


def floor(repeats: int) -> list[dict[str, object]]:
    """Compare correlation + spearman with one update of the Gram matrix and one sort of the cells.

    The update multiplies a column's voxels at the speed of a large matrix product; the sort is
    numpy's, of doubles.
    """
    matrix = np.random.default_rng(0).random((1000, 1000))
    found = []
    with threadpool_limits(1):
        matrix @ matrix
        rate = len(matrix) ** 3 / best_of(lambda: matrix @ matrix, 5)
        for n, voxel_mm, n_voxels, n_columns in (
            (8, 3.0, 8000, 37), (24, 3.0, 8000, 37), (92, 2.0, 12000, 89),
            (200, 2.0, 6000, 89), (500, 2.0, 1500, 89),
        ):  # fmt: skip
            n_cells = n * (n - 1) // 2
            cells = np.random.default_rng(0).normal(size=(max(1, 2**20 // n_cells), n_cells))
            sort_us = 1e6 * best_of(lambda cells=cells: np.sort(cells, axis=1), 3) / len(cells)
            gram_us = 1e6 * n_cells * n_columns / rate
            (us,) = _in_turns([Run("", n, voxel_mm, n_voxels)], repeats).values()
            found.append({
                "what": f"{n} conditions, {voxel_mm:g} mm", "us": us, "gram_us": gram_us,
                "sort_us": sort_us, "ratio": us / (gram_us + sort_us),
            })  # fmt: skip
    return found
