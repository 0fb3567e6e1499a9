"""Searchlight RSA: the RDM of the patch around each centre, compared with model RDMs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from bids_rsa.core.comparison import Plan, prepare, score_all
from bids_rsa.core.dissimilarity import Metric, check_params, patch_rdm, select_voxels
from bids_rsa.core.neighborhood import Grid, sphere_offsets

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What a searchlight found.

    Attributes
    ----------
    scores : dict of str to (n_models, n_centers) float64
        For each comparison; NaN where undefined. Centres in the order of
        ``np.argwhere(center_mask)``.
    n_voxels : (n_centers,) int32
        Patch sizes.
    """

    scores: dict[str, Floats]
    n_voxels: NDArray[np.int32]


def searchlight_rsa(
    patterns: NDArray[np.floating[Any]],
    patch_mask: NDArray[np.bool_],
    center_mask: NDArray[np.bool_],
    affine: ArrayLike,
    radius_mm: float | None,
    models: ArrayLike,
    *,
    dissimilarity: Metric = "correlation",
    params: Mapping[str, Any] | None = None,
    comparisons: Sequence[str] = ("spearman",),
    ignore_nan: bool = False,
    min_voxels: int = 1,
    standardize: bool = False,
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> Scores:
    """Compare the RDM of the patch around each centre with model RDMs.

    Parameters
    ----------
    patterns : (n_patch_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
        In the order of ``np.argwhere(patch_mask)``; one fold: not cross-validated.
    patch_mask, center_mask : (X, Y, Z) bool
        Voxels that patches use, and the centres.
    affine : (4, 4) array_like
        Voxel indices to mm.
    radius_mm : float or None
        None: one patch of all patch voxels, and one centre.
    models : (n_models, n_cells) array_like
        Condensed model RDMs; NaN cells are left out.
    dissimilarity : str or callable
        See `bids_rsa.core.dissimilarity.DISSIMILARITIES`.
    params : mapping
        The dissimilarity's parameters; ``V`` and ``w`` have one entry per row of ``patterns``,
        ``VI`` goes only with ``radius_mm=None``.
    comparisons : sequence of str
        See `bids_rsa.core.comparison.COMPARISONS`.
    ignore_nan : bool
        NaN is a missing value; else it makes a centre undefined.
    min_voxels : int
        Centres with smaller patches are undefined.
    standardize : bool
        z-score RDMs and models (changes ``regression`` only).
    n_threads : int
        Changes nothing in the result.
    on_progress : callable
        Called with the number of newly finished centres, from the calling thread.

    Returns
    -------
    Scores

    Raises
    ------
    ValueError
        Arrays that don't fit each other, unknown metrics, parameters that don't fit.
    """
    params = {k: v for k, v in (params or {}).items() if v is not None}
    models = np.array(models, dtype=np.float64, ndmin=2, order="C")
    _check(patterns, patch_mask, center_mask, radius_mm, models, params, dissimilarity, n_threads)
    plans = [prepare(models, name, standardize=standardize) for name in comparisons]
    measure = _Measure(patterns, dissimilarity, params, ignore_nan, min_voxels)
    if radius_mm is None:
        blocks: Iterator[_Block] = iter([_Block(slice(0, 1), [np.arange(len(patterns))])])
        n_centers = 1
    else:
        blocks = _blocks(
            patch_mask, center_mask, sphere_offsets(affine, radius_mm, patch_mask.shape)
        )
        n_centers = int(np.count_nonzero(center_mask))
    result = Scores(
        {name: np.full((len(models), n_centers), np.nan) for name in comparisons},
        np.zeros(n_centers, dtype=np.int32),
    )

    def run(block: "_Block") -> int:
        return _run_block(block, measure, plans, result)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as pool:
        for n_done in pool.map(run, blocks):
            if on_progress is not None:
                on_progress(n_done)
    return result


@dataclass(frozen=True)
class _Block:
    """Some centres, as a slice of all centres, and the rows of each one's patch."""

    centers: slice
    patches: list[NDArray[Any]]


@dataclass(frozen=True)
class _Measure:
    """Patterns and how an RDM is made of some of them."""

    patterns: NDArray[np.floating[Any]]
    metric: Metric
    params: Mapping[str, Any]
    ignore_nan: bool
    min_voxels: int

    def rdm(self, rows: NDArray[Any]) -> Floats:
        """RDM (n_cells,) of the patch with these rows; all NaN where undefined."""
        n_items = self.patterns.shape[2]
        if len(rows) < max(self.min_voxels, 1):
            return np.full(n_items * (n_items - 1) // 2, np.nan)
        folds = np.ascontiguousarray(self.patterns[rows].transpose(1, 2, 0), dtype=np.float64)
        params = select_voxels(self.params, rows)
        return patch_rdm(folds, self.metric, self.ignore_nan, params)


def _run_block(block: _Block, measure: _Measure, plans: Sequence[Plan], result: Scores) -> int:
    """Fill in the scores of one block, return its number of centres."""
    rdms = np.stack([measure.rdm(rows) for rows in block.patches])
    outs = [result.scores[plan.comparison.name][:, block.centers] for plan in plans]
    score_all(plans, rdms, outs)
    result.n_voxels[block.centers] = [len(rows) for rows in block.patches]
    return len(block.patches)


def _blocks(
    patch_mask: NDArray[np.bool_], center_mask: NDArray[np.bool_], offsets: NDArray[np.int64]
) -> Iterator[_Block]:
    """Cut the centres into whole rows of the grid."""
    grid = Grid(patch_mask, offsets)
    centers = np.argwhere(center_mask)
    flat = grid.flat(centers)
    changes = np.flatnonzero(np.any(np.diff(centers[:, :2], axis=0) != 0, axis=1)) + 1
    borders = [0, *changes.tolist(), len(centers)]
    for start, stop in pairwise(borders):
        if stop > start:
            yield _Block(slice(start, stop), [grid.patch(int(c)) for c in flat[start:stop]])


def _check(
    patterns: NDArray[np.floating[Any]],
    patch_mask: NDArray[np.bool_],
    center_mask: NDArray[np.bool_],
    radius_mm: float | None,
    models: Floats,
    params: Mapping[str, Any],
    metric: Metric,
    n_threads: int,
) -> None:
    """Check once that the arrays fit each other."""
    n_voxels = int(np.count_nonzero(patch_mask))
    if patterns.ndim != 3 or len(patterns) != n_voxels:
        raise ValueError(
            f"patterns must be (n_patch_voxels, n_folds, n_conditions) with {n_voxels} voxels as "
            f"in the patch mask, not of shape {patterns.shape}"
        )
    if patch_mask.ndim != 3 or patch_mask.shape != center_mask.shape:
        raise ValueError(
            f"masks must be 3D and of one shape, not {patch_mask.shape} and {center_mask.shape}"
        )
    n_items = patterns.shape[2]
    n_cells = n_items * (n_items - 1) // 2
    if models.shape[1] != n_cells:
        raise ValueError(
            f"{n_items} conditions make {n_cells} cells, the models have {models.shape[1]}"
        )
    if "VI" in params and radius_mm is not None:
        raise ValueError("VI is a matrix of all voxels: it goes only with radius None (one patch)")
    if n_threads < 1:
        raise ValueError(f"n_threads must be at least 1, not {n_threads}")
    check_params(metric, params, n_voxels)
