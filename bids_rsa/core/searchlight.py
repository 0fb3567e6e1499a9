"""The searchlight: an RDM around each centre, compared with the models."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison import Plan, prepare, score_all
from bids_rsa.core.dissimilarity import DISSIMILARITIES, Metric, compute_rdm, compute_rdm_cv
from bids_rsa.core.neighborhood import sphere_offsets

Floats = NDArray[np.float64]
_PER_VOXEL = ("V", "w")


@dataclass(frozen=True)
class Scores:
    """What a searchlight found.

    Attributes
    ----------
    scores : dict of str to (n_models, n_centers) float64
        One array a comparison; NaN where undefined.
    n_voxels : (n_centers,) int32
        Patch sizes.
    """

    scores: dict[str, Floats]
    n_voxels: NDArray[np.int32]


@dataclass(frozen=True)
class _Patches:
    """What each thread reads: the patterns and how to turn a patch into an RDM."""

    patterns: NDArray[np.floating]
    rows: NDArray[np.int64]  # (X, Y, Z) row of each voxel in patterns, -1 outside
    metric: Metric
    params: Mapping[str, Any]
    ignore_nan: bool
    min_voxels: int

    def members(self, center: NDArray[np.int64], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the patterns that belong to the patch around a centre."""
        ijk = center + offsets
        inside = ((ijk >= 0) & (ijk < self.rows.shape)).all(axis=1)
        rows: NDArray[np.int64] = self.rows[tuple(ijk[inside].T)]
        return np.extract(rows >= 0, rows)

    def rdm(self, rows: NDArray[np.int64]) -> Floats | float:
        """Condensed RDM of a patch, or NaN where it is undefined."""
        known = DISSIMILARITIES.get(self.metric) if isinstance(self.metric, str) else None
        if len(rows) < max(self.min_voxels, known.min_voxels if known else 1):
            return np.nan
        folds = self.patterns[rows].transpose(1, 2, 0).astype(np.float64)
        params = {k: np.asarray(v)[rows] if k in _PER_VOXEL else v for k, v in self.params.items()}
        function = compute_rdm if len(folds) == 1 else compute_rdm_cv
        data = folds[0] if len(folds) == 1 else folds
        cells = function(data, self.metric, ignore_nan=self.ignore_nan, **params)
        return np.nan if not self.ignore_nan and np.isnan(cells).any() else cells


def searchlight_rsa(
    patterns: NDArray[np.floating],
    patch_mask: NDArray[np.bool_],
    center_mask: NDArray[np.bool_],
    affine: NDArray[np.float64],
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
    """Compare the RDM around each centre with model RDMs.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
        Rows in the order of ``np.argwhere(patch_mask)``; more than one fold is cross-validated.
    patch_mask : (X, Y, Z) bool
        Voxels that patches use.
    center_mask : (X, Y, Z) bool
        Voxels that are centres.
    affine : (4, 4) float64
        Voxel indices to mm.
    radius_mm : float or None
        None: one patch of all voxels.
    models : (n_models, n_cells) array_like
        Condensed model RDMs; NaN cells are left out.
    dissimilarity : str or callable
        A metric of scipy's pdist.
    params : mapping, optional
        Its keyword arguments; ``V`` and ``w`` hold one entry per row of ``patterns``.
    comparisons : sequence of str
        Keys of `bids_rsa.core.comparison.COMPARISONS`.
    ignore_nan : bool
        NaN is a missing value; otherwise it makes its centres undefined.
    min_voxels : int
        Centres with smaller patches are undefined.
    standardize : bool
        z-score RDMs and models.
    n_threads : int
        Changes nothing in the result.
    on_progress : callable, optional
        Called with the number of newly finished centres.

    Returns
    -------
    Scores
        Centres in the order of ``np.argwhere(center_mask)``.

    Raises
    ------
    ValueError
        Unknown names, or arrays that do not fit together.
    """
    plans = [prepare(models, name, standardize=standardize) for name in comparisons]
    index = np.full(patch_mask.shape, -1, dtype=np.int64)
    index[patch_mask] = np.arange(len(patterns))
    patches = _Patches(patterns, index, dissimilarity, params or {}, ignore_nan, min_voxels)
    if radius_mm is None:
        groups = [[np.arange(len(patterns))]]
    else:
        offsets = sphere_offsets(affine, radius_mm)
        centers = np.argwhere(center_mask)
        blocks = np.array_split(centers, max(1, len(centers) // 64))
        groups = [[c] for c in blocks]

    def run(group: list[NDArray[np.int64]]) -> tuple[list[Floats], NDArray[np.int32]]:
        if radius_mm is None:
            members = group
        else:
            members = [patches.members(center, offsets) for center in group[0]]
        done = _score_patches(patches, members, plans)
        if on_progress is not None:
            on_progress(len(members))
        return done

    with ThreadPoolExecutor(n_threads) as pool:
        parts = list(pool.map(run, groups))
    scores = {
        name: np.concatenate([part[0][i] for part in parts], axis=1)
        for i, name in enumerate(comparisons)
    }
    return Scores(scores, np.concatenate([part[1] for part in parts]))


def _score_patches(
    patches: _Patches, members: list[NDArray[np.int64]], plans: list[Plan]
) -> tuple[list[Floats], NDArray[np.int32]]:
    """Scores (n_models, n_patches) of each plan, and the patches' sizes."""
    rdms = np.empty((len(members), plans[0].models.shape[1]))
    for k, rows in enumerate(members):
        rdms[k] = patches.rdm(rows)
    outs = [np.empty((len(plan.models), len(members))) for plan in plans]
    score_all(plans, rdms, outs)
    return outs, np.array([len(rows) for rows in members], dtype=np.int32)
