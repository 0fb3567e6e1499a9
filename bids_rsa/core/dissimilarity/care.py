"""Voxels whose values differ so much that fast sums lose digits which plain sums keep.

Unbiased distances are (sum d)^2 - sum d^2 over folds: if one fold's difference is much larger than
all others', its square is rounded by more than its products with them are. Sums of squares along a
row vanish if values are far smaller than the row's. Patches with such voxels are computed pair by
pair.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, kernel_part
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Flags = NDArray[np.uint8]
Integers = NDArray[np.int64]
Patterns = NDArray[np.floating[Any]]

# a difference is uneven if it exceeds that of all other folds, and what is usual at the voxel, by
# so many times; the error of its square is then some 1e-13 of the products
_UNEVEN = 2.0**10
# conditions whose values are so small beside a shared value lose digits if it is subtracted
_BESIDE = 2.0**-16
# exponents of values, and their means, may differ by so much
_RANGE = 200
_SMALL, _LARGE = 1, 2
_UNKNOWN = -(2**12)
_EXPONENT = 52  # bits of the fraction, before the exponent
_SIZE = 0x7FFFFFFFFFFFFFFF  # bits of the absolute value
_INFINITE = 0x7FF0000000000000


def find_shared(patterns: Patterns) -> tuple[Floats, Flags]:
    """Find a value near those of most conditions, and voxels whose squares lose digits.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
        NaN is a missing value.

    Returns
    -------
    shared : (n_voxels * n_folds,) float64
        Differences of conditions don't change if it is subtracted, but keep their digits.
    uneven : (n_voxels,) uint8
        Where a fold has far larger differences than all others, or values have another scale than
        most.
    """
    n_voxels, n_folds, n = patterns.shape
    shared, uneven = np.zeros(n_voxels * n_folds), np.zeros(n_voxels, np.uint8)
    if n > 1:
        _find_shared(patterns.reshape(-1), n_folds, n, shared, uneven)
        uneven |= _find_scales(patterns, together=True) > 0
    return shared, uneven


def without_shared(folds: Floats) -> Floats:
    """Subtract from folds (n_voxels, n_folds, n_conditions) what most conditions share."""
    return folds - find_shared(folds)[0].reshape(*folds.shape[:2], 1)


@kernel
def _find_shared(values: Patterns, n_folds: int, n: int, shared: Floats, uneven: Flags) -> None:
    """See `find_shared`. O(values)."""
    room = np.empty(4 * n)
    largest, second, sizes, own = room[:n], room[n : 2 * n], room[2 * n : 3 * n], room[3 * n :]
    chosen = _choose_nine(n)
    tops = np.zeros(uneven.size)  # of voxels where only one fold differs at all
    exponents, count = 0, 0
    for voxel in range(uneven.size):
        for i in range(n):
            largest[i] = 0.0
            second[i] = 0.0
            sizes[i] = 0.0
        level = 0.0
        for k in range(voxel * n_folds, (voxel + 1) * n_folds):
            pattern = values[k * n : (k + 1) * n]
            for i in range(n):
                own[i] = pattern[i]
            middle = _middle(own, chosen)
            shared[k] = middle
            level = _larger(level, abs(middle))
            _compare(own, middle, largest, second, sizes)
        if _lies_beside(sizes, level):
            uneven[voxel] = 1
        elif n_folds > 1:
            usual = _usual_exponent(second)
            if usual == _UNKNOWN:
                tops[voxel] = largest.max()
            else:
                uneven[voxel] = _stands_alone(largest, second, math.ldexp(1.0, usual))
                exponents += usual
                count += 1
    limit = _UNEVEN * math.ldexp(1.0, exponents // count) if count > 0 else 0.0
    for voxel in range(uneven.size):
        uneven[voxel] |= tops[voxel] > limit


@kernel
def _choose_nine(n: int) -> NDArray[np.uint64]:
    """Choose nine of n values, or three times the same three."""
    chosen = np.empty(9, np.uint64)
    for k in range(9):
        chosen[k] = k * n // 9 if n >= 9 else min(k % 3 * n // 2, n - 1)
    return chosen


@kernel_part
def _smaller(a: float, b: float) -> float:
    """Return the smaller of two values; the second if one is NaN."""
    return a if a < b else b


@kernel_part
def _larger(a: float, b: float) -> float:
    """Return the larger of two values; the first if one is NaN."""
    return b if a < b else a


@kernel_part
def _median(a: float, b: float, c: float) -> float:
    """Median of three values."""
    return _larger(_smaller(a, b), _smaller(_larger(a, b), c))


@kernel_part
def _middle(own: Floats, at: NDArray[np.uint64]) -> float:
    """Median of the medians of three times three values."""
    return _median(
        _median(own[at[0]], own[at[1]], own[at[2]]),
        _median(own[at[3]], own[at[4]], own[at[5]]),
        _median(own[at[6]], own[at[7]], own[at[8]]),
    )


@kernel_part
def _compare(own: Floats, middle: float, largest: Floats, second: Floats, sizes: Floats) -> None:
    """Take a fold's differences from the middle among the two largest, and its sizes."""
    for i in range(own.size):
        away, size = abs(own[i] - middle), abs(own[i])
        away = away if away < math.inf else 0.0
        second[i] = _larger(second[i], _smaller(away, largest[i]))
        largest[i] = _larger(largest[i], away)
        sizes[i] = _larger(sizes[i], size)


@kernel_part
def _usual_exponent(second: Floats) -> int:
    """Mean exponent of the second largest differences, which single values hardly affect."""
    bits = second.view(np.int64)
    exponents = 0
    count = 0
    for i in range(second.size):
        exponents += bits[i] >> _EXPONENT
        count += second[i] > 0.0
    return int(exponents / count) - 1023 if count > 0 else _UNKNOWN


@kernel_part
def _stands_alone(largest: Floats, second: Floats, usual: float) -> bool:
    """Tell whether one fold's difference is far larger than all others', and than is usual."""
    found = 0
    for i in range(second.size):
        found += largest[i] > _UNEVEN * _larger(second[i], usual)
    return found > 0


@kernel_part
def _lies_beside(sizes: Floats, level: float) -> bool:
    """Tell whether two conditions or more are tiny beside the shared value, and not all are 0."""
    limit = _BESIDE * level
    tiny = 0
    nothing = 0
    for i in range(sizes.size):
        tiny += sizes[i] < limit
        nothing += sizes[i] == 0.0
    return tiny > max(nothing, 1)


def centers_of_other_scale(
    patterns: Patterns, spheres: SphereRows, together: bool
) -> NDArray[np.bool_]:
    """Find the centres (n_centers,) whose values may be too small for the scale of their row.

    Those are all centres in rows with values of another scale than most, but for those whose
    patches contain such large values: they decide the scale, or squares overflow.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
    spheres : SphereRows
    together : bool
        Conditions have one scale, not each its own.
    """
    scales = _find_scales(patterns, together)
    if not scales.any():
        return np.zeros(spheres.n_centers, np.bool_)
    return centers_around(scales > 0, spheres, True) & ~centers_around(scales == _LARGE, spheres)


def _find_scales(patterns: Patterns, together: bool) -> Flags:
    """Find voxels (n_voxels,) with values far from the scale of the others: small, or large.

    Single precision has no values whose squares leave the range of double precision.
    """
    scales = np.zeros(len(patterns), np.uint8)
    if patterns.dtype == np.float32:
        return scales
    bits = patterns.reshape(-1).view(np.int64)
    if _find_range(bits.view(np.uint64)) > 2 * _RANGE:
        _compare_scales(bits, patterns.shape[1], patterns.shape[2], together, scales)
    return scales


@kernel
def _find_range(bits: NDArray[np.uint64]) -> int:
    """Return how many powers of two the sizes of numbers span, without 0."""
    least, most = np.uint64(_INFINITE), np.uint64(0)
    for k in range(bits.size):
        size = bits[k] & np.uint64(_SIZE)
        least = min(least, size - np.uint64(1))  # of 0, this is the largest number
        most = max(most, size if size < np.uint64(_INFINITE) else np.uint64(0))
    return int(np.int64(most >> np.uint64(_EXPONENT)) - np.int64(least >> np.uint64(_EXPONENT)))


@kernel
def _compare_scales(bits: Integers, n_folds: int, n: int, together: bool, scales: Flags) -> None:
    """See `_find_scales`. O(values)."""
    sums, counts = np.zeros(n), np.zeros(n)
    for k in range(bits.size):
        size = bits[k] & _SIZE
        if 0 < size < _INFINITE:
            sums[k % n] += size >> _EXPONENT
            counts[k % n] += 1.0
    if together:
        sums[:] = sums.sum()
        counts[:] = counts.sum()
    for i in range(n):
        sums[i] /= max(counts[i], 1.0)
    for k in range(bits.size):
        size = bits[k] & _SIZE
        voxel, above = k // (n_folds * n), (size >> _EXPONENT) - sums[k % n]
        if 0 < size < _INFINITE and abs(above) > _RANGE:
            scales[voxel] = max(scales[voxel], _LARGE if above > 0.0 else _SMALL)


def centers_around(
    voxels: NDArray[Any], spheres: SphereRows, whole_rows: bool = False
) -> NDArray[np.bool_]:
    """Find the centres (n_centers,) whose patches contain one of some voxels.

    With ``whole_rows``, also all other centres in the same rows of the grid.
    """
    if not voxels.any():
        return np.zeros(spheres.n_centers, np.bool_)
    reached = np.zeros(len(spheres.rows), np.uint8)
    _mark_around(voxels.astype(np.uint8), spheres.rows, spheres.shifts, reached)
    if whole_rows:
        rows = reached.reshape(-1, spheres.row_length)
        rows |= rows.max(axis=1, keepdims=True)
    return reached[spheres.positions] > 0


@kernel
def _mark_around(voxels: Flags, rows: NDArray[np.int32], shifts: Integers, reached: Flags) -> None:
    """Mark the places of the padded grid whose spheres contain one of some voxels."""
    for place in range(rows.size):
        if rows[place] >= 0 and voxels[rows[place]] > 0:
            for shift in shifts:
                reached[place - shift] = 1
