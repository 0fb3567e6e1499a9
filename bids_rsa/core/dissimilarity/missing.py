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
from bids_rsa.core.dissimilarity.missing_pairs import (
    CONSTANT,
    distance_lacking,
    finish_distance,
    one_minus_cosine,
)
from bids_rsa.core.dissimilarity.pair_distances import PatchLists, count_seen, find_complete, gather
from bids_rsa.core.dissimilarity.ranges import (
    divide_by_power,
    exponent_out_of_range,
    largest_of,
)
from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


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
        if code <= COSINE:
            divide_by_power(items[i], exponent_out_of_range(largest_of(items[i])))
        count, total, whole = _sums(items, has, i)
        means[i] = total / count if code == CORRELATION and count > 0.0 else 0.0
        for k in range(n):
            items[i, k] -= means[i] * has[i, k]
        norms[i] = _sums(items, has, i)[2]
        if code == CORRELATION and count >= 3.0 and norms[i] <= CONSTANT * CONSTANT * whole:
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
        exponent = 0
        if metric.code > COSINE:
            values = room[: items.size]
            exponent = exponent_out_of_range(largest_of(values))
            divide_by_power(values, exponent)
        patch = PatchItems(items, has, means, norms, finite, complete)
        if not prepare_patterns(metric.code, patch):
            power = exponent * (2 if metric.code == SQEUCLIDEAN else 1)
            _fill_one(metric, patch, n_seen, power, rdms[c])


@kernel
def _fill_one(
    metric: MissingVoxels, patch: PatchItems, n_seen: int, power: int, rdm: Floats
) -> None:
    """Fill the RDM of one patch, times a power of two.

    It is all NaN when a pair that lacks nothing is undefined.
    """
    items, finite, norms = patch.items, patch.finite, patch.norms
    if metric.code <= COSINE:
        _products(items, finite, rdm)
    else:
        _square_distances(items, finite, rdm)
    cell = 0
    for i in range(items.shape[0] - 1):
        for j in range(i + 1, items.shape[0]):
            if not (finite[i] and finite[j]):
                value = distance_lacking(
                    metric.code, metric.least, items, patch.has, patch.means, (i, j), n_seen
                )
            elif metric.code <= COSINE:
                value = one_minus_cosine(rdm[cell], norms[i], norms[j])
            else:
                value = finish_distance(metric.code, items, patch.has, (i, j), rdm[cell], 1.0)
            value = math.ldexp(value, power)
            rdm[cell] = value if math.isfinite(value) else math.nan
            if rdm[cell] != rdm[cell] and patch.complete[i] and patch.complete[j]:
                rdm[:] = math.nan
                return
            cell += 1
