"""Dissimilarities: patterns to RDM."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist

from bids_rsa.core.names import DISSIMILARITY_NAMES

Floats = NDArray[np.float64]
Metric = str | Callable[..., float]
CONSTANT = 1e-12


@dataclass(frozen=True)
class Dissimilarity:
    """One way to turn patterns into an RDM.

    Attributes
    ----------
    name : str
        As scipy's pdist calls it.
    min_voxels : int
        With fewer voxels the RDM is undefined.
    is_sum : bool
        A sum over voxels (inside a root, for some), so that it grows with the patch.
    is_unbiased : bool
        Its cross-validated form has mean 0 when nothing differs (or is the signed root of one).
    """

    name: str
    min_voxels: int = 1
    is_sum: bool = False
    is_unbiased: bool = False


_SUMS = (
    "sqeuclidean", "cityblock", "canberra", "euclidean", "seuclidean", "minkowski", "mahalanobis",
)  # fmt: skip
_UNBIASED = ("sqeuclidean", "euclidean", "mahalanobis")
DISSIMILARITIES: dict[str, Dissimilarity] = {
    name: Dissimilarity(name, 3 if name == "correlation" else 1, name in _SUMS, name in _UNBIASED)
    for name in DISSIMILARITY_NAMES
}


def compute_rdm(
    patterns: ArrayLike, metric: Metric = "correlation", *, ignore_nan: bool = False, **params: Any
) -> Floats:
    """Dissimilarities between all pairs of patterns.

    Parameters
    ----------
    patterns : (n_items, n_features) array_like
    metric : str or callable
        A metric of `scipy.spatial.distance.pdist`.
    ignore_nan : bool
        Take NaN as a missing value: each pair uses the features both have.
    **params
        Keyword arguments of the metric.

    Returns
    -------
    rdm : (n_items * (n_items - 1) / 2,) float64
        Condensed; NaN where undefined.

    Raises
    ------
    ValueError
        An unknown metric, or parameters it does not take.
    """
    rows = np.asarray(patterns, dtype=np.float64)
    if ignore_nan and np.isnan(rows).any():
        return _pairwise(rows, metric, params)
    return _distances(rows, metric, params)


def _distances(rows: Floats, metric: Metric, params: dict[str, Any]) -> Floats:
    """Condensed distances of complete rows; NaN where a pattern is constant for correlation."""
    with np.errstate(invalid="ignore", divide="ignore"):
        cells: Floats = np.asarray(pdist(rows, metric, **params), dtype=np.float64)
    if metric == "correlation":
        centered = rows - rows.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centered, axis=1)
        constant = norms <= CONSTANT * np.linalg.norm(rows, axis=1)
        first, second = np.triu_indices(len(rows), 1)
        cells[constant[first] | constant[second]] = np.nan
    return cells


def _pairwise(rows: Floats, metric: Metric, params: dict[str, Any]) -> Floats:
    """Condensed distances, each over the features that both patterns have."""
    finite = np.isfinite(rows)
    n_any = int(finite.any(axis=0).sum())
    first, second = np.triu_indices(len(rows), 1)
    cells = np.full(len(first), np.nan)
    min_voxels = DISSIMILARITIES[metric].min_voxels if isinstance(metric, str) else 1
    for c, (i, j) in enumerate(zip(first, second, strict=True)):
        both = finite[i] & finite[j]
        n_both = int(both.sum())
        if n_both < min_voxels:
            continue
        own = {k: np.asarray(v)[both] if k in ("V", "w") else v for k, v in params.items()}
        cells[c] = _distances(rows[[i, j]][:, both], metric, own)[0] * _missing_scale(
            metric, own, n_any / n_both
        )
    return cells


def _missing_scale(metric: Metric, params: dict[str, Any], ratio: float) -> float:
    """How a sum over the voxels present is scaled up to all voxels of the patch."""
    if metric in ("sqeuclidean", "cityblock", "canberra"):
        return ratio
    if metric in ("euclidean", "seuclidean"):
        return float(ratio**0.5)
    if metric == "minkowski":
        return float(ratio ** (1 / params.get("p", 2)))
    return 1.0


def compute_rdm_cv(
    folds: ArrayLike, metric: Metric = "correlation", *, ignore_nan: bool = False, **params: Any
) -> Floats:
    """Cross-validated dissimilarities between all pairs of items.

    ``sqeuclidean`` (and ``mahalanobis`` with a given ``VI``) is the unweighted mean over pairs of
    different folds of the product of the folds' pattern differences, summed over features [1]_;
    ``euclidean`` and ``mahalanobis`` are its signed root. Any other metric is the distance from
    the mean of all other folds to the left-out fold, averaged over both directions and folds.

    Parameters
    ----------
    folds : (n_folds, n_items, n_features) array_like
    metric, ignore_nan, **params
        See `compute_rdm`.

    Returns
    -------
    rdm : (n_items * (n_items - 1) / 2,) float64

    References
    ----------
    .. [1] Walther A et al. (2016) Reliability of dissimilarity measures for multi-voxel pattern
       analysis. NeuroImage 137.
    """
    data = np.asarray(folds, dtype=np.float64)
    if data.ndim != 3 or len(data) < 2:
        raise ValueError(f"folds must be (n_folds >= 2, n_items, n_features), not {data.shape}")
    if metric in _UNBIASED:
        cells = _unbiased(data, params.get("VI") if metric == "mahalanobis" else None, ignore_nan)
        return cells if metric == "sqeuclidean" else np.sign(cells) * np.sqrt(np.abs(cells))
    return _left_out(data, metric, ignore_nan, params)


def _unbiased(data: Floats, inverse: ArrayLike | None, ignore_nan: bool) -> Floats:
    """Mean over pairs of different folds of the product of the folds' differences."""
    first, second = np.triu_indices(data.shape[1], 1)
    n_any = np.isfinite(data).any(axis=(0, 1)).sum()
    cells = np.zeros(len(first))
    pairs = [(f, g) for f in range(len(data)) for g in range(f)]
    for c, (i, j) in enumerate(zip(first, second, strict=True)):
        differences = data[:, i] - data[:, j]
        products = []
        for f, g in pairs:
            both = np.isfinite(differences[f]) & np.isfinite(differences[g])
            if not ignore_nan or both.all():
                right = differences[g] if inverse is None else np.asarray(inverse) @ differences[g]
                products.append(differences[f] @ right)
            elif both.any():
                scale = n_any / both.sum()
                products.append(differences[f][both] @ differences[g][both] * scale)
        cells[c] = np.mean(products) if products else np.nan
    return cells


def _left_out(data: Floats, metric: Metric, ignore_nan: bool, params: dict[str, Any]) -> Floats:
    """Mean over folds of the distance from all other folds' mean to the fold left out."""
    n_items = data.shape[1]
    first, second = np.triu_indices(n_items, 1)
    total = np.zeros(len(first))
    for f in range(len(data)):
        others = np.delete(data, f, axis=0)
        train = np.nanmean(others, axis=0) if ignore_nan else others.mean(axis=0)
        both = np.vstack([train, data[f]])
        cells = compute_rdm(both, metric, ignore_nan=ignore_nan, **params)
        square = np.zeros((2 * n_items, 2 * n_items))
        square[np.triu_indices(2 * n_items, 1)] = cells
        cross = square[:n_items, n_items:]
        total += (cross[first, second] + cross[second, first]) / 2
    return total / len(data)
