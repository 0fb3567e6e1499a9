"""RDMs of many patches at once, for metrics without a Gram matrix."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import JENSENSHANNON
from bids_rsa.core.dissimilarity.distributions import information, to_distribution
from bids_rsa.core.dissimilarity.pairs import distance
from bids_rsa.core.dissimilarity.ranges import LEAST, MOST, largest_of
from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


class PatchLists(NamedTuple):
    """The patches of a block, and what holds for each of them.

    Attributes
    ----------
    members : (total,) int64
        Rows of the patterns, patch after patch.
    starts : (n_patches + 1,) int64
        Where each patch starts among the members.
    min_voxels : int
        Smaller patches are undefined.
    ignore_nan : bool
        Each pair of patterns uses the voxels that both have.
    """

    members: Rows
    starts: Rows
    min_voxels: int
    ignore_nan: bool


class PairDistances(NamedTuple):
    """One metric with its parameters, ready to fill the RDMs of many patches.

    Attributes
    ----------
    code : int
        Which distance of `_pairs`.
    weights : (n_voxels,) float64
    power : float
        minkowski's p.
    estimate_variances : bool
        seuclidean without V: each patch divides by its patterns' own variances.
    upscale_power : float
        A distance that lacks voxels is multiplied by P / P_ij to this power.
    """

    code: int
    weights: Floats
    power: float
    estimate_variances: bool
    upscale_power: float

    @property
    def kernel(self) -> Callable[..., None]:
        """What fills RDMs (n_patches, n_cells), given the metric, the patterns and `PatchLists`.

        NaN where undefined. The patterns are (n_voxels, n_items) of float32 or float64.
        """
        return _fill


@kernel
def gather(
    patterns: NDArray[np.floating[Any]], rows: Rows, items: Floats, finite: NDArray[np.bool_]
) -> int:
    """Copy some voxels' patterns, one contiguous line an item. O(items voxels).

    finite[i] tells whether item i lacks none; returns the number of items that lack some.
    """
    n_items = patterns.shape[1]
    for k in range(rows.size):
        row = rows[k]
        for i in range(n_items):
            items[i, k] = patterns[row, i]
    n_lacking = 0
    for i in range(n_items):
        finite[i] = _all_finite(items[i])
        n_lacking += not finite[i]
    return n_lacking


@summing_kernel
def _all_finite(values: Floats) -> bool:
    """Tell whether there is no NaN and no infinity."""
    zero = 0.0
    for k in range(values.size):
        zero += 0.0 * values[k]
    return zero == 0.0


@kernel
def _squares_about_mean(items: Floats, k: int) -> tuple[float, float]:
    """Count the items that have a voxel, and sum their squares about their mean."""
    count = 0.0
    total = 0.0
    for i in range(items.shape[0]):
        if math.isfinite(items[i, k]):
            count += 1.0
            total += items[i, k]
    mean = total / count
    squares = 0.0
    for i in range(items.shape[0]):
        if math.isfinite(items[i, k]):
            squares += (items[i, k] - mean) ** 2
    return count, squares


@kernel
def _inverse_variances(items: Floats, inverse: Floats) -> None:
    """Inverse variance (ddof 1) of each voxel over the items that have it. O(items voxels).

    Voxels whose squares leave the range of numbers are first divided by a power of two.
    """
    for k in range(inverse.size):
        count, squares = _squares_about_mean(items, k)
        if not LEAST < squares < MOST:
            exponent = math.frexp(largest_of(items[:, k]))[1]
            for i in range(items.shape[0]):
                items[i, k] = math.ldexp(items[i, k], -exponent)
            count, squares = _squares_about_mean(items, k)
        inverse[k] = (count - 1.0) / squares


@kernel
def _pair_lacking(
    metric: PairDistances, a: Floats, b: Floats, w: Floats, n_seen: int, pair: Floats
) -> float:
    """Distance over the voxels that both patterns have, scaled up. O(voxels).

    pair: room for three numbers a voxel, and four more for the distance.
    """
    size = a.size
    n = 0
    for k in range(size):
        if math.isfinite(a[k]) and math.isfinite(b[k]):
            pair[n] = a[k]
            pair[size + n] = b[k]
            pair[2 * size + n] = w[k]
            n += 1
    if n == 0:
        return math.nan
    first, second, spare = pair[:n], pair[size : size + n], pair[3 * size :]
    of_first = math.nan
    of_second = math.nan
    if metric.code == JENSENSHANNON:
        if not (to_distribution(first) and to_distribution(second)):
            return math.nan
        of_first = information(first, spare)
        of_second = information(second, spare)
    own_w = pair[2 * size : 2 * size + n]
    value = distance(metric.code, first, second, own_w, metric.power, (of_first, of_second), spare)
    return float(value * (n_seen / n) ** metric.upscale_power)


@kernel
def count_seen(items: Floats) -> int:
    """Count voxels that at least one item has."""
    n_items, n = items.shape
    count = 0
    for k in range(n):
        for i in range(n_items):
            if math.isfinite(items[i, k]):
                count += 1
                break
    return count


@kernel
def find_complete(items: Floats, complete: NDArray[np.bool_]) -> None:
    """Mark items that lack no voxel that any item has. O(items voxels)."""
    n_items, n = items.shape
    complete[:] = True
    for k in range(n):
        seen = False
        for i in range(n_items):
            seen = seen or math.isfinite(items[i, k])
        if seen:
            for i in range(n_items):
                complete[i] = complete[i] and math.isfinite(items[i, k])


@kernel
def _fill(
    metric: PairDistances, patterns: NDArray[np.floating[Any]], patches: PatchLists, rdms: Floats
) -> None:
    """Fill the RDM of each patch. O(items^2 voxels) a patch."""
    n_items, starts = patterns.shape[1], patches.starts
    largest = 1
    for c in range(rdms.shape[0]):
        largest = max(largest, starts[c + 1] - starts[c])
    room = np.empty(n_items * largest)
    own_weights = np.empty(largest)
    pair = np.empty(8 * largest + n_items)
    finite = np.empty(n_items, np.bool_)
    for c in range(rdms.shape[0]):
        rows = patches.members[starts[c] : starts[c + 1]]
        rdm = rdms[c]
        rdm[:] = math.nan
        if rows.size < patches.min_voxels:
            continue
        items = room[: n_items * rows.size].reshape(n_items, rows.size)
        n_lacking = gather(patterns, rows, items, finite)
        if n_lacking > 0 and not patches.ignore_nan:
            continue
        w = own_weights[: rows.size]
        for k in range(rows.size):
            w[k] = metric.weights[rows[k]]
        if metric.estimate_variances:
            _inverse_variances(items, w)
        _fill_one(metric, items, finite, n_lacking, w, pair, rdm)


@kernel
def _fill_one(
    metric: PairDistances,
    items: Floats,
    finite: NDArray[np.bool_],
    n_lacking: int,
    w: Floats,
    room: Floats,
    rdm: Floats,
) -> None:
    """Fill the RDM of one patch; all NaN when a pair that lacks nothing is undefined.

    room: for eight numbers a voxel, and one for each item.
    """
    n_items, n = items.shape
    informations, pair = room[:n_items], room[n_items:]
    n_seen = count_seen(items) if n_lacking else n
    has_all = finite
    if n_lacking:
        has_all = np.empty(n_items, np.bool_)
        find_complete(items, has_all)
    if metric.code == JENSENSHANNON:
        for i in range(n_items):
            if finite[i]:
                defined = to_distribution(items[i])
                informations[i] = information(items[i], pair) if defined else math.nan
    cell = 0
    for i in range(n_items - 1):
        for j in range(i + 1, n_items):
            if finite[i] and finite[j]:
                of = informations[i], informations[j]
                value = distance(metric.code, items[i], items[j], w, metric.power, of, pair)
            else:
                value = _pair_lacking(metric, items[i], items[j], w, n_seen, pair)
            if math.isfinite(value):
                rdm[cell] = value
            elif has_all[i] and has_all[j]:
                rdm[:] = math.nan
                return
            cell += 1
