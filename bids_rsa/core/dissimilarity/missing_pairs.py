"""Distances of two patterns that lack voxels, over those that both have.

Patterns are 0 where they lack a voxel, and ``has`` is 1 where they have one.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import CORRELATION, COSINE, SQEUCLIDEAN
from bids_rsa.core.dissimilarity.ranges import (
    LEAST,
    MOST,
    exponent_of_difference,
    scaled_difference,
)
from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]

CONSTANT = 1e-12  # centred norm over norm, at most this: constant
_CANCELLED = 1e-4  # share of a sum of squares that is left when the mean is taken out


@summing_kernel
def _common_square_distance(items: Floats, has: Floats, i: int, j: int) -> tuple[float, float]:
    """Count common voxels, sum squared differences there. O(voxels)."""
    count = 0.0
    total = 0.0
    for k in range(items.shape[1]):
        both = has[i, k] * has[j, k]
        count += both
        total += both * (items[i, k] - items[j, k]) * (items[i, k] - items[j, k])
    return count, total


@summing_kernel
def _common_sums(
    items: Floats, has: Floats, i: int, j: int
) -> tuple[float, float, float, float, float, float]:
    """Over common voxels: number, sums, sums of squares and of products. O(voxels)."""
    count = 0.0
    of_a = 0.0
    of_b = 0.0
    squares_a = 0.0
    squares_b = 0.0
    products = 0.0
    for k in range(items.shape[1]):
        in_a = items[i, k] * has[j, k]
        in_b = items[j, k] * has[i, k]
        count += has[i, k] * has[j, k]
        of_a += in_a
        of_b += in_b
        squares_a += in_a * items[i, k]
        squares_b += in_b * items[j, k]
        products += items[i, k] * items[j, k]
    return count, of_a, of_b, squares_a, squares_b, products


@kernel
def _one_minus(cosine: float) -> float:
    """Return 1 - cosine; NaN stays."""
    return 1.0 - min(1.0, max(-1.0, cosine)) if cosine == cosine else math.nan


@kernel
def one_minus_cosine(product: float, squares_a: float, squares_b: float) -> float:
    """Return 1 - cosine, NaN for a norm of 0."""
    return _one_minus(product / (math.sqrt(squares_a) * math.sqrt(squares_b)))


@kernel
def _is_constant(centered: float, count: float, mean: float, total: float, squares: float) -> bool:
    """Tell from sums about a mean whether the values themselves are constant."""
    whole = squares + 2.0 * mean * total + count * mean * mean
    return centered <= CONSTANT * CONSTANT * whole


@kernel
def _largest_common(items: Floats, has: Floats, i: int, j: int, mean: float) -> float:
    """Largest distance of pattern i from a mean at the voxels that j has too. O(voxels)."""
    largest = 0.0
    for k in range(items.shape[1]):
        if has[i, k] * has[j, k] > 0.0:
            largest = max(largest, abs(items[i, k] - mean))
    return largest


@kernel
def _in_two_passes(
    items: Floats, has: Floats, i: int, j: int, mean_a: float, mean_b: float
) -> tuple[float, float, float]:
    """Over common voxels: product of patterns about means, over both norms; and these. O(voxels).

    Squares do not leave the range of numbers. NaN where a pattern is its mean.
    """
    largest_a = _largest_common(items, has, i, j, mean_a)
    largest_b = _largest_common(items, has, j, i, mean_b)
    if largest_a == 0.0 or largest_b == 0.0:
        return math.nan, 0.0, 0.0
    centered_a = 0.0
    centered_b = 0.0
    products = 0.0
    for k in range(items.shape[1]):
        if has[i, k] * has[j, k] > 0.0:
            left = (items[i, k] - mean_a) / largest_a
            right = (items[j, k] - mean_b) / largest_b
            centered_a += left * left
            centered_b += right * right
            products += left * right
    norm_a, norm_b = math.sqrt(centered_a), math.sqrt(centered_b)
    return products / (norm_a * norm_b), largest_a * norm_a, largest_b * norm_b


@kernel
def _correlation(items: Floats, has: Floats, means: Floats, i: int, j: int, least: int) -> float:
    """Correlation distance over common voxels, of patterns about their own means. O(voxels)."""
    count, of_a, of_b, squares_a, squares_b, products = _common_sums(items, has, i, j)
    if count < least:
        return math.nan
    left_a = squares_a - of_a * of_a / count
    left_b = squares_b - of_b * of_b / count
    exact = left_a > max(_CANCELLED * squares_a, LEAST)
    exact = exact and left_b > max(_CANCELLED * squares_b, LEAST)
    cosine = math.nan
    if exact:
        cosine = (products - of_a * of_b / count) / (math.sqrt(left_a) * math.sqrt(left_b))
    else:
        cosine, norm_a, norm_b = _in_two_passes(items, has, i, j, of_a / count, of_b / count)
        left_a, left_b = norm_a * norm_a, norm_b * norm_b
    if _is_constant(left_a, count, means[i], of_a, squares_a):
        return math.nan
    if _is_constant(left_b, count, means[j], of_b, squares_b):
        return math.nan
    return _one_minus(cosine)


@kernel
def _cosine(items: Floats, has: Floats, i: int, j: int, least: int) -> float:
    """Cosine distance over common voxels. O(voxels)."""
    count, _, _, squares_a, squares_b, products = _common_sums(items, has, i, j)
    if count < least:
        return math.nan
    if min(squares_a, squares_b) < LEAST:
        return _one_minus(_in_two_passes(items, has, i, j, 0.0, 0.0)[0])
    return one_minus_cosine(products, squares_a, squares_b)


@kernel
def _square_in_range(items: Floats, has: Floats, i: int, j: int) -> tuple[float, int]:
    """Sum the squared differences over common voxels, over a power of 4; and its exponent.

    The sum stays within the range of numbers. O(voxels).
    """
    exponent = -2000
    for k in range(items.shape[1]):
        if has[i, k] * has[j, k] > 0.0:
            exponent = max(exponent, exponent_of_difference(items[i, k], items[j, k]))
    total = 0.0
    for k in range(items.shape[1]):
        if has[i, k] * has[j, k] > 0.0:
            difference = scaled_difference(items[i, k], items[j, k], exponent)
            total += difference * difference
    return total, exponent


@kernel
def finish_distance(
    code: int, items: Floats, has: Floats, pair: tuple[int, int], total: float, scale: float
) -> float:
    """(Squared) Euclidean distance of two patterns whose squared differences add up to total."""
    exponent = 0
    if not LEAST < total < MOST:
        total, exponent = _square_in_range(items, has, pair[0], pair[1])
    total *= scale
    if code == SQEUCLIDEAN:
        return math.ldexp(total, 2 * exponent)
    return math.ldexp(math.sqrt(total), exponent)


@kernel
def distance_lacking(
    code: int, least: int, items: Floats, has: Floats, means: Floats, pair: tuple[int, int],
    n_seen: int,
) -> float:  # fmt: skip
    """Distance over common voxels; sums are scaled up to the voxels seen in the patch.

    Correlations and cosines of fewer than ``least`` voxels are undefined.
    """
    i, j = pair
    if code == CORRELATION:
        return _correlation(items, has, means, i, j, least)
    if code == COSINE:
        return _cosine(items, has, i, j, least)
    count, square = _common_square_distance(items, has, i, j)
    if count == 0.0:
        return math.nan
    return finish_distance(code, items, has, pair, square, n_seen / count)
