"""The definitions of RDMs of one patch, with folds and missing values, by scipy and numpy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.table import Metric, find_dissimilarity

Floats = NDArray[np.float64]

# a pattern is constant when its centred norm is at most this share of its norm
CONSTANT = 1e-12
# the largest values of patterns whose powers are in range
_SAFE = (1e-15, 1e15)
# values of pattern differences held at once (8 bytes each)
_MAX_DIFFERENCES = 2**22


def is_constant(pattern: Floats) -> bool:
    """Tell whether the centred norm is at most 1e-12 of the norm."""
    largest = np.max(np.abs(pattern), initial=0.0)
    if largest == 0:
        return True
    scaled = pattern / largest
    centered = scaled - scaled.mean()
    return bool(np.linalg.norm(centered) <= CONSTANT * np.linalg.norm(scaled))


def rdm_of_patterns(
    items: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]
) -> Floats:
    """RDM of checked patterns (n_items, n_features)."""
    folds, exponent = _in_range(items[None], metric, params)
    return _times_power(_rdm_of_patterns(folds[0], metric, ignore_nan, params), exponent)


def _in_range(folds: Floats, metric: Metric, params: Mapping[str, Any]) -> tuple[Floats, int]:
    """Divide folds (n_folds, n_items, n_features) by powers of two that keep powers in range.

    Returns the exponent of what undoes it for the distances.
    """
    known = find_dissimilarity(metric)
    degree = known.grows_with(params, len(folds))
    sizes = np.where(np.isfinite(folds), np.abs(folds), 0.0)
    axes = (0, 2) if known.own_scales else None
    largest = np.max(sizes, axis=axes, initial=0.0, keepdims=True)
    unsafe = (largest > 0) & ~((largest > _SAFE[0]) & (largest < _SAFE[1]))
    if degree is None or not unsafe.any():
        return folds, 0
    exponents = np.where(unsafe, np.frexp(largest)[1], 0)
    return np.ldexp(folds, -exponents), degree * int(exponents.max())


def _times_power(rdm: Floats, exponent: int) -> Floats:
    """Multiply by a power of two; what is no number then is infinite, or 0."""
    if not exponent:
        return rdm
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(rdm, exponent))


def _rdm_of_patterns(
    items: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]
) -> Floats:
    """RDM of patterns whose powers are in range."""
    n_items = len(items)
    n_cells = n_items * (n_items - 1) // 2
    if not n_cells or not items.shape[1]:
        return np.full(n_cells, np.nan)
    finite = np.isfinite(items)
    if ignore_nan and not finite.all():
        return _rdm_of_pairs(items, metric, params)
    known = find_dissimilarity(metric)
    if items.shape[1] < known.min_voxels:
        return np.full(n_cells, np.nan)
    with np.errstate(all="ignore"):
        rdm = np.array(
            scipy.spatial.distance.pdist(items, _scipy_metric(metric), **params), dtype=np.float64
        )
    bad = np.asarray(~finite.all(axis=1))
    if known.constant_undefined:
        bad |= np.array([is_constant(item) for item in items])
    i, j = np.triu_indices(n_items, 1)
    rdm[bad[i] | bad[j]] = np.nan
    return rdm


def _scipy_metric(metric: Metric) -> Metric:
    """Return the metric as scipy takes it."""
    return metric if callable(metric) else find_dissimilarity(metric).name


def _rdm_of_pairs(items: Floats, metric: Metric, params: Mapping[str, Any]) -> Floats:
    """RDM in which each pair uses the features where both patterns are finite."""
    finite = np.isfinite(items)
    params = _with_variances(items, metric, params)
    n_seen = int(finite.any(axis=0).sum())
    i, j = np.triu_indices(len(items), 1)
    rdm = np.full(len(i), np.nan)
    for cell, (a, b) in enumerate(zip(i, j, strict=True)):
        voxels = finite[a] & finite[b]
        if voxels.any():
            pair = np.ascontiguousarray(items[[a, b]][:, voxels])
            value = rdm_of_patterns(pair, metric, False, select_voxels(params, voxels))[0]
            rdm[cell] = value * _upscale(metric, params, n_seen / int(voxels.sum()))
    return rdm


def _with_variances(items: Floats, metric: Metric, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the variances that are estimated from all patterns, not from a pair."""
    if not find_dissimilarity(metric).estimates("V", params):
        return params
    known = np.isfinite(items)
    n = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):  # of one value there is no variance
        means = np.where(known, items, 0.0).sum(axis=0) / n
        squares = np.where(known, items - means, 0.0) ** 2
        variances = squares.sum(axis=0) / np.where(n > 1, n - 1, np.nan)
    return {**params, "V": variances}


def _upscale(metric: Metric, params: Mapping[str, Any], ratio: float) -> float:
    """Return the factor for voxels a sum lacks: P / P_ij, inside the root where there is one."""
    return float(ratio ** find_dissimilarity(metric).upscale(params))


def rdm_of_folds(
    folds: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]
) -> Floats:
    """Cross-validated RDM of checked folds (n_folds, n_items, n_features)."""
    folds, exponent = _in_range(folds, metric, params)
    return _times_power(_rdm_of_folds(folds, metric, ignore_nan, params), exponent)


def _rdm_of_folds(
    folds: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]
) -> Floats:
    """Cross-validated RDM of folds whose powers are in range."""
    known = find_dissimilarity(metric)
    if known.is_unbiased(params):
        products = _unbiased(folds, ignore_nan, params)
        if known.per_voxel:
            products /= max(int(np.isfinite(folds).any(axis=(0, 1)).sum()), 1)
        return np.sign(products) * np.sqrt(np.abs(products)) if known.signed_root else products
    cells = np.stack(
        [
            _left_out_rdm(
                training_mean(folds, f, ignore_nan), folds[f], metric, ignore_nan, params, folds
            )
            for f in range(len(folds))
        ]
    ).reshape(-1, folds.shape[1] * (folds.shape[1] - 1) // 2)
    return _mean(cells, ignore_nan)


def _mean(values: Floats, ignore_nan: bool) -> Floats:
    """Mean over the first axis, of the finite values with ignore_nan."""
    if not ignore_nan:
        return np.asarray(values.mean(axis=0))
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def training_mean(folds: Floats, test: int, ignore_nan: bool) -> Floats:
    """Mean (n_items, n_features) of all folds but one; of the finite values with ignore_nan."""
    return _mean(np.delete(folds, test, axis=0), ignore_nan)


def _left_out_rdm(
    train: Floats,
    test: Floats,
    metric: Metric,
    ignore_nan: bool,
    params: Mapping[str, Any],
    folds: Floats,
) -> Floats:
    """Distances (2, n_cells) between training means and the test fold, in both directions."""
    n_items = len(train)
    i, j = np.triu_indices(n_items, 1)
    both = np.concatenate([train, test])
    if ignore_nan and not np.isfinite(both).all():
        n_seen = int(np.isfinite(folds).any(axis=(0, 1)).sum())
        cross = _cross_of_pairs(train, test, metric, _with_variances(both, metric, params), n_seen)
        return np.stack([cross[i, j], cross[j, i]])
    known = find_dissimilarity(metric)
    if train.shape[1] < known.min_voxels:
        return np.full((2, len(i)), np.nan)
    with np.errstate(all="ignore"):
        cross = np.array(
            scipy.spatial.distance.cdist(train, test, _scipy_metric(metric), **params),
            dtype=np.float64,
        )
    bad = np.asarray(~np.isfinite(both).all(axis=1))
    if known.constant_undefined:
        bad |= np.array([is_constant(item) for item in both])
    cross[bad[:n_items]] = np.nan
    cross[:, bad[n_items:]] = np.nan
    return np.stack([cross[i, j], cross[j, i]])


def _cross_of_pairs(
    train: Floats, test: Floats, metric: Metric, params: Mapping[str, Any], n_seen: int
) -> Floats:
    """Distances (n_items, n_items) that use the features where both patterns are finite."""
    cross = np.full((len(train), len(test)), np.nan)
    for a, b in np.argwhere(~np.eye(len(train), dtype=bool)):
        voxels = np.isfinite(train[a]) & np.isfinite(test[b])
        if voxels.any():
            pair = np.stack([train[a][voxels], test[b][voxels]])
            value = rdm_of_patterns(pair, metric, False, select_voxels(params, voxels))[0]
            cross[a, b] = value * _upscale(metric, params, n_seen / int(voxels.sum()))
    return cross


def _unbiased(folds: Floats, ignore_nan: bool, params: Mapping[str, Any]) -> Floats:
    """Mean over pairs of different folds of the products of pattern differences (n_cells,)."""
    i, j = np.triu_indices(folds.shape[1], 1)
    n_seen = int(np.isfinite(folds).any(axis=(0, 1)).sum())
    # some cells at a time, so that the differences of many voxels fit into memory
    step = max(1, _MAX_DIFFERENCES // max(folds[:, 0].size, 1))
    parts = [
        _unbiased_cells(
            folds[:, i[k : k + step]] - folds[:, j[k : k + step]], n_seen, ignore_nan, params
        )
        for k in range(0, len(i), step)
    ]
    return np.concatenate([np.empty(0), *parts])


def _unbiased_cells(
    differences: Floats, n_seen: int, ignore_nan: bool, params: Mapping[str, Any]
) -> Floats:
    """Mean products (n_cells,) of pattern differences (n_folds, n_cells, n_voxels)."""
    known = np.isfinite(differences)
    products = []
    for f in range(len(differences)):
        for g in range(f + 1, len(differences)):
            left, right = differences[f], differences[g]
            scale = np.ones(len(left))
            if ignore_nan:
                both = known[f] & known[g]
                left, right = np.where(both, left, 0.0), np.where(both, right, 0.0)
                with np.errstate(divide="ignore", invalid="ignore"):
                    scale = np.where(both.any(axis=1), n_seen / both.sum(axis=1), np.nan)
            products.append(_product(left, right, params, scale))
    return _mean(np.stack(products), ignore_nan)


def _product(left: Floats, right: Floats, params: Mapping[str, Any], scale: Floats) -> Floats:
    """Inner products (n_cells,) of rows, through VI, 1 / V or weights where given."""
    matrix = params.get("VI")
    if matrix is not None:
        # a product through a matrix is no sum over voxels: it is left unscaled
        symmetric = (np.asarray(matrix) + np.asarray(matrix).T) / 2
        return np.asarray(np.einsum("cp,cp->c", left @ symmetric, right) + 0.0 * scale)
    weights = params.get("w")
    if params.get("V") is not None:
        with np.errstate(divide="ignore"):
            weights = 1.0 / np.asarray(params["V"], dtype=np.float64)
    if weights is not None:
        left = left * np.asarray(weights)
    return np.asarray(np.einsum("cp,cp->c", left, right) * scale)
