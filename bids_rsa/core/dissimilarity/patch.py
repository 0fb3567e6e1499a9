"""RDM of a single patch by the textbook formula, for patches whose sums cannot be trusted."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Patterns = NDArray[np.floating[Any]]

_CONSTANT = 1e-12


@summing_kernel
def correlate_patch(
    patterns: Patterns, rows: NDArray[np.int32], position: int, offsets: Integers, rdm: Floats
) -> None:
    """Correlation distances of one patch, each pattern centred first; NaN if one is constant.

    Cost: one product per voxel and pair.
    """
    n = patterns.shape[2]
    patch = np.empty((n, len(offsets)))
    n_voxels = 0
    for k in range(len(offsets)):
        row = rows[position + offsets[k]]
        if row >= 0:
            for i in range(n):
                patch[i, n_voxels] = patterns[row, 0, i]
            n_voxels += 1
    for i in range(n):
        if not _normalize(patch[i, :n_voxels]):
            for c in range(len(rdm)):
                rdm[c] = np.nan
            return
    cell = 0
    for i in range(n):
        for j in range(i + 1, n):
            rdm[cell] = 1.0 - _dot(patch[i, :n_voxels], patch[j, :n_voxels])
            cell += 1


@kernel
def _normalize(pattern: Floats) -> bool:
    """Centre a pattern and give it unit norm, in place; False if it is constant."""
    largest = 0.0
    for k in range(len(pattern)):
        largest = max(largest, abs(pattern[k]))
    if largest == 0.0:
        return False
    # a power of two: a quotient would be rounded, and with it the digits beyond a large mean
    scale, total = math.ldexp(1.0, min(-math.frexp(largest)[1], 1023)), 0.0
    for k in range(len(pattern)):
        pattern[k] *= scale
        total += pattern[k]
    norm = _dot(pattern, pattern)
    mean = total / len(pattern)
    for k in range(len(pattern)):
        pattern[k] -= mean
    centered = np.sqrt(_dot(pattern, pattern))
    if centered <= _CONSTANT * np.sqrt(norm):
        return False
    for k in range(len(pattern)):
        pattern[k] /= centered
    return True


@summing_kernel
def _dot(x: Floats, y: Floats) -> float:
    """Inner product."""
    total = 0.0
    for k in range(len(x)):
        total += x[k] * y[k]
    return total
