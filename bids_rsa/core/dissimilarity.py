"""Dissimilarities: from patterns to an RDM, by scipy's definitions and the rules for folds and NaN.

It says what each number means; the kernels that compute many patches at once agree with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist, pdist

Floats = NDArray[np.float64]
Metric = str | Callable[..., float]

# a pattern is constant when its centred norm is at most this share of its norm
CONSTANT = 1e-12


@dataclass(frozen=True)
class Dissimilarity:
    """One way to measure how different two patterns are.

    Attributes
    ----------
    name : str
        As scipy's ``pdist`` knows it.
    aliases : tuple of str
        scipy's other names.
    parameters : tuple of str
        Keyword arguments it takes; ``w`` and ``V`` have one entry per voxel.
    min_voxels : int
        Undefined on patches with fewer.
    gram : bool
        Computed from the inner products of patterns.
    unbiased : bool
        Cross-validated, its mean is 0 where nothing differs (``mahalanobis``: with a given matrix).
    sums_voxels : bool
        A sum over voxels (perhaps inside a root): it grows with the patch, and is scaled up for
        missing voxels.
    """

    name: str
    aliases: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ("w",)
    min_voxels: int = 1
    gram: bool = False
    unbiased: bool = False
    sums_voxels: bool = False


DISSIMILARITIES: dict[str, Dissimilarity] = {
    d.name: d
    for d in (
        Dissimilarity("braycurtis"),
        Dissimilarity("canberra", sums_voxels=True),
        Dissimilarity("chebyshev", ("chebychev", "cheby", "cheb", "ch")),
        Dissimilarity("cityblock", ("cblock", "cb", "c"), sums_voxels=True),
        Dissimilarity("correlation", ("co",), min_voxels=3, gram=True),
        Dissimilarity("cosine", ("cos",), min_voxels=2, gram=True),
        Dissimilarity("dice"),
        Dissimilarity(
            "euclidean", ("euclid", "eu", "e"), gram=True, unbiased=True, sums_voxels=True
        ),
        Dissimilarity("hamming", ("hamm", "ha", "h")),
        Dissimilarity("jaccard", ("jacc", "ja", "j")),
        Dissimilarity("jensenshannon", ("js",), parameters=()),
        Dissimilarity("mahalanobis", ("mahal", "mah"), parameters=("VI",), unbiased=True),
        Dissimilarity("matching"),
        Dissimilarity("minkowski", ("mi", "m", "pnorm"), parameters=("w", "p"), sums_voxels=True),
        Dissimilarity("rogerstanimoto"),
        Dissimilarity("russellrao"),
        Dissimilarity("seuclidean", ("se", "s"), parameters=("V",), sums_voxels=True),
        Dissimilarity("sokalsneath"),
        Dissimilarity(
            "sqeuclidean", ("sqe", "sqeuclid"), gram=True, unbiased=True, sums_voxels=True
        ),
        Dissimilarity("yule"),
    )
}
_BY_ALIAS = {alias: d for d in DISSIMILARITIES.values() for alias in (d.name, *d.aliases)}
# values of pattern differences held at once (8 bytes each)
_MAX_DIFFERENCES = 2**22
# parameters with one entry per voxel
_PER_VOXEL = ("w", "V")


def find_dissimilarity(metric: Metric) -> Dissimilarity:
    """Look a metric up; a callable is a dissimilarity of its own that takes any parameter.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    if callable(metric):
        return Dissimilarity(getattr(metric, "__name__", "callable"))
    try:
        return _BY_ALIAS[str(metric).lower()]
    except KeyError:
        known = ", ".join(DISSIMILARITIES)
        raise ValueError(f"unknown dissimilarity '{metric}'; known: {known}") from None


def compute_rdm(
    patterns: ArrayLike, metric: Metric = "correlation", ignore_nan: bool = False, **params: Any
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
    return _rdm(items, metric, ignore_nan, params)


def compute_rdm_cv(
    folds: ArrayLike, metric: Metric = "correlation", ignore_nan: bool = False, **params: Any
) -> Floats:
    """Compute the cross-validated RDM of patterns measured in several folds.

    ``sqeuclidean`` (and ``mahalanobis`` with ``VI``) is the unbiased estimator of Walther et al.
    2016 (NeuroImage 137, eq. 9-11): the mean over pairs of different folds of the product of the
    two folds' pattern differences. ``euclidean`` and ``mahalanobis`` are its signed square root.
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
    return _rdm_cv(items, metric, ignore_nan, params)


def check_params(metric: Metric, params: Mapping[str, Any], n_voxels: int) -> None:
    """Check a metric's parameters once, at the door.

    Raises
    ------
    ValueError
        A parameter that the metric doesn't take, or with another length than the voxels.
    """
    known = find_dissimilarity(metric)
    unknown = [] if callable(metric) else sorted(set(params) - set(known.parameters))
    if unknown:
        takes = ", ".join(known.parameters) or "no parameters"
        raise ValueError(f"{known.name} takes {takes}; given: {', '.join(unknown)}")
    for key in _PER_VOXEL:
        if params.get(key) is not None and np.shape(params[key]) != (n_voxels,):
            raise ValueError(
                f"{key} needs one entry per voxel, ({n_voxels},), not shape {np.shape(params[key])}"
            )
    if params.get("VI") is not None and np.shape(params["VI"]) != (n_voxels, n_voxels):
        raise ValueError(
            f"VI must be ({n_voxels}, {n_voxels}) for {n_voxels} voxels, "
            f"not of shape {np.shape(params['VI'])}"
        )


def is_unbiased(metric: Metric, params: Mapping[str, Any]) -> bool:
    """Tell whether the cross-validated metric is the unbiased estimator (or its signed root)."""
    known = find_dissimilarity(metric)
    return known.unbiased and (known.name != "mahalanobis" or params.get("VI") is not None)


def select_voxels(params: Mapping[str, Any], voxels: NDArray[Any]) -> dict[str, Any]:
    """Return the parameters for some of the voxels."""
    selected = dict(params)
    for key in _PER_VOXEL:
        if params.get(key) is not None:
            selected[key] = np.asarray(params[key])[voxels]
    if params.get("VI") is not None:
        matrix = np.asarray(params["VI"])
        selected["VI"] = matrix[voxels][:, voxels]
    return selected


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
            rdm = _rdm(folds[0], metric, ignore_nan, params)
        else:
            rdm = _rdm_cv(folds, metric, ignore_nan, params)
    rdm[~np.isfinite(rdm)] = np.nan
    undefined = np.isnan(rdm)
    if ignore_nan:
        undefined &= _complete_pairs(folds)
        if known.name == "correlation" and _constant_patterns(folds).any():
            undefined[:] = True
    if undefined.any():
        rdm[:] = np.nan
    return rdm


def _lacks_items(known: Dissimilarity, folds: Floats, params: Mapping[str, Any]) -> bool:
    """Tell whether a covariance estimated from the patterns would be singular."""
    n_items = folds.shape[1] * min(len(folds), 2)
    return known.name == "mahalanobis" and params.get("VI") is None and n_items <= folds.shape[2]


def _complete_pairs(folds: Floats) -> NDArray[np.bool_]:
    """Cells (n_cells,) whose patterns lack no voxel that any pattern of the patch has."""
    finite = np.isfinite(folds)
    seen = finite.any(axis=(0, 1))
    complete = np.asarray(finite[:, :, seen].all(axis=(0, 2)) & seen.any())
    i, j = np.triu_indices(folds.shape[1], 1)
    pairs: NDArray[np.bool_] = complete[i] & complete[j]
    return pairs


def _constant_patterns(folds: Floats) -> NDArray[np.bool_]:
    """Patterns (n_patterns,) with enough finite voxels, all of one value; folds apart and left out.

    Cross-validated, the patterns are the folds' and the means of all other folds.
    """
    sets = [folds]
    if len(folds) > 1:
        sets.append(np.stack([_training_mean(folds, f, True) for f in range(len(folds))]))
    rows = np.concatenate(sets).reshape(-1, folds.shape[2])
    enough = np.isfinite(rows).sum(axis=1) >= DISSIMILARITIES["correlation"].min_voxels
    return np.array([_is_constant(row[np.isfinite(row)]) for row in rows[enough]], dtype=bool)


def _is_constant(pattern: Floats) -> bool:
    """Tell whether the centred norm is at most 1e-12 of the norm."""
    largest = np.max(np.abs(pattern), initial=0.0)
    if largest == 0:
        return True
    scaled = pattern / largest
    centered = scaled - scaled.mean()
    return bool(np.linalg.norm(centered) <= CONSTANT * np.linalg.norm(scaled))


def _rdm(items: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]) -> Floats:
    """RDM of checked patterns (n_items, n_features)."""
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
        rdm = np.array(pdist(items, _scipy_metric(metric), **params), dtype=np.float64)
    bad = np.asarray(~finite.all(axis=1))
    if known.name == "correlation" and not callable(metric):
        bad |= np.array([_is_constant(item) for item in items])
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
            value = _rdm(pair, metric, False, select_voxels(params, voxels))[0]
            rdm[cell] = value * _upscale(metric, params, n_seen / int(voxels.sum()))
    return rdm


def _with_variances(items: Floats, metric: Metric, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the variances that seuclidean estimates from all patterns, not from a pair."""
    if find_dissimilarity(metric).name != "seuclidean" or params.get("V") is not None:
        return params
    known = np.where(np.isfinite(items), items, np.nan)
    return {**params, "V": np.nanvar(known, axis=0, ddof=1)}


def _upscale(metric: Metric, params: Mapping[str, Any], ratio: float) -> float:
    """Return the factor for voxels a sum lacks: P / P_ij, inside the root where there is one."""
    known = find_dissimilarity(metric)
    if callable(metric) or not known.sums_voxels:
        return 1.0
    if known.name in ("euclidean", "seuclidean"):
        return float(np.sqrt(ratio))
    if known.name == "minkowski":
        return float(ratio ** (1.0 / params.get("p", 2.0)))
    return ratio


def _rdm_cv(folds: Floats, metric: Metric, ignore_nan: bool, params: Mapping[str, Any]) -> Floats:
    """Cross-validated RDM of checked folds (n_folds, n_items, n_features)."""
    if not callable(metric) and is_unbiased(metric, params):
        name = find_dissimilarity(metric).name
        products = _unbiased(folds, ignore_nan, params)
        return products if name == "sqeuclidean" else np.sign(products) * np.sqrt(np.abs(products))
    cells = np.stack(
        [
            _left_out_rdm(
                _training_mean(folds, f, ignore_nan), folds[f], metric, ignore_nan, params, folds
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


def _training_mean(folds: Floats, test: int, ignore_nan: bool) -> Floats:
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
    if train.shape[1] < find_dissimilarity(metric).min_voxels:
        return np.full((2, len(i)), np.nan)
    with np.errstate(all="ignore"):
        cross = np.array(cdist(train, test, _scipy_metric(metric), **params), dtype=np.float64)
    bad = np.asarray(~np.isfinite(both).all(axis=1))
    if not callable(metric) and find_dissimilarity(metric).name == "correlation":
        bad |= np.array([_is_constant(item) for item in both])
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
            value = _rdm(pair, metric, False, select_voxels(params, voxels))[0]
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
    """Inner products (n_cells,) of rows, through VI or weights where given."""
    matrix = params.get("VI")
    if matrix is not None:
        # a product through a matrix is no sum over voxels: it is left unscaled
        symmetric = (np.asarray(matrix) + np.asarray(matrix).T) / 2
        return np.asarray(np.einsum("cp,cp->c", left @ symmetric, right) + 0.0 * scale)
    weights = params.get("w")
    if weights is not None:
        left = left * np.asarray(weights)
    return np.asarray(np.einsum("cp,cp->c", left, right) * scale)
