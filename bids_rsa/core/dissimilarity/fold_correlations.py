"""Cross-validated correlation and cosine distances along rows of the grid.

For each fold, the products of the training patterns (the sums of all other folds; the mean would
only divide by a number that cancels) with the test patterns are added to the pending centres, as
those of patterns are in `pushing`. Voxels may have weights.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.fold_slabs import (
    FoldSlabs,
    find_offsets,
    fold_slab_pointers,
    pack_fold_positions,
)
from bids_rsa.core.dissimilarity.packing import (
    SphereColumns,
    Voxels,
    column_pointers,
    voxel_pointers,
)
from bids_rsa.core.dissimilarity.pushing import (
    Pushed,
    PushTiles,
    Stretch,
    mark_undefined,
    push_tile_pointers,
    pushed_pointers,
)
from bids_rsa.core.dissimilarity.rows import Block, block_pointers, cell_before
from bids_rsa.core.dissimilarity.sampling import sample
from bids_rsa.core.dissimilarity.slabs import count_voxels
from bids_rsa.core.engine.fold_tiles import push_weighted_moments, subtract_products
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.push_cells import finish_squares, store_cells
from bids_rsa.core.engine.push_norms import SUSPECT, UNFIT, find_norms
from bids_rsa.core.engine.push_tiles import MOMENT_SLABS, push_moments, push_products
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import WIDE, put

Floats = NDArray[np.float64]

_push_1, _push_2, _push_3 = push_products
_subtract_1, _subtract_2, _subtract_3 = subtract_products
_store_1, _store_2, _store_3 = store_cells


class FoldWork(NamedTuple):
    """What the kernel reads and writes along the rows of a block.

    ``tiles`` have room for each fold and direction; ``pushed.own`` are the cells of a tile, of the
    centres that are complete.
    """

    voxels: Voxels
    near: SphereColumns
    block: Block
    tiles: PushTiles
    slabs: FoldSlabs
    pushed: Pushed


def room_for_fold_sums(near: SphereColumns, tiles: PushTiles, slabs: FoldSlabs) -> Pushed:
    """Make room for the centres that are pending at a time."""
    n_moments = -(-slabs.n_all // MOMENT_SLABS) * near.longest * 2 * MOMENT_SLABS * WIDE
    n_cells = slabs.n_at_once * int(tiles.of[2::4].max()) * WIDE * WIDE
    n_values = slabs.n_at_once * slabs.n_all * WIDE
    return Pushed(
        make_room(tiles.room), make_room(n_cells), make_room(n_moments), n_moments,
        make_room(n_values), make_room(n_values),
    )  # fmt: skip


@summing_kernel
def fold_correlations(work: FoldWork, cosine: bool) -> None:
    """Cross-validated correlation (or cosine) distances: 1 - mean of train x test / norms.

    Cost: 2 products per fold, pair and column.
    """
    work = _work_pointers(work)
    voxels, near, block, tiles, slabs = (
        work.voxels, work.near, work.block, work.tiles, work.slabs,
    )  # fmt: skip
    for segment in range(block.n_segments):
        begin, end = block.segments[2 * segment], block.segments[2 * segment + 1]
        start = block.positions[begin]
        length = block.positions[end - 1] - start + 1
        sample(voxels, near, start, length, voxels.n_folds, slabs.shift, slabs.scale)
        find_offsets(voxels.n_folds, slabs, cosine)
        n_positions = length + near.longest - 1
        for panel in range(tiles.n_panels):
            center = begin
            for first in range(0, n_positions, slabs.n_at_once):
                last = min(first + slabs.n_at_once, n_positions)
                pack_fold_positions(voxels, near, start, length, first, last, slabs)
                after = center
                for position in range(first, last):
                    _sum_moments(work, position, first)
                    place = position - near.longest + 1
                    if place == block.positions[after] - start:
                        _find_norms(work, after, place, after - center, cosine)
                        after += 1
                stretch = Stretch(start, first, last, center, after)
                for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
                    _correlate(work, stretch, tile)
                center = after
        mark_undefined(block, begin, end, voxels.n_conditions)


@kernel_part
def _work_pointers(work: FoldWork) -> FoldWork:
    """Return the same by pointers."""
    return FoldWork(
        voxel_pointers(work.voxels), column_pointers(work.near), block_pointers(work.block),
        push_tile_pointers(work.tiles), fold_slab_pointers(work.slabs),
        pushed_pointers(work.pushed),
    )  # fmt: skip


@kernel_part
def _sum_moments(work: FoldWork, position: int, first: int) -> None:
    """Add the (weighted) sums and the sums of squares of one position to the pending centres."""
    near, slabs, moments = work.near, work.slabs, work.pushed.moments
    at, row = position * (near.n_groups + 1), (position - first) * near.n_groups * slabs.reach
    roots = (slabs.n_all - 1) * slabs.slab
    for k in range(0, slabs.n_all, MOMENT_SLABS):
        y, base = k * slabs.slab, k * near.longest * 2 * WIDE
        if slabs.weighted:
            push_weighted_moments(
                slabs.packed, roots, y, slabs.slab, slabs.bounds, at, near.n_groups,
                slabs.pending, row, slabs.reach, moments, base,
            )  # fmt: skip
        else:
            push_moments(
                slabs.packed, y, y, slabs.slab, slabs.bounds, at, near.n_groups, slabs.pending,
                row, slabs.reach, moments, base,
            )  # fmt: skip


@kernel_part
def _find_norms(work: FoldWork, center: int, place: int, mine: int, cosine: bool) -> None:
    """Means times the root of the weight, and inverse norms, of each pattern at a centre.

    They belong to number ``mine`` of the complete centres, which are marked as in
    `row_correlations`.
    """
    near, block, slabs, pushed = work.near, work.block, work.slabs, work.pushed
    n, n_slabs = work.voxels.n_conditions, slabs.n_slabs
    size, n_bad = count_voxels(near, slabs, place)
    slot, weight = place % near.longest, float(size)
    if slabs.weighted:
        weight = pushed.moments[_moment_at(near, slabs.n_all - 1, slot)]
    root = 1.0 / np.sqrt(weight) if weight > 0.0 and not cosine else 0.0
    found = 0
    for slab in range(2 * n_slabs * work.voxels.n_folds):
        found |= find_norms(
            pushed.moments, _moment_at(near, slab, slot), root, weight, slabs.offsets, slab,
            n + slab // n_slabs * n_slabs * WIDE, pushed.means, pushed.inverses,
            mine * slabs.n_all * WIDE,
        )  # fmt: skip
    undefined = size + n_bad < block.min_voxels or n_bad > 0 or (cosine and found & UNFIT > 0)
    put(block.suspects, center, not undefined and found & SUSPECT > 0)
    put(block.sizes, center, -1 - size - n_bad if undefined else size + n_bad)


@kernel_part
def _moment_at(near: SphereColumns, slab: int, slot: int) -> int:
    """Return where the sums of a slab's conditions stand, and WIDE on those of their squares."""
    tile = slab // MOMENT_SLABS * near.longest + slot
    return (tile * MOMENT_SLABS + slab % MOMENT_SLABS) * 2 * WIDE


@kernel_part
def _correlate(work: FoldWork, stretch: Stretch, tile: int) -> None:
    """Go along the packed positions with one tile, fold by fold; write the complete cells."""
    tiles, voxels = work.tiles, work.voxels
    i, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 2]
    on_diagonal = tiles.of[4 * tile + 1] == i
    n_rows, n_terms = (stretch.after - stretch.center) * WIDE, 2.0 * voxels.n_folds
    _start_cells(work.pushed.own, n_rows, n_y, n_terms, on_diagonal)
    for turn in range(2 * voxels.n_folds):
        # the second direction of pairs within a slab is below the diagonal of the first
        skipped = 1 if on_diagonal and turn % 2 == 1 else 0
        if n_y > skipped:
            _add_products(work, stretch, tile, turn, skipped)
    for center in range(stretch.center, stretch.after):
        _write_cells(work, tile, center, center - stretch.center)


@kernel_part
def _start_cells(cells: Floats, n_rows: int, n_y: int, n_terms: float, on_diagonal: bool) -> None:
    """Let cells be the number of terms, or half of it where two of them become one."""
    for row in range(n_rows):
        for k in range(n_y * WIDE):
            half = on_diagonal and k < WIDE
            put(cells, row * n_y * WIDE + k, 0.5 * n_terms if half else n_terms)


@kernel_part
def _add_products(work: FoldWork, stretch: Stretch, tile: int, turn: int, skipped: int) -> None:
    """Sum one fold's products in one direction, and subtract them from the complete cells."""
    near, block, tiles, slabs, pushed = work.near, work.block, work.tiles, work.slabs, work.pushed
    i, j = tiles.of[4 * tile], tiles.of[4 * tile + 1] + skipped
    whole = tiles.of[4 * tile + 2]
    n_y = whole - skipped
    x, y = turn * slabs.n_slabs + i, (turn + 1 - 2 * (turn % 2)) * slabs.n_slabs + j
    base = tiles.of[4 * tile + 3] + turn * near.longest * whole * WIDE * WIDE
    complete = stretch.center
    for position in range(stretch.first, stretch.last):
        _push(work, x, y, n_y, position, position - stretch.first, base)
        place = position - near.longest + 1
        if complete < stretch.after and place == block.positions[complete] - stretch.start:
            at = base + place % near.longest * n_y * WIDE * WIDE
            mine = complete - stretch.center
            target = mine * WIDE * whole * WIDE + skipped * WIDE
            left, right = (mine * slabs.n_all + x) * WIDE, (mine * slabs.n_all + y) * WIDE
            _subtract(pushed, at, n_y, target, whole * WIDE, left, right)
            complete += 1


@kernel_part
def _push(
    work: FoldWork, x: int, y: int, n_y: int, position: int, packed_at: int, base: int
) -> None:
    """Sum products of two slabs at one position, and add them to the pending centres."""
    near, slabs, sums = work.near, work.slabs, work.pushed.sums
    at, row = position * (near.n_groups + 1), packed_at * near.n_groups * slabs.reach
    packed, slab, bounds, pending = slabs.packed, slabs.slab, slabs.bounds, slabs.pending
    n_groups, reach = near.n_groups, slabs.reach
    x, y = x * slab, y * slab
    if n_y == 3:
        _push_3(packed, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)
    elif n_y == 2:
        _push_2(packed, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)
    else:
        _push_1(packed, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)


@kernel_part
def _subtract(
    pushed: Pushed, at: int, n_y: int, target: int, stride: int, left: int, right: int
) -> None:
    """Subtract normalised sums from cells."""
    sums, cells, means, inverses = pushed.sums, pushed.own, pushed.means, pushed.inverses
    if n_y == 3:
        _subtract_3(sums, at, cells, target, stride, means, inverses, left, right)
    elif n_y == 2:
        _subtract_2(sums, at, cells, target, stride, means, inverses, left, right)
    else:
        _subtract_1(sums, at, cells, target, stride, means, inverses, left, right)


@kernel_part
def _write_cells(work: FoldWork, tile: int, center: int, mine: int) -> None:
    """Write a tile's cells of one centre; on the diagonal, both directions of a pair are added."""
    tiles, cells, rdms, n = work.tiles, work.pushed.own, work.block.rdms, work.voxels.n_conditions
    i, j, n_y = tiles.of[4 * tile] * WIDE, tiles.of[4 * tile + 1] * WIDE, tiles.of[4 * tile + 2]
    width = n_y * WIDE
    at = mine * WIDE * width
    if i == j:
        for a in range(WIDE):
            for b in range(a + 1, WIDE):
                above, below = at + a * width + b, at + b * width + a
                put(cells, above, cells[above] + cells[below])
    finish_squares(cells, at, n_y * WIDE, False, 0.5 / work.voxels.n_folds)
    rows = (center * (n * (n - 1) // 2) + cell_before(i, n) + j, n - i, 1)
    if n_y == 3:
        _store_3(cells, at, rdms, rows, i, j, n)
    elif n_y == 2:
        _store_2(cells, at, rdms, rows, i, j, n)
    else:
        _store_1(cells, at, rdms, rows, i, j, n)
