"""Models ranked, centred, and of unit norm, at any scale."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison import kernels

Floats = NDArray[np.float64]


def unit_rows(rows: Floats) -> Floats:
    """Rows centred and divided by their norm; NaN where constant."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        units = np.ascontiguousarray(rows / _largest(rows))
        whole = _norms(units)
        for _ in range(2):
            units -= units.mean(axis=1, keepdims=True)
        norms = _norms(units)
        norms[norms <= kernels.CONSTANT * whole] = np.nan
        units /= norms[:, None]
        return units


def _largest(rows: Floats) -> Floats:
    """Largest absolute number of each row (n_rows, 1)."""
    largest: Floats = np.maximum(rows.max(axis=1, keepdims=True), -rows.min(axis=1, keepdims=True))
    return largest


def _norms(rows: Floats) -> Floats:
    """Norms of rows; one product each, which needs no further memory."""
    return np.sqrt(np.array([row @ row for row in rows], dtype=np.float64))


def ranked_rows(models: Floats) -> Floats:
    """Average ranks of each model's cells."""
    ranks = np.empty(models.shape)
    for row, own in zip(models, ranks, strict=True):
        _, levels, counts = np.unique(row, return_inverse=True, return_counts=True)
        own[:] = (np.cumsum(counts) - 0.5 * (counts - 1))[levels]
    return ranks


def rows_of_unit_norm(models: Floats) -> Floats:
    """Divide each model by its norm, safe at any scale; NaN for models of zeros."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = models / np.max(np.abs(models), axis=1, keepdims=True)
        return np.ascontiguousarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))


def centered_norms(models: Floats) -> Floats:
    """Norms of the centred rows, safe at any scale; 0 for rows of zeros."""
    sizes = np.max(np.abs(models), axis=1)
    scaled = models / np.where(sizes > 0, sizes, 1.0)[:, None]
    norms: Floats = sizes * np.linalg.norm(scaled - scaled.mean(axis=1, keepdims=True), axis=1)
    return norms
