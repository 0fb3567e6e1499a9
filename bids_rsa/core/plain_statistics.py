"""Small statistics without compiled code, which takes half a second to import."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def average_ranks(rows: ArrayLike) -> Floats:
    """Rank each row from 1; equal values share the mean of their ranks.

    Parameters
    ----------
    rows : (n_rows, n_values) array_like
        Without NaN.

    Returns
    -------
    ranks : (n_rows, n_values) float64
    """
    values = np.asarray(rows, dtype=np.float64)
    ranks = np.empty(values.shape)
    for row, own in zip(values, ranks, strict=True):
        _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
        own[:] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def spearman_brown(reliability: Floats) -> Floats:
    """Predict the reliability of all data from that of two halves: 2r / (1 + r).

    Negative values stay as they are: two halves that disagree say nothing about a whole.
    """
    positive = np.maximum(reliability, 0)
    return np.where(reliability > 0, 2 * positive / (1 + positive), reliability)
