"""Distances between patterns taken as distributions, whose values add up to 1."""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]


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
def jensenshannon(a: Floats, b: Floats, of_a: float, of_b: float, spare: Floats) -> float:
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
