"""Average ranks of many RDMs, near-ties included, in compiled code."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.floating]
Order = NDArray[np.int64]
Flags = NDArray[np.uint8]

NEAR_TIE = 1e-12  # of the largest absolute cell, from the sorted neighbour


@njit(nogil=True, cache=True)
def near_tie_gap(row: Floats) -> float:
    """Largest gap between sorted neighbours that still is a tie, from the finite cells. O(n)."""
    largest = 0.0
    for value in row:
        size = abs(value)
        if size > largest and size < np.inf:
            largest = size
    return NEAR_TIE * largest


@njit(nogil=True, cache=True)
def sort_cells(row: Floats, order: Order, starts: Flags) -> None:
    """Cells in ascending order, and where in it a run of ties starts. O(n log n)."""
    gap = near_tie_gap(row)
    order[:] = np.argsort(row, kind="mergesort")
    starts[0] = 1
    for k in range(1, row.size):
        low = row[order[k - 1]]
        high = row[order[k]]
        starts[k] = not (high == low or high - low <= gap)


@njit(nogil=True, cache=True)
def rank_row(order: Order, starts: Flags, ranks: Ranks) -> float:
    """Write centred average ranks of one sorted row, return their sum of squares. O(n)."""
    n = order.size
    center = 0.5 * (n - 1)
    tied = 0.0
    k = 0
    while k < n:
        end = k + 1
        while end < n and not starts[end]:
            end += 1
        rank = 0.5 * (k + end - 1) - center
        for m in range(k, end):
            ranks[order[m]] = rank
        length = float(end - k)
        tied += length * (length * length - 1.0)
        k = end
    return (float(n) * (float(n) * n - 1.0) - tied) / 12.0


@njit(nogil=True, cache=True)
def rank_rows(rows: Floats, ranks: Ranks, squares: Floats) -> None:
    """Centred average ranks of each row (exact multiples of one half) and their sums of squares."""
    n = rows.shape[1]
    order = np.empty(n, np.int64)
    starts = np.empty(n, np.uint8)
    for r in range(rows.shape[0]):
        sort_cells(rows[r], order, starts)
        squares[r] = rank_row(order, starts, ranks[r])
