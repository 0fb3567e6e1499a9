"""Distances between two patterns that are no function of inner products, as scipy defines them.

Every function takes two patterns and weights of one length, and costs O(voxels), vectorised.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import (
    BRAYCURTIS,
    CANBERRA,
    CHEBYSHEV,
    CITYBLOCK,
    DICE,
    DICE_OF_NUMBERS,
    HAMMING,
    JACCARD,
    JENSENSHANNON,
    LAST_OF_NUMBERS,
    MINKOWSKI,
    ROGERSTANIMOTO,
    RUSSELLRAO,
    SOKALSNEATH,
)
from bids_rsa.core.dissimilarity.distributions import jensenshannon
from bids_rsa.core.dissimilarity.ranges import (
    LEAST,
    MOST,
    exponent_of_difference,
    scaled_difference,
)
from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]


@summing_kernel
def _cityblock(a: Floats, b: Floats, w: Floats) -> float:
    """Sum of absolute differences."""
    total = 0.0
    for k in range(a.size):
        total += w[k] * abs(a[k] - b[k])
    return total


@summing_kernel
def _sum_of_squares(a: Floats, b: Floats, w: Floats) -> float:
    """Sum of squared differences."""
    total = 0.0
    for k in range(a.size):
        difference = a[k] - b[k]
        total += w[k] * difference * difference
    return total


@kernel
def _largest_exponent(a: Floats, b: Floats) -> int:
    """Return the exponent of the largest difference. O(voxels)."""
    exponent = -2000
    for k in range(a.size):
        exponent = max(exponent, exponent_of_difference(a[k], b[k]))
    return exponent


@kernel
def _root_of_squares(a: Floats, b: Floats, w: Floats) -> float:
    """Root of the sum of squared differences, which may itself be out of range."""
    total = _sum_of_squares(a, b, w)
    if LEAST < total < MOST:
        return math.sqrt(total)
    exponent = _largest_exponent(a, b)
    total = 0.0
    for k in range(a.size):
        difference = scaled_difference(a[k], b[k], exponent)
        total += w[k] * difference * difference
    return math.ldexp(math.sqrt(total), exponent)


@summing_kernel
def _chebyshev(a: Floats, b: Floats, w: Floats) -> float:
    """Largest absolute difference where the weight isn't 0."""
    largest = 0.0
    for k in range(a.size):
        difference = abs(a[k] - b[k]) if w[k] > 0.0 else 0.0
        largest = difference if difference > largest else largest
    return largest


@summing_kernel
def _braycurtis(a: Floats, b: Floats, w: Floats) -> float:
    """Absolute differences over absolute sums."""
    differences = 0.0
    sums = 0.0
    for k in range(a.size):
        differences += w[k] * abs(a[k] - b[k])
        sums += w[k] * abs(a[k] + b[k])
    return differences / sums


@summing_kernel
def _canberra(a: Floats, b: Floats, w: Floats) -> float:
    """Sum of differences over magnitudes; 0 where both are 0."""
    total = 0.0
    for k in range(a.size):
        size = abs(a[k]) + abs(b[k])
        total += w[k] * abs(a[k] - b[k]) / (size if size > 0.0 else 1.0)
    return total


@summing_kernel
def _sum_of_powers(a: Floats, b: Floats, w: Floats, p: float, spare: Floats) -> float:
    """Sum of powers of differences; a power of up to 16 is multiplied out."""
    whole = int(p)
    powers = spare[: a.size]
    if whole == p and whole <= 16:
        for k in range(a.size):
            powers[k] = w[k] * abs(a[k] - b[k])
        for _ in range(1, whole):
            for k in range(a.size):
                powers[k] *= abs(a[k] - b[k])
    else:
        for k in range(a.size):
            powers[k] = w[k] * abs(a[k] - b[k]) ** p
    total = 0.0
    for k in range(a.size):
        total += powers[k]
    return total


@kernel
def _minkowski(a: Floats, b: Floats, w: Floats, p: float, spare: Floats) -> float:
    """Root of a sum of powers, which may itself be out of range."""
    total = _sum_of_powers(a, b, w, p, spare)
    if LEAST < total < MOST:
        return float(total ** (1.0 / p))
    exponent = _largest_exponent(a, b)
    total = 0.0
    for k in range(a.size):
        total += w[k] * abs(scaled_difference(a[k], b[k], exponent)) ** p
    return math.ldexp(total ** (1.0 / p), exponent)


@summing_kernel
def _dice_of_numbers(a: Floats, b: Floats) -> float:
    """Dice's formula with numbers in place of truth values."""
    product = 0.0
    total = 0.0
    for k in range(a.size):
        product += a[k] * b[k]
        total += a[k] + b[k]
    return (total - 2.0 * product) / total


@summing_kernel
def _unequal(a: Floats, b: Floats, w: Floats) -> tuple[float, float]:
    """Weight of the voxels with different values, and of all."""
    unequal = 0.0
    total = 0.0
    for k in range(a.size):
        unequal += w[k] if a[k] != b[k] else 0.0
        total += w[k]
    return unequal, total


@summing_kernel
def _truth_table(a: Floats, b: Floats, w: Floats) -> tuple[float, float, float, float]:
    """Weight of voxels where both, only the first, only the second, none is not 0."""
    both = 0.0
    first = 0.0
    second = 0.0
    total = 0.0
    for k in range(a.size):
        in_first = w[k] if a[k] != 0.0 else 0.0
        first += in_first
        second += w[k] if b[k] != 0.0 else 0.0
        both += in_first if b[k] != 0.0 else 0.0
        total += w[k]
    return both, first - both, second - both, total - first - second + both


@kernel
def _of_truth_table(code: int, a: Floats, b: Floats, w: Floats) -> float:
    """Distances between patterns taken as true (not 0) and false."""
    both, first, second, none = _truth_table(a, b, w)
    differing = first + second
    if code == JACCARD:
        either = both + differing
        return differing / either if either != 0.0 else 0.0
    if code == ROGERSTANIMOTO:
        return 2.0 * differing / (both + none + 2.0 * differing)
    if code == RUSSELLRAO:
        return (differing + none) / (both + differing + none)
    if code == SOKALSNEATH:
        return 2.0 * differing / (both + 2.0 * differing)
    crossed = first * second  # yule
    return 2.0 * crossed / (both * none + crossed) if crossed != 0.0 else 0.0


@kernel
def _of_numbers(code: int, a: Floats, b: Floats, w: Floats, p: float, spare: Floats) -> float:
    """Distances between patterns taken as numbers."""
    if code == CITYBLOCK:
        return _cityblock(a, b, w)
    if code == CHEBYSHEV:
        return _chebyshev(a, b, w)
    if code == CANBERRA:
        return _canberra(a, b, w)
    if code == BRAYCURTIS:
        return _braycurtis(a, b, w)
    if code == MINKOWSKI:
        return _minkowski(a, b, w, p, spare)
    if code == DICE_OF_NUMBERS:
        return _dice_of_numbers(a, b)
    return _root_of_squares(a, b, w)


@kernel
def distance(
    code: int, a: Floats, b: Floats, w: Floats, p: float, of: tuple[float, float], spare: Floats
) -> float:
    """Distance of two patterns under the metric with that code.

    p: the power for minkowski; of: informations of the two distributions for jensenshannon (NaN
    if they are none); spare: room for four numbers a voxel.
    """
    if code <= LAST_OF_NUMBERS:
        return _of_numbers(code, a, b, w, p, spare)
    if code == JENSENSHANNON:
        return jensenshannon(a, b, of[0], of[1], spare)
    if code == HAMMING:
        unequal, total = _unequal(a, b, w)
        return unequal / total
    if code == DICE:
        both = _truth_table(a, b, w)[0]
        unequal = _unequal(a, b, w)[0]
        return unequal / (2.0 * both + unequal)
    return _of_truth_table(code, a, b, w)
