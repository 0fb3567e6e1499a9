"""Sums of squares whose values are too small or too large for numbers: scaled by powers of two."""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel

Floats = NDArray[np.float64]

# sums of squares, or of other powers, outside of these have lost digits or may have overflowed
LEAST, MOST = 1e-250, 1e250
# the largest value of patterns whose squares, and those of most parts of them, are in range
_SAFE = 1e-100, 1e100


@kernel
def exponent_of_difference(a: float, b: float) -> int:
    """Return the exponent of a difference, which may itself overflow; -2000 for 0."""
    difference = abs(a - b)
    if difference == 0.0:
        return -2000
    if difference < math.inf:
        return int(math.frexp(difference)[1])
    return int(math.frexp(abs(0.5 * a - 0.5 * b))[1]) + 1


@kernel
def scaled_difference(a: float, b: float, exponent: int) -> float:
    """Return a difference, which may itself overflow, over a power of two."""
    difference = a - b
    if abs(difference) < math.inf:
        return math.ldexp(difference, -exponent)
    return math.ldexp(0.5 * a - 0.5 * b, 1 - exponent)


@kernel
def largest_of(values: Floats) -> float:
    """Return the largest absolute value that is finite; 0 without one."""
    largest = 0.0
    for k in range(values.size):
        size = abs(values[k])
        largest = size if largest < size < math.inf else largest
    return largest


@kernel
def exponent_out_of_range(largest: float) -> int:
    """Return the exponent of patterns' largest value if squares could leave the range, else 0."""
    if largest == 0.0 or _SAFE[0] < largest < _SAFE[1]:
        return 0
    return int(math.frexp(largest)[1])


@kernel
def divide_by_power(values: Floats, exponent: int) -> None:
    """Divide values by a power of two, in place."""
    if exponent != 0:
        for k in range(values.size):
            values[k] = math.ldexp(values[k], -exponent)
