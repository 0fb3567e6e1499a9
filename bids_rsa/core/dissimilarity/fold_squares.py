"""Unbiased distances of patches given as lists, by tiles of squares, also where folds lack voxels.

The products of two folds' differences d_f d_g, each times the voxels seen over those that both
folds have, are a quadratic form of the folds at each voxel, where a missing voxel is 0. It is a sum
of squares of linear combinations of folds, some of them subtracted; the combinations are the lines
of the tiles. Folds that lack nothing need no combination but their sum: their products are
(sum d)^2 - sum d^2.
"""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.missing_products import fill_by_pairs
from bids_rsa.core.dissimilarity.pair_distances import PatchLists
from bids_rsa.core.dissimilarity.pushing import cut_into_push_tiles
from bids_rsa.core.dissimilarity.quadratic import FoldForm, decompose, room_for_form
from bids_rsa.core.dissimilarity.ranges import divide_by_power
from bids_rsa.core.dissimilarity.rows import cell_before
from bids_rsa.core.dissimilarity.slabs import count_slabs
from bids_rsa.core.engine.fold_tiles import combine_folds
from bids_rsa.core.engine.jit import kernel, kernel_part, summing_kernel
from bids_rsa.core.engine.push_cells import finish_folds, store_cells
from bids_rsa.core.engine.push_tiles import add_lines, push_squares
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import WIDE, pointer_to, prefetch, put

if TYPE_CHECKING:
    from bids_rsa.core.dissimilarity.missing_folds import MissingFolds

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Patterns = NDArray[np.floating[Any]]

_AT_ONCE = 64  # voxels whose lines are packed at a time
_AHEAD = 4  # voxels that are fetched into the cache beforehand
_APART = 8 * WIDE  # slabs a power of two apart would share few places of the cache
# share of the sum of absolute values that voxels of one scale have
_ALIKE = 1e-60
_MOST_SCALED = 850  # exponent, which roots of weights may be multiplied by
# sums of absolute values for which no square leaves the range of numbers
_SAFE = 1e-100, 1e100

_push_1, _push_2, _push_3 = push_squares
_store_1, _store_2, _store_3 = store_cells


class _Room(NamedTuple):
    """Lines of some voxels, and sums of squares of all pairs of conditions.

    Attributes
    ----------
    added, taken : (n_slabs * slab,) float64
        Lines whose squares are added, and subtracted.
    sums, own : (n_sums,) float64
        Of the squares of both.
    tiles : (4 * n_tiles,) int64
        Slab of the rows, first slab of the columns, slabs of columns, place of the sums.
    values : (n_folds, n_slabs * WIDE) float64
        Differences of one voxel from what its conditions share.
    bounds, pending : (2,), (3,) int64
        First line, and the one after the last; which sums they enter.
    scale : (1,) float64
        Power of two that differences are multiplied by.
    slab : int
    """

    added: Floats
    taken: Floats
    sums: Floats
    own: Floats
    tiles: Integers
    values: Floats
    bounds: Integers
    pending: Integers
    scale: Floats
    slab: int


def fill_folds(
    metric: "MissingFolds", patterns: Patterns, patches: PatchLists, rdms: Floats
) -> None:
    """Fill RDMs (n_patches, n_cells) of patterns (n_voxels, n_folds, n_items); NaN if undefined."""
    n_folds, n_items = patterns.shape[1:]
    n_slabs = count_slabs(n_items)
    slab = _AT_ONCE * n_folds * WIDE + _APART
    tiles = cut_into_push_tiles(n_items, 1, squares=True).of
    sizes = tiles[2::4] * WIDE * WIDE
    tiles[3::4] = np.cumsum(sizes) - sizes
    room = _Room(
        make_room(n_slabs * slab), make_room(n_slabs * slab), make_room(int(sizes.sum())),
        make_room(int(sizes.sum())), tiles, np.zeros((n_folds, n_slabs * WIDE)),
        np.zeros(2, dtype=np.int64), np.zeros(3, dtype=np.int64), np.ones(1), slab,
    )  # fmt: skip
    largest = int(np.diff(patches.starts).max(initial=1))
    has = np.zeros((n_folds, largest), dtype=np.bool_)
    _fill(metric, patterns, patches, (room, room_for_form(n_folds), has), rdms)


@kernel
def _fill(
    metric: "MissingFolds",
    patterns: Patterns,
    patches: PatchLists,
    rooms: tuple[_Room, FoldForm, Flags],
    rdms: Floats,
) -> None:
    """See `fill_folds`. O(folds items^2 voxels) a patch."""
    room, form, all_has = rooms
    flat = patterns.reshape(patterns.size)
    for c in range(rdms.shape[0]):
        rows = patches.members[patches.starts[c] : patches.starts[c + 1]]
        rdms[c, :] = math.nan
        if rows.size < patches.min_voxels:
            continue
        has = all_has[:, : rows.size]
        sizes, lacks, in_part = _find_missing(flat, rows, has, patterns.shape[2])
        if lacks and not patches.ignore_nan:
            continue
        weights = metric.weights[rows]
        exponent, alike = _common_scale(sizes)
        careful = not alike or not _all_in_range(weights) or _has_uneven(metric.uneven, rows)
        if in_part or careful:
            fill_by_pairs(metric, patterns, rows, rdms[c])
            continue
        n_seen, n_pairs = decompose(has, form)
        if n_pairs > 0:
            room.scale[0] = math.ldexp(1.0, -exponent)
            _sum_squares(flat, metric, rows, has, room, form, patterns.shape[2])
            share = 0.5 / (n_pairs * (max(n_seen, 1) if metric.per_voxel else 1))
            lost = _write_cells(room, rdms[c], patterns.shape[2], share, metric.signed_root)
            divide_by_power(rdms[c], -exponent * (1 if metric.signed_root else 2))
            if lost or exponent != 0:
                _undefine(rdms[c], lacks)


@kernel
def _common_scale(sizes: tuple[float, float]) -> tuple[int, bool]:
    """Return the exponent by which squares get into the range of numbers, and whether it exists.

    From the sum of absolute values, and the least sum of those of a voxel and fold.
    """
    if _SAFE[0] < sizes[0] < _SAFE[1]:
        return 0, True
    exponent = math.frexp(sizes[0])[1]
    return min(max(exponent, -_MOST_SCALED), _MOST_SCALED), sizes[1] > _ALIKE * sizes[0]


@kernel
def _has_uneven(uneven: NDArray[np.uint8], rows: Integers) -> bool:
    """Tell whether a voxel has an uneven fold; see `care.find_shared`."""
    found = 0
    for k in range(rows.size):
        found += uneven[rows[k]]
    return found > 0


@kernel
def _all_in_range(weights: Floats) -> bool:
    """Tell whether weights times squares stay in the range of numbers."""
    outside = 0
    for k in range(weights.size):
        outside += not (weights[k] == 0.0 or _SAFE[0] < weights[k] < _SAFE[1])
    return outside == 0


@summing_kernel
def _find_missing(
    flat: Patterns, rows: Integers, has: Flags, n: int
) -> tuple[tuple[float, float], bool, bool]:
    """Find which folds have which voxels, of flat patterns with n items.

    Returns the sum of absolute values, and the least of a voxel and fold that is not 0; whether a
    value is missing; and whether some conditions lack a voxel in a fold, and others do not.
    """
    values, n_folds = pointer_to(flat), has.shape[0]
    size = 0.0
    least = math.inf
    lacks, in_part = False, False
    for k in range(rows.size):
        later = rows[min(k + _AHEAD, rows.size - 1)]
        prefetch(values, later * n_folds * n, n_folds * n)
        for f in range(n_folds):
            start = (rows[k] * n_folds + f) * n
            own = 0.0
            for i in range(n):
                own += abs(np.float64(values[start + i]))
            has[f, k] = own < math.inf
            if has[f, k]:
                size += own
                least = own if 0.0 < own < least else least
            else:
                lacks = True
                for i in range(n):
                    in_part = in_part or math.isfinite(values[start + i])
    return (size, least), lacks, in_part


@kernel
def _undefine(rdm: Floats, lacks: bool) -> None:
    """Set cells that are not finite to NaN; all, where there is one and no voxel is missing."""
    lost = False
    for cell in range(rdm.size):
        if not math.isfinite(rdm[cell]):
            rdm[cell] = math.nan
            lost = True
    if lost and not lacks:
        rdm[:] = math.nan


@summing_kernel
def _sum_squares(
    flat: Patterns, metric: "MissingFolds", rows: Integers, has: Flags, room: _Room,
    form: FoldForm, n: int,
) -> None:  # fmt: skip
    """Add up the squares of differences of all lines of a patch, some voxels at a time."""
    n_folds, width, values = has.shape[0], room.values.shape[1], pointer_to(room.values)
    patterns = pointer_to(flat)
    room.sums[:] = 0.0
    room.own[:] = 0.0
    room.pending[0], room.pending[1], room.pending[2] = 0, 1, 0
    for first in range(0, rows.size, _AT_ONCE):
        last = min(first + _AT_ONCE, rows.size)
        for k in range(first, last):
            root = math.sqrt(metric.weights[rows[k]]) * room.scale[0]
            for f in range(n_folds):
                own, at = root if has[f, k] else 0.0, rows[k] * n_folds + f
                _take_differences(patterns, at * n, n, metric.shared[at], own, values, f * width)
            _write_lines(room, form, k - first)
        _add_squares(room.added, (last - first) * form.counts[0], room.sums, room)
        _add_squares(room.taken, (last - first) * form.counts[1], room.own, room)


@kernel_part
def _take_differences(
    patterns: Patterns, start: int, n: int, shared: float, root: float, values: Floats, target: int
) -> None:
    """Write differences from a shared value times a root; 0 where that is 0."""
    for i in range(n):
        difference = np.float64(patterns[start + i]) - shared
        put(values, target + i, difference * root if root > 0.0 else 0.0)


@kernel_part
def _write_lines(room: _Room, form: FoldForm, voxel: int) -> None:
    """Write the combinations of folds at a voxel as lines, and folds by themselves."""
    n_added, n_taken, n_combined = form.counts[0], form.counts[1], form.counts[2]
    n_folds, width = form.combinations.shape[1], room.values.shape[1]
    values, shares = pointer_to(room.values), pointer_to(form.combinations)
    added, taken = pointer_to(room.added), pointer_to(room.taken)
    for first in range(0, width, WIDE):
        to = first // WIDE * room.slab
        for k in range(n_added):
            target = to + (voxel * n_added + k) * WIDE
            combine_folds(values, first, width, n_folds, shares, k * n_folds, added, target)
        for k in range(n_added, n_combined):
            target = to + (voxel * n_taken + k - n_added) * WIDE
            combine_folds(values, first, width, n_folds, shares, k * n_folds, taken, target)
        n_before = n_combined - n_added
        for k in range(n_before, n_taken):
            target = to + (voxel * n_taken + k) * WIDE
            add_lines(values, form.alone[k - n_before] * width + first, 1, taken, target)


@kernel_part
def _add_squares(packed: Floats, n_lines: int, sums: Floats, room: _Room) -> None:
    """Add the squares of the lines to the sums of each tile."""
    room.bounds[1] = n_lines
    lines, pending, slab = pointer_to(room.bounds), pointer_to(room.pending), room.slab
    values, totals = pointer_to(packed), pointer_to(sums)
    for tile in range(room.tiles.size // 4):
        x, y = room.tiles[4 * tile] * slab, room.tiles[4 * tile + 1] * slab
        n_y, base = room.tiles[4 * tile + 2], room.tiles[4 * tile + 3]
        if n_y == 3:
            _push_3(values, x, y, slab, lines, 0, 1, pending, 0, 3, totals, base)
        elif n_y == 2:
            _push_2(values, x, y, slab, lines, 0, 1, pending, 0, 3, totals, base)
        else:
            _push_1(values, x, y, slab, lines, 0, 1, pending, 0, 3, totals, base)


@kernel
def _write_cells(room: _Room, rdm: Floats, n: int, share: float, rooted: bool) -> bool:
    """Write the RDM; tell whether a cell is not finite."""
    sums, own, cells = pointer_to(room.sums), pointer_to(room.own), pointer_to(rdm)
    lost = False
    for tile in range(room.tiles.size // 4):
        i, j = room.tiles[4 * tile] * WIDE, room.tiles[4 * tile + 1] * WIDE
        n_y, at = room.tiles[4 * tile + 2], room.tiles[4 * tile + 3]
        finish_folds(sums, own, at, n_y * WIDE, share, rooted, 1.0)
        rows = (cell_before(i, n) + j, n - i, 1)
        if n_y == 3:
            lost |= _store_3(sums, at, cells, rows, i, j, n)
        elif n_y == 2:
            lost |= _store_2(sums, at, cells, rows, i, j, n)
        else:
            lost |= _store_1(sums, at, cells, rows, i, j, n)
    return lost
