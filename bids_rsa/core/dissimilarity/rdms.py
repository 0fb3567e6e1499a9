"""Dissimilarities: from patterns to an RDM, by scipy's definitions and the rules for folds and NaN.

It says what each number means; the kernels that compute many patches at once agree with it.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.dissimilarity.definition import (
    Floats,
    is_constant,
    rdm_of_folds,
    rdm_of_patterns,
    training_mean,
)
from bids_rsa.core.dissimilarity.params import check_params
from bids_rsa.core.dissimilarity.table import (
    DEFAULT_DISSIMILARITY,
    Dissimilarity,
    Metric,
    check_folds,
    find_dissimilarity,
)


def compute_rdm(
    patterns: ArrayLike,
    metric: Metric = DEFAULT_DISSIMILARITY,
    ignore_nan: bool = False,
    **params: Any,
) -> Floats:
    """Compute the RDM of some patterns.

    Parameters
    ----------
    patterns : (n_items, n_features) array_like
    metric : str or callable
        A metric of ``scipy.spatial.distance.pdist``, or a function of two patterns.
    ignore_nan : bool
        Each pair of items uses the features where both are finite; sums over features are scaled
        by P / P_ij (P: features finite in at least one item), as in scikit-learn's
        ``nan_euclidean_distances``.
    **params
        The metric's parameters, as in ``pdist``.

    Returns
    -------
    rdm : (n_items * (n_items - 1) / 2,) float64
        Condensed, in the order of ``scipy.spatial.distance.squareform``. NaN where undefined: a
        constant pattern with ``correlation``, too few features, NaN in the patterns.

    Raises
    ------
    ValueError
        Patterns that are not two-dimensional, an unknown metric, parameters that don't fit.
    """
    items = np.array(patterns, dtype=np.float64, order="C")
    if items.ndim != 2:
        raise ValueError(f"patterns must be (n_items, n_features), not of shape {items.shape}")
    check_params(metric, params, items.shape[1])
    check_folds(find_dissimilarity(metric), 1)
    return rdm_of_patterns(items, metric, ignore_nan, params)


def compute_rdm_cv(
    folds: ArrayLike,
    metric: Metric = DEFAULT_DISSIMILARITY,
    ignore_nan: bool = False,
    **params: Any,
) -> Floats:
    """Compute the cross-validated RDM of patterns measured in several folds.

    ``sqeuclidean``, ``mahalanobis`` with ``VI`` and ``seuclidean`` with ``V`` are the unbiased
    estimator of Walther et al. 2016 (NeuroImage 137, eq. 9-11): the mean over pairs of different
    folds of the product of the two folds' pattern differences (through ``VI``, or divided by
    ``V``), summed over voxels; no root is taken. ``euclidean`` is its signed square root.
    Any other metric is the distance from the mean of all other folds to the left-out fold, averaged
    over both directions and over folds.

    Parameters
    ----------
    folds : (n_folds, n_items, n_features) array_like
        At least two folds.
    metric, ignore_nan, **params
        See `compute_rdm`; a cross-validated product uses features finite in all four patterns.

    Returns
    -------
    rdm : (n_items * (n_items - 1) / 2,) float64
        Condensed; NaN where undefined.

    Raises
    ------
    ValueError
        See `compute_rdm`; also fewer than two folds.
    """
    items = np.array(folds, dtype=np.float64, order="C")
    if items.ndim != 3 or len(items) < 2:
        raise ValueError(
            "folds must be (n_folds, n_items, n_features) with at least two folds, not of shape "
            f"{items.shape}"
        )
    check_params(metric, params, items.shape[2])
    return rdm_of_folds(items, metric, ignore_nan, params)


def patch_rdm(folds: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]) -> Floats:
    """RDM of one patch of a searchlight: all NaN where it is undefined.

    Parameters
    ----------
    folds : (n_folds, n_items, n_features) float64
        One fold: not cross-validated.
    metric, ignore_nan, params
        See `compute_rdm`.

    Returns
    -------
    rdm : (n_cells,) float64
        NaN cells beside finite ones only where missing voxels made them so.
    """
    known = find_dissimilarity(metric)
    n_cells = folds.shape[1] * (folds.shape[1] - 1) // 2
    if folds.shape[2] < known.min_voxels or _lacks_items(known, folds, params):
        return np.full(n_cells, np.nan)
    with np.errstate(all="ignore"):
        if len(folds) == 1:
            rdm = rdm_of_patterns(folds[0], metric, ignore_nan, params)
        else:
            rdm = rdm_of_folds(folds, metric, ignore_nan, params)
    rdm[~np.isfinite(rdm)] = np.nan
    undefined = np.isnan(rdm)
    if ignore_nan:
        # a function's own NaN is a cell that is left out
        undefined &= _complete_pairs(folds) & (not callable(metric))
        if known.constant_undefined and _constant_patterns(folds, known.min_voxels).any():
            undefined[:] = True
    if undefined.any():
        rdm[:] = np.nan
    return rdm


def _lacks_items(known: Dissimilarity, folds: Floats, params: Mapping[str, Any]) -> bool:
    """Tell whether a covariance estimated from the patterns would be singular."""
    n_items = folds.shape[1] * min(len(folds), 2)
    return known.estimates("VI", params) and n_items <= folds.shape[2]


def _complete_pairs(folds: Floats) -> NDArray[np.bool_]:
    """Cells (n_cells,) whose patterns lack no voxel that any pattern of the patch has."""
    finite = np.isfinite(folds)
    seen = finite.any(axis=(0, 1))
    complete = np.asarray(finite[:, :, seen].all(axis=(0, 2)) & seen.any())
    i, j = np.triu_indices(folds.shape[1], 1)
    pairs: NDArray[np.bool_] = complete[i] & complete[j]
    return pairs


def _constant_patterns(folds: Floats, min_voxels: int) -> NDArray[np.bool_]:
    """Patterns (n_patterns,) with enough finite voxels, all of one value; folds apart and left out.

    Cross-validated, the patterns are the folds' and the means of all other folds.
    """
    sets = [folds]
    if len(folds) > 1:
        sets.append(np.stack([training_mean(folds, f, True) for f in range(len(folds))]))
    rows = np.concatenate(sets).reshape(-1, folds.shape[2])
    enough = np.isfinite(rows).sum(axis=1) >= min_voxels
    return np.array([is_constant(row[np.isfinite(row)]) for row in rows[enough]], dtype=bool)
