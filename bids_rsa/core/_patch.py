"""RDM of a single patch by the textbook formula, for patches whose sums cannot be trusted."""

import numpy as np
from numba import njit

_CONSTANT = 1e-12


@njit(nogil=True, cache=True, fastmath={"contract"})
def correlate_patch(patterns, rows, position, offsets, rdm):
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
            rdm[:] = np.nan
            return
    cell = 0
    for i in range(n):
        for j in range(i + 1, n):
            rdm[cell] = 1.0 - _dot(patch[i, :n_voxels], patch[j, :n_voxels])
            cell += 1


@njit(nogil=True, cache=True)
def _normalize(pattern):
    """Centre a pattern and give it unit norm, in place; False if it is constant."""
    largest = 0.0
    for k in range(len(pattern)):
        largest = max(largest, abs(pattern[k]))
    if largest == 0.0:
        return False
    total = 0.0
    for k in range(len(pattern)):
        pattern[k] /= largest
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


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _dot(x, y):
    """Inner product."""
    total = 0.0
    for k in range(len(x)):
        total += x[k] * y[k]
    return total
