"""Searchlight RSA: the RDM of the patch around each centre, and what is measured of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.block_threads import SharedBlocks, over_threads
from bids_rsa.core.comparison.blocks import cut_into_blocks
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.condition_null import ConditionNull
from bids_rsa.core.dissimilarity.params import check_params
from bids_rsa.core.dissimilarity.protocol import RdmSource
from bids_rsa.core.dissimilarity.sources import PatchRule, choose_source
from bids_rsa.core.dissimilarity.table import (
    DEFAULT_DISSIMILARITY,
    Metric,
    check_folds,
    find_dissimilarity,
)
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.limits import centers_of_block, longest_piece
from bids_rsa.core.measures import Measure, ModelScores
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.noise.sources import choose_noise_source
from bids_rsa.core.scores import ModelMeasures, Scores

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]


def searchlight(
    patterns: Patterns,
    neighborhood: Neighborhood,
    measures: Iterable[Measure],
    *,
    dissimilarity: Metric = DEFAULT_DISSIMILARITY,
    params: Mapping[str, Any] | None = None,
    ignore_nan: bool = False,
    min_voxels: int = 1,
    noise: NoiseModel | None = None,
    shrinkage: Floats | None = None,
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> NDArray[np.int32]:
    """Compute the RDM of every patch once, and pass it to all measures.

    Parameters
    ----------
    patterns : (n_locations, n_folds, n_conditions) float32 or float64
        Of voxels or vertices; with one fold, not cross-validated.
    neighborhood : Neighborhood
        `bids_rsa.core.neighborhood.spheres.sphere_rows` of a grid, or lists:
        `bids_rsa.core.neighborhood.patches.Patches`.
    measures : iterable of Measure
        Each stores its own results; see `bids_rsa.core.measures`.
    dissimilarity : str or callable
        See `bids_rsa.core.dissimilarity.table.DISSIMILARITIES`.
    params : mapping
        The dissimilarity's parameters; ``V`` and ``w`` have one entry per row of ``patterns``,
        ``VI`` can only be used with a single patch of all locations.
    ignore_nan : bool
        Treat NaN as a missing value; otherwise a centre with NaN in its patch is undefined.
    min_voxels : int
        Centres with smaller patches are undefined: all cells of their RDMs are NaN.
    noise : NoiseModel
        Normalise by the noise covariance of each patch; its voxels are those of ``patterns``.
        Voxels whose noise does not vary belong to no patch.
    shrinkage : (n_centers,) float64
        Output array for the shrinkage of the noise covariances; NaN where undefined.
    n_threads : int
        Number of threads; the result does not depend on it.
    on_progress : callable
        Called with the number of newly finished centres, from the calling thread.

    Returns
    -------
    n_voxels : (n_centers,) int32
        Patch sizes.

    Raises
    ------
    ValueError
        Arrays do not match, or metrics are unknown, or parameters are invalid.
    """
    params = {k: v for k, v in (params or {}).items() if v is not None}
    _check(patterns, neighborhood, params, dissimilarity, n_threads)
    n_cells = patterns.shape[2] * (patterns.shape[2] - 1) // 2
    measures = tuple(measures)
    for measure in measures:
        measure.start(neighborhood.n_centers, n_cells)
    n_voxels = np.zeros(neighborhood.n_centers, dtype=np.int32)
    if not neighborhood.n_centers:
        return n_voxels
    neighborhood, source = _source(
        patterns, neighborhood, dissimilarity, params, ignore_nan, min_voxels, noise
    )
    length = longest_piece(n_cells, source.max_length)
    blocks = list(neighborhood.blocks(centers_of_block(n_cells, len(n_voxels)), length))
    longest = max(len(block.centers) for block in blocks)
    at_a_time = max((measure.cells_at_a_time for measure in measures), default=1)

    def run(shared: SharedBlocks[CenterBlock]) -> None:
        # used again for each block: new memory costs a tenth of a run
        room = make_room(longest * n_cells).reshape(longest, n_cells)
        for block in shared:
            rdms = room[: len(block.centers)]
            n_voxels[block.centers] = source.fill(block, rdms)
            for part in cut_into_blocks(rdms, block.centers, at_a_time):
                for measure in measures:
                    measure.take(part)
            shared.finish(len(rdms))

    with over_threads(run, blocks, n_threads, on_progress) as shared:
        run(shared)
    if noise is not None and shrinkage is not None:
        shrinkage[:] = source.shrinkage  # type: ignore[attr-defined]
    return n_voxels


def _source(
    patterns: Patterns,
    neighborhood: Neighborhood,
    metric: Metric,
    params: Mapping[str, Any],
    ignore_nan: bool,
    min_voxels: int,
    noise: NoiseModel | None,
) -> tuple[Neighborhood, RdmSource]:
    """Choose what fills blocks with RDMs, and the blocks that it takes."""
    if noise is None:
        source = plain_source(
            patterns, neighborhood, metric, params, ignore_nan, min_voxels, may_copy=True
        )
        return neighborhood, source
    return choose_noise_source(patterns, neighborhood, noise, metric, ignore_nan, min_voxels)


def plain_source(
    patterns: Patterns,
    neighborhood: Neighborhood,
    dissimilarity: Metric,
    params: Mapping[str, Any],
    ignore_nan: bool,
    min_voxels: int,
    may_copy: bool = False,
) -> RdmSource:
    """Choose what fills blocks with RDMs, without noise normalisation; see `searchlight`.

    ``may_copy``: patterns may be copied into the order in which they are read.
    """
    known = find_dissimilarity(dissimilarity)
    least = max(min_voxels, known.min_voxels)
    rule = PatchRule(dissimilarity, params, ignore_nan, least, may_copy)
    return choose_source(patterns, neighborhood, rule)


def _check(
    patterns: Patterns,
    neighborhood: Neighborhood,
    params: Mapping[str, Any],
    metric: Metric,
    n_threads: int,
) -> None:
    """Check once that the arrays fit each other."""
    n_locations = neighborhood.n_locations
    if patterns.ndim != 3 or len(patterns) != n_locations:
        raise ValueError(
            f"patterns must be (n_locations, n_folds, n_conditions) with {n_locations} locations "
            f"as in the neighborhood, not of shape {patterns.shape}"
        )
    if patterns.dtype not in (np.float32, np.float64):
        raise ValueError(f"patterns must be float32 or float64, not {patterns.dtype}")
    if "VI" in params and not _is_whole(neighborhood):
        raise ValueError("VI is a matrix of all voxels: it goes only with radius None (one patch)")
    if n_threads < 1:
        raise ValueError(f"n_threads must be at least 1, not {n_threads}")
    check_params(metric, params, n_locations)
    check_folds(find_dissimilarity(metric), patterns.shape[1])


def _is_whole(neighborhood: Neighborhood) -> bool:
    """Tell whether there is one patch of all locations."""
    if not isinstance(neighborhood, Patches) or neighborhood.n_centers != 1:
        return False
    return len(neighborhood.rows) == neighborhood.n_locations


def searchlight_rsa(
    patterns: NDArray[np.floating[Any]],
    patch_mask: NDArray[np.bool_],
    center_mask: NDArray[np.bool_],
    affine: ArrayLike,
    radius_mm: float | None,
    models: ArrayLike,
    *,
    comparisons: str | Sequence[str] = (DEFAULT_COMPARISON,),
    standardize: bool = False,
    nuisance: ArrayLike | None = None,
    condition_covariance: ArrayLike | None = None,
    null: ConditionNull | None = None,
    **options: Any,
) -> Scores:
    """Compare the RDM of the sphere around each centre of a grid with model RDMs.

    Parameters
    ----------
    patterns : (n_patch_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
        In the order of ``np.argwhere(patch_mask)``; with one fold, not cross-validated.
    patch_mask, center_mask : (X, Y, Z) bool
        Voxels that patches use, and the centres.
    affine : (4, 4) array_like
        Voxel indices to mm.
    radius_mm : float or None
        None: one patch of all patch voxels, and one centre.
    models : (n_models, n_cells) array_like
        Condensed model RDMs; NaN cells are left out.
    comparisons : str or sequence of str
        See `bids_rsa.core.comparison.table.COMPARISONS`.
    standardize : bool
        Whether to z-score RDMs and models (changes the weights of regressions only).
    nuisance : (n_nuisance, n_cells) array_like, optional
        See `bids_rsa.core.comparison.plans.prepare`.
    condition_covariance : (n_conditions, n_conditions) array_like, optional
        See `bids_rsa.core.comparison.plans.prepare`.
    null : ConditionNull, optional
        Computes the scores of models with permuted conditions from the same RDMs.
    **options
        See `searchlight`. ``VI`` can only be used with ``radius_mm=None``.

    Returns
    -------
    Scores
        ``scores`` has an array (n_scores, n_centers) for each comparison, centres in the order of
        ``np.argwhere(center_mask)``; ``n_voxels`` (n_centers,) are the sizes of the patches.

    Raises
    ------
    ValueError
        Arrays do not match, or metrics are unknown, or parameters are invalid.

    Examples
    --------
    >>> import numpy as np
    >>> from bids_rsa import searchlight_rsa
    >>> mask = np.ones((8, 8, 8), bool)
    >>> patterns = np.random.default_rng(0).normal(size=(512, 1, 5))  # 1 fold, 5 conditions
    >>> model = np.arange(10.0)[None]  # condensed
    >>> found = searchlight_rsa(patterns, mask, mask, np.diag([3, 3, 3, 1]), 7.0, model)
    >>> found.scores["spearman"].shape
    (1, 512)
    """
    neighborhood = _spheres(_as_mask(patch_mask), _as_mask(center_mask), affine, radius_mm)
    measure = ModelScores(
        models,
        (comparisons,) if isinstance(comparisons, str) else comparisons,
        standardize=standardize,
        nuisance=nuisance,
        condition_covariance=condition_covariance,
    )
    measures = ModelMeasures(measure, null)
    shrinkage = None
    if options.get("noise") is not None:
        shrinkage = np.full(neighborhood.n_centers, np.nan)
    sizes = searchlight(patterns, neighborhood, measures, shrinkage=shrinkage, **options)
    return Scores(measures.scores, sizes, shrinkage, measures.nulls())


def _as_mask(mask: ArrayLike) -> NDArray[np.bool_]:
    """Convert a mask of zeros and ones; numbers would choose voxels by their position."""
    array = np.asarray(mask)
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise ValueError("masks must be boolean, or hold zeros and ones only")
    return array.astype(bool)


def _spheres(
    patch_mask: NDArray[np.bool_],
    center_mask: NDArray[np.bool_],
    affine: ArrayLike,
    radius_mm: float | None,
) -> Neighborhood:
    """Find the spheres around all centres; without a radius, one patch of all patch voxels."""
    if patch_mask.ndim != 3 or patch_mask.shape != center_mask.shape:
        raise ValueError(
            f"masks must be 3D and of one shape, not {patch_mask.shape} and {center_mask.shape}"
        )
    if radius_mm is None:
        return Patches.whole(int(np.count_nonzero(patch_mask)))
    if not center_mask.any():
        return Patches.of_lists([], int(np.count_nonzero(patch_mask)))
    return sphere_rows(patch_mask, center_mask, affine, radius_mm)
