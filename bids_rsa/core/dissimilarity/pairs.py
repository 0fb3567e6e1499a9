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
def _minkowski(a: Floats, b: Floats, w: Floats, p: float, spare: Floats) -> float:
    """Root of a sum of powers; a power of up to 16 is multiplied out."""
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
    return float(total ** (1.0 / p))


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
def _write_logarithms(values: Floats, split: Floats, logarithms: Floats) -> None:
    """Write natural logarithms of positive numbers (finite for 0), to within one unit or two.

    The series of fdlibm's e_log.c (Sun Microsystems, 1993), without branches, so that it
    vectorises; split has room for two numbers a value.
    """
    n = values.size
    whole = split[:n]
    part = split[n : 2 * n]
    bits = values.view(np.int64)
    whole_bits = whole.view(np.int64)
    part_bits = part.view(np.int64)
    for k in range(n):
        # the exponent as the last bits of 2^52, the fraction as a number from 1 to 2
        whole_bits[k] = (bits[k] >> 52) | 0x4330000000000000
        part_bits[k] = (bits[k] & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000
    for k in range(n):
        high = part[k] > 1.4142135623730951
        exponent = whole[k] - 4503599627371519.0 + (2.0 if high else 1.0) - 1.0
        f = (0.5 * part[k] if high else part[k]) - 1.0
        s = f / (2.0 + f)
        z = s * s
        half = 0.5 * f * f
        series = 0.1531383769920937332 + z * 0.1479819860511658591
        series = 0.1818357216161805012 + z * series
        series = 0.2222219843214978396 + z * series
        series = 0.2857142874366239149 + z * series
        series = 0.3999999999940941908 + z * series
        series = z * (0.6666666666666735130 + z * series)
        logarithms[k] = exponent * 6.93147180369123816490e-01 - (
            (half - (s * (half + series) + exponent * 1.90821492927058770002e-10)) - f
        )


@summing_kernel
def _entropy(values: Floats, logarithms: Floats) -> float:
    """Sum of each value times its logarithm."""
    total = 0.0
    for k in range(values.size):
        total += values[k] * logarithms[k]
    return total


@kernel
def information(values: Floats, spare: Floats) -> float:
    """Sum of x log x of numbers from 0 to 1; spare has room for three numbers a value."""
    n = values.size
    _write_logarithms(values, spare[: 2 * n], spare[2 * n : 3 * n])
    return _entropy(values, spare[2 * n : 3 * n])


@kernel
def _jensenshannon(a: Floats, b: Floats, of_a: float, of_b: float, spare: Floats) -> float:
    """Root of the Jensen-Shannon divergence of two distributions and their informations."""
    n = a.size
    middle = spare[:n]
    for k in range(n):
        middle[k] = 0.5 * (a[k] + b[k])
    square = 0.5 * (of_a + of_b) - information(middle, spare[n:])
    if square < 1e-8:  # a small difference of large numbers: sum small numbers instead
        square = 0.0
        for k in range(n):
            if middle[k] > 0.0:
                d = 0.5 * (a[k] - b[k]) / middle[k]
                square += 0.5 * middle[k] * _spread_information(d)
    return math.sqrt(square)


@kernel
def _spread_information(d: float) -> float:
    """(1 + d) log(1 + d) + (1 - d) log(1 - d), to all digits for small d."""
    square = d * d
    if square < 1e-4:
        return square * (1.0 + square * (1 / 6 + square * (1 / 15 + square / 28)))
    if square >= 1.0:
        return 2.0 * math.log(2.0)
    return (1.0 + d) * math.log1p(d) + (1.0 - d) * math.log1p(-d)


@kernel
def to_distribution(pattern: Floats) -> bool:
    """Divide by the sum, in place, unless something is negative or all is 0; tell whether."""
    total = 0.0
    lowest = 0.0
    for k in range(pattern.size):
        total += pattern[k]
        lowest = min(lowest, pattern[k])
    if not (lowest >= 0.0 and 0.0 < total < math.inf):
        return False
    for k in range(pattern.size):
        pattern[k] /= total
    return True


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
    return math.sqrt(_sum_of_squares(a, b, w))


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
        return _jensenshannon(a, b, of[0], of[1], spare)
    if code == HAMMING:
        unequal, total = _unequal(a, b, w)
        return unequal / total
    if code == DICE:
        both = _truth_table(a, b, w)[0]
        unequal = _unequal(a, b, w)[0]
        return unequal / (2.0 * both + unequal)
    return _of_truth_table(code, a, b, w)
