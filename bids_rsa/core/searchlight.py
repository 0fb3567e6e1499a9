"""Searchlight RSA: the RDM of the patch around each centre, compared with model RDMs."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from bids_rsa.core.comparison.plans import Plan, prepare, score_all
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.dissimilarity.params import check_params
from bids_rsa.core.dissimilarity.sources import PatchRule, Patterns, RdmSource, choose_source
from bids_rsa.core.dissimilarity.table import (
    DEFAULT_DISSIMILARITY,
    Metric,
    find_dissimilarity,
)
from bids_rsa.core.neighborhood.spheres import Block, Layout, lay_out, sphere_offsets

Floats = NDArray[np.float64]

# about 2 MB of RDMs, so that they are still in the cache when they are compared
_BLOCK_CELLS = 2**18
_BLOCK_CENTERS = 2048


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
    dissimilarity: Metric = DEFAULT_DISSIMILARITY,
    params: Mapping[str, Any] | None = None,
    comparisons: Sequence[str] = (DEFAULT_COMPARISON,),
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
        See `bids_rsa.core.dissimilarity.table.DISSIMILARITIES`.
    params : mapping
        The dissimilarity's parameters; ``V`` and ``w`` have one entry per row of ``patterns``,
        ``VI`` goes only with ``radius_mm=None``.
    comparisons : sequence of str
        See `bids_rsa.core.comparison.table.COMPARISONS`.
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
    known = find_dissimilarity(dissimilarity)
    rule = PatchRule(dissimilarity, params, ignore_nan, max(min_voxels, known.min_voxels))
    if radius_mm is None:
        return _whole(patterns, rule, plans)
    n_centers = int(np.count_nonzero(center_mask))
    scores = {name: np.full((len(models), n_centers), np.nan) for name in comparisons}
    result = Scores(scores, np.zeros(n_centers, dtype=np.int32))
    if n_centers:
        offsets = sphere_offsets(affine, radius_mm, patch_mask.shape)
        layout = lay_out(patch_mask, center_mask, offsets)
        source = choose_source(patterns, layout, rule)
        _run(layout, source, plans, result, n_threads, on_progress or (lambda _: None))
    return result


def _whole(patterns: Patterns, rule: PatchRule, plans: Sequence[Plan]) -> Scores:
    """One patch of all voxels."""
    rdms = rule.rdm(patterns, np.arange(len(patterns)))[None]
    scores = {plan.comparison.name: np.empty((len(plan.models), 1)) for plan in plans}
    score_all(plans, rdms, list(scores.values()))
    return Scores(scores, np.array([len(patterns)], dtype=np.int32))


def _run(
    layout: Layout,
    source: RdmSource,
    plans: Sequence[Plan],
    result: Scores,
    n_threads: int,
    on_progress: Callable[[int], None],
) -> None:
    """Fill in the scores, block by block over a pool of threads."""
    n_cells = plans[0].models.shape[1] if plans else 1
    n_centers = int(np.clip(_BLOCK_CELLS // max(n_cells, 1), 16, _BLOCK_CENTERS))

    def run(block: Block) -> int:
        rdms = np.empty((block.stop - block.start, n_cells))
        centers = layout.order[block.start : block.stop]
        result.n_voxels[centers] = source.fill(block, rdms)
        outs = [np.empty((len(plan.models), len(rdms))) for plan in plans]
        score_all(plans, rdms, outs)
        for plan, out in zip(plans, outs, strict=True):
            result.scores[plan.comparison.name][:, centers] = out
        return len(rdms)

    # one thread of BLAS in each of ours
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(n_threads) as pool:
        try:
            for n_done in pool.map(run, layout.blocks(source.max_length, n_centers)):
                on_progress(n_done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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
    if patterns.dtype not in (np.float32, np.float64):
        raise ValueError(f"patterns must be float32 or float64, not {patterns.dtype}")
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
