"""Patterns of patches gathered and centred in one pass, while a patch is in the cache."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def centered_patches(
    patterns: NDArray[np.floating[Any]],
    starts: Integers,
    members: NDArray[Any],
    chosen: NDArray[np.intp],
    width: int,
) -> tuple[Floats, Floats]:
    """Copy the patterns of some patches, and take their means away.

    Parameters
    ----------
    patterns : (n_locations, n_conditions) float32 or float64
    starts : (n_patches + 1,) int64
    members : (total,) int
        Rows of the patterns, patch after patch.
    chosen : (n_chosen,) int
        Patches.
    width : int
        Rows that each patch is filled up to with zeros.

    Returns
    -------
    patches : (n_chosen, width, n_conditions) float64
        Rows in ascending order.
    squares : (n_chosen, n_conditions) float64
        Sums of squares before the means were taken away.
    """
    patches = np.zeros((len(chosen), width, patterns.shape[1]))
    squares = np.zeros((len(chosen), patterns.shape[1]))
    _center(patterns, starts, members, chosen, patches, squares)
    return patches, squares


@kernel
def _center(
    patterns: NDArray[np.floating[Any]],
    starts: Integers,
    members: NDArray[Any],
    chosen: NDArray[np.intp],
    patches: Floats,
    squares: Floats,
) -> None:
    """See `centered_patches`."""
    n = patterns.shape[1]
    mean = np.empty(n)
    for k in range(chosen.size):
        rows = members[starts[chosen[k]] : starts[chosen[k] + 1]]
        if not _ascends(rows):
            rows = np.sort(rows)
        mean[:] = 0.0
        for r in range(rows.size):
            row = rows[r]
            for i in range(n):
                value = np.float64(patterns[row, i])
                patches[k, r, i] = value
                mean[i] += value
                squares[k, i] += value * value
        for i in range(n):
            mean[i] /= rows.size
        for r in range(rows.size):
            for i in range(n):
                patches[k, r, i] -= mean[i]


@kernel
def _ascends(rows: NDArray[Any]) -> bool:
    """Tell whether numbers are in ascending order."""
    ascends = True
    for r in range(1, rows.size):
        ascends &= rows[r] >= rows[r - 1]
    return ascends
