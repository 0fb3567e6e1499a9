"""What a design matrix can estimate: rank, estimable contrasts, dependent columns."""

import numpy as np
from numpy.typing import NDArray

# below this share of the largest singular value (of columns of unit length) a direction is taken
# for empty: images in single precision could not tell it from rounding
TOLERANCE = 1e-7
# a column shorter than this share of the longest is empty: nilearn moves singular matrices by 1e-15
EMPTY = 1e-8


def _scaled(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give columns unit length, empty ones 0; return what they were divided by too."""
    lengths = np.linalg.norm(matrix, axis=0)
    filled = lengths > EMPTY * lengths.max(initial=0.0)
    divisors = np.where(filled, lengths, 1.0)
    return np.where(filled, matrix / divisors, 0.0), divisors


def matrix_rank(matrix: NDArray[np.float64]) -> int:
    """Count the independent columns of a design matrix.

    Parameters
    ----------
    matrix : ndarray, shape (n_volumes, n_columns)
    """
    singular = np.linalg.svd(_scaled(matrix)[0], compute_uv=False)
    return int((singular > TOLERANCE * singular.max(initial=0.0)).sum())


def unestimable(
    matrix: NDArray[np.float64], contrasts: NDArray[np.float64]
) -> dict[int, tuple[int, ...]]:
    """Find contrasts that the design cannot estimate.

    A contrast is estimable when it is in the row space of the design matrix (Searle 1971).

    Parameters
    ----------
    matrix : ndarray, shape (n_volumes, n_columns)
    contrasts : ndarray, shape (n_contrasts, n_columns)

    Returns
    -------
    dict
        The number of each such contrast, with the columns that it is confounded with.
    """
    scaled, lengths = _scaled(matrix)
    n_rows, n_columns = scaled.shape
    padded = np.vstack([scaled, np.zeros((max(n_columns - n_rows, 0), n_columns))])
    _, singular, rows = np.linalg.svd(padded, full_matrices=False)
    rank = int((singular > TOLERANCE * singular.max(initial=0.0)).sum())
    null = rows[rank:]  # combinations of columns that give nothing
    weights = contrasts / lengths
    weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
    outside = weights @ null.T
    found = {}
    for number in np.flatnonzero(np.linalg.norm(outside, axis=1) > np.sqrt(TOLERANCE)):
        shared = np.abs(outside[number] @ null)
        found[int(number)] = tuple(np.flatnonzero(shared > 1e-3 * shared.max()).tolist())
    return found


def independent_columns(matrix: NDArray[np.float64]) -> NDArray[np.intp]:
    """Find the columns that don't depend on those before them.

    Parameters
    ----------
    matrix : ndarray, shape (n_volumes, n_columns)

    Returns
    -------
    ndarray of int
        Their numbers, ascending.
    """
    scaled, _ = _scaled(matrix)
    basis = np.empty((len(matrix), 0))
    kept = []
    for number, column in enumerate(scaled.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)  # twice is enough (Kahan)
        length = np.linalg.norm(rest)
        if length > TOLERANCE:
            kept.append(number)
            basis = np.column_stack([basis, rest / length])
    return np.array(kept, dtype=np.intp)
