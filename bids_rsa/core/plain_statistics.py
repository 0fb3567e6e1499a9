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


def known_mean_and_sd(rows: Floats) -> tuple[Floats, Floats]:
    """Compute the mean and the sample standard deviation of each column, without its NaN.

    Parameters
    ----------
    rows : (n_rows, n_columns) float64

    Returns
    -------
    mean, sd : (n_columns,) float64
        NaN where a column has no value, or for ``sd`` a single one.
    """
    n = len(rows) - np.isnan(rows).sum(axis=0)
    if n.min(initial=2) >= 2:
        return np.nanmean(rows, axis=0), np.nanstd(rows, axis=0, ddof=1)
    # numpy warns of columns without a mean or a deviation
    mean, sd = np.full((2, rows.shape[1]), np.nan)
    mean[n > 0] = np.nanmean(rows[:, n > 0], axis=0)
    sd[n > 1] = np.nanstd(rows[:, n > 1], axis=0, ddof=1)
    return mean, sd


def spearman_brown(reliability: Floats) -> Floats:
    """Predict the reliability of all data from that of two halves: 2r / (1 + r).

    Negative values stay as they are: two halves that disagree say nothing about a whole.
    """
    positive = np.maximum(reliability, 0)
    return np.where(reliability > 0, 2 * positive / (1 + positive), reliability)
