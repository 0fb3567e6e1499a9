"""RDMs of many patches with missing voxels, for the metrics that are functions of inner products.

Each pair of patterns uses the voxels that both have. Missing values become 0 and a mask, so that
all sums over a pair's voxels vectorise.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import CORRELATION, COSINE, SQEUCLIDEAN
from bids_rsa.core.dissimilarity.pair_distances import PatchLists, count_seen, find_complete, gather
from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]

_CONSTANT = 1e-12  # centred norm over norm, at most this: constant
_CANCELLED = 1e-4  # share of a sum of squares that is left when the mean is taken out


class MissingVoxels(NamedTuple):
    """One metric ready to fill the RDMs of many patches whose patterns lack voxels.

    Attributes
    ----------
    code : int
        Which function of inner products.
    least : int
        Pairs of patterns with fewer common voxels are undefined.
    """

    code: int
    least: int

    @property
    def kernel(self) -> Callable[..., None]:
        """What fills RDMs; see `PairDistances.kernel`."""
        return _fill


class PatchItems(NamedTuple):
    """The patterns of one patch, and what is known of them.

    Attributes
    ----------
    items : (n_items, n_voxels) float64
        About the patterns' own means for correlation; 0 where missing.
    has : (n_items, n_voxels) float64
        1 where there is a value, else 0.
    means, norms : (n_items,) float64
        Means, and squared norms of what is left.
    finite, complete : (n_items,) bool
        Patterns that lack nothing, and those that lack no voxel that any pattern has.
    """

    items: Floats
    has: Floats
    means: Floats
    norms: Floats
    finite: Flags
    complete: Flags


@summing_kernel
def _products(items: Floats, finite: Flags, rdm: Floats) -> None:
    """Inner products of the items that lack nothing. O(items^2 voxels)."""
    cell = 0
    for i in range(items.shape[0] - 1):
        for j in range(i + 1, items.shape[0]):
            if finite[i] and finite[j]:
                total = 0.0
                for k in range(items.shape[1]):
                    total += items[i, k] * items[j, k]
                rdm[cell] = total
            cell += 1


@summing_kernel
def _square_distances(items: Floats, finite: Flags, rdm: Floats) -> None:
    """Squared distances of the items that lack nothing. O(items^2 voxels)."""
    cell = 0
    for i in range(items.shape[0] - 1):
        for j in range(i + 1, items.shape[0]):
            if finite[i] and finite[j]:
                total = 0.0
                for k in range(items.shape[1]):
                    total += (items[i, k] - items[j, k]) * (items[i, k] - items[j, k])
                rdm[cell] = total
            cell += 1


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
def one_minus_cosine(product: float, squares_a: float, squares_b: float) -> float:
    """Return 1 - cosine, NaN for a norm of 0."""
    cosine = product / (math.sqrt(squares_a) * math.sqrt(squares_b))
    return 1.0 - min(1.0, max(-1.0, cosine)) if cosine == cosine else math.nan


@kernel
def _is_constant(centered: float, count: float, mean: float, total: float, squares: float) -> bool:
    """Tell from sums about a mean whether the values themselves are constant."""
    whole = squares + 2.0 * mean * total + count * mean * mean
    return centered <= _CONSTANT * _CONSTANT * whole


@kernel
def _correlation_in_two_passes(
    items: Floats, has: Floats, means: Floats, i: int, j: int, of_a: float, of_b: float
) -> float:
    """Correlation distance over common voxels that lie far from the patterns' means. O(voxels)."""
    count = 0.0
    squares_a = 0.0
    squares_b = 0.0
    for k in range(items.shape[1]):
        if has[i, k] * has[j, k] > 0.0:
            count += 1.0
            squares_a += items[i, k] * items[i, k]
            squares_b += items[j, k] * items[j, k]
    centered_a = 0.0
    centered_b = 0.0
    products = 0.0
    for k in range(items.shape[1]):
        if has[i, k] * has[j, k] > 0.0:
            left = items[i, k] - of_a / count
            right = items[j, k] - of_b / count
            centered_a += left * left
            centered_b += right * right
            products += left * right
    if _is_constant(centered_a, count, means[i], of_a, squares_a):
        return math.nan
    if _is_constant(centered_b, count, means[j], of_b, squares_b):
        return math.nan
    return one_minus_cosine(products, centered_a, centered_b)


@kernel
def _correlation(items: Floats, has: Floats, means: Floats, i: int, j: int, least: int) -> float:
    """Correlation distance over common voxels, of patterns about their own means. O(voxels)."""
    count, of_a, of_b, squares_a, squares_b, products = _common_sums(items, has, i, j)
    if count < least:
        return math.nan
    left_a = squares_a - of_a * of_a / count
    left_b = squares_b - of_b * of_b / count
    if left_a > _CANCELLED * squares_a and left_b > _CANCELLED * squares_b:
        if _is_constant(left_a, count, means[i], of_a, squares_a):
            return math.nan
        if _is_constant(left_b, count, means[j], of_b, squares_b):
            return math.nan
        return one_minus_cosine(products - of_a * of_b / count, left_a, left_b)
    return _correlation_in_two_passes(items, has, means, i, j, of_a, of_b)


@kernel
def distance_lacking(
    metric: MissingVoxels, items: Floats, has: Floats, means: Floats, i: int, j: int, n_seen: int
) -> float:
    """Distance over common voxels; sums are scaled up to the voxels seen in the patch."""
    if metric.code == CORRELATION:
        return _correlation(items, has, means, i, j, metric.least)
    if metric.code == COSINE:
        count, _, _, squares_a, squares_b, products = _common_sums(items, has, i, j)
        return (
            one_minus_cosine(products, squares_a, squares_b) if count >= metric.least else math.nan
        )
    count, square = _common_square_distance(items, has, i, j)
    if count == 0.0:
        return math.nan
    square *= n_seen / count
    return square if metric.code == SQEUCLIDEAN else math.sqrt(square)


@summing_kernel
def _sums(items: Floats, has: Floats, i: int) -> tuple[float, float, float]:
    """Count a pattern's voxels, sum them and their squares. O(voxels)."""
    count = 0.0
    total = 0.0
    squares = 0.0
    for k in range(items.shape[1]):
        count += has[i, k]
        total += items[i, k]
        squares += items[i, k] * items[i, k]
    return count, total, squares


@kernel
def prepare_patterns(code: int, patch: PatchItems) -> bool:
    """Zero what is missing, centre for correlation; tell whether a pattern is constant.

    O(items voxels)
    """
    items, has, means, norms = patch.items, patch.has, patch.means, patch.norms
    n_items, n = items.shape
    for i in range(n_items):
        for k in range(n):
            has[i, k] = 1.0 if abs(items[i, k]) < math.inf else 0.0
            items[i, k] = items[i, k] if has[i, k] > 0.0 else 0.0
        count, total, whole = _sums(items, has, i)
        means[i] = total / count if code == CORRELATION and count > 0.0 else 0.0
        for k in range(n):
            items[i, k] -= means[i] * has[i, k]
        norms[i] = _sums(items, has, i)[2]
        if code == CORRELATION and count >= 3.0 and norms[i] <= _CONSTANT * _CONSTANT * whole:
            return True
    return False


@kernel
def _fill(
    metric: MissingVoxels, patterns: NDArray[np.floating[Any]], patches: PatchLists, rdms: Floats
) -> None:
    """Fill the RDM of each patch; all NaN where undefined. O(items^2 voxels) a patch."""
    n_items, starts = patterns.shape[1], patches.starts
    largest = 1
    for c in range(rdms.shape[0]):
        largest = max(largest, starts[c + 1] - starts[c])
    room = np.empty(n_items * largest)
    mask_room = np.empty(n_items * largest)
    means = np.empty(n_items)
    norms = np.empty(n_items)
    finite = np.empty(n_items, np.bool_)
    complete = np.empty(n_items, np.bool_)
    for c in range(rdms.shape[0]):
        rows = patches.members[starts[c] : starts[c + 1]]
        rdms[c, :] = math.nan
        if rows.size < max(patches.min_voxels, metric.least):
            continue
        items = room[: n_items * rows.size].reshape(n_items, rows.size)
        has = mask_room[: n_items * rows.size].reshape(n_items, rows.size)
        n_lacking = gather(patterns, rows, items, finite)
        if n_lacking > 0 and not patches.ignore_nan:
            continue
        n_seen = rows.size
        complete[:] = finite
        if n_lacking > 0:
            n_seen = count_seen(items)
            find_complete(items, complete)
        patch = PatchItems(items, has, means, norms, finite, complete)
        if not prepare_patterns(metric.code, patch):
            _fill_one(metric, patch, n_seen, rdms[c])


@kernel
def _fill_one(metric: MissingVoxels, patch: PatchItems, n_seen: int, rdm: Floats) -> None:
    """Fill the RDM of one patch; all NaN when a pair that lacks nothing is undefined."""
    items, finite, norms = patch.items, patch.finite, patch.norms
    if metric.code <= COSINE:
        _products(items, finite, rdm)
    else:
        _square_distances(items, finite, rdm)
    cell = 0
    for i in range(items.shape[0] - 1):
        for j in range(i + 1, items.shape[0]):
            if not (finite[i] and finite[j]):
                value = distance_lacking(metric, items, patch.has, patch.means, i, j, n_seen)
            elif metric.code <= COSINE:
                value = one_minus_cosine(rdm[cell], norms[i], norms[j])
            else:
                value = rdm[cell] if metric.code == SQEUCLIDEAN else math.sqrt(rdm[cell])
            rdm[cell] = value if math.isfinite(value) else math.nan
            if rdm[cell] != rdm[cell] and patch.complete[i] and patch.complete[j]:
                rdm[:] = math.nan
                return
            cell += 1
