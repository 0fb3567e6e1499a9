"""Models ranked, centred, and of unit norm, at any scale."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.limits import MEASURED_CELLS

Floats = NDArray[np.float64]

_FEW_CELLS = 2**18  # of all models: up to here numpy ranks them, and no kernel has to be compiled


def unit_rows(rows: Floats) -> Floats:
    """Rows centred and divided by their norm; NaN where constant."""
    units = np.empty(rows.shape)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for few in _few_rows(rows):
            own = np.divide(rows[few], _largest(rows[few]), out=units[few])
            whole = _norms(own)
            for _ in range(2):
                own -= own.mean(axis=1, keepdims=True)
            norms = _norms(own)
            norms[norms <= kernels.CONSTANT * whole] = np.nan
            own /= norms[:, None]
    return units


def _few_rows(rows: Floats) -> Iterator[slice]:
    """Yield rows after rows that stay in a core's own cache."""
    step = max(1, MEASURED_CELLS // max(rows.shape[1], 1))
    for start in range(0, len(rows), step):
        yield slice(start, start + step)


def _largest(rows: Floats) -> Floats:
    """Largest absolute number of each row (n_rows, 1)."""
    largest: Floats = np.maximum(rows.max(axis=1, keepdims=True), -rows.min(axis=1, keepdims=True))
    return largest


def _norms(rows: Floats) -> Floats:
    """Norms of rows; one product each, which needs no further memory."""
    return np.sqrt(np.array([row @ row for row in rows], dtype=np.float64))


def ranked_rows(models: Floats) -> Floats:
    """Average ranks of each model's cells, of which only equal ones are ties."""
    if models.size <= _FEW_CELLS:
        return np.array([_ranks_with_ties(row) for row in models]).reshape(models.shape)
    ranks, n = np.empty(models.shape), float(models.shape[1])
    for few in _few_rows(models):
        some, own = CompleteRdms(models[few]), ranks[few]
        centered, squares = some.ranks()
        np.add(centered, 0.5 * (n + 1), out=own)
        tied = squares != n * (n * n - 1.0) / 12.0
        for m in np.flatnonzero(tied):  # cells of data that are as near would be ties
            own[m] = _ranks_with_ties(some.rows[m])
    return ranks


def _ranks_with_ties(row: Floats) -> Floats:
    """Average ranks of cells, some of which are equal, or nearly."""
    ranks, order = np.empty(len(row)), np.argsort(row)
    cells = row[order]
    starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
    counts = np.diff(starts, append=len(row))
    ranks[order] = np.repeat(starts + 0.5 * (counts + 1), counts)
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
