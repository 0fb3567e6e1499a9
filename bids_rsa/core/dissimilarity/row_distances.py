"""(Squared) Euclidean distances along rows of the grid, also cross-validated; see `pushing`."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import (
    SphereColumns,
    Voxels,
    column_pointers,
    voxel_pointers,
)
from bids_rsa.core.dissimilarity.pushing import (
    Pushed,
    PushTiles,
    mark_undefined,
    push_tile_pointers,
    pushed_pointers,
)
from bids_rsa.core.dissimilarity.rows import Block, block_pointers, cell_before
from bids_rsa.core.dissimilarity.slabs import (
    Slabs,
    count_voxels,
    pack_positions,
    sample,
    slab_pointers,
)
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.push_cells import finish_folds, finish_squares, store_cells
from bids_rsa.core.engine.push_tiles import push_squares
from bids_rsa.core.engine.vectors import WIDE, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_push_1, _push_2, _push_3 = push_squares
_store_1, _store_2, _store_3 = store_cells


@summing_kernel
def distances(
    voxels: Voxels, near: SphereColumns, block: Block, tiles: PushTiles, slabs: Slabs,
    pushed: Pushed, rooted: bool,
) -> None:  # fmt: skip
    """(Squared) Euclidean distances of all pairs, cross-validated where there are several folds.

    The products of the differences d_f of different folds add up to (sum d_f)^2 - sum d_f^2, so
    that F + 1 squares per voxel do for F (F - 1) / 2 products.
    """
    voxels, near, block = voxel_pointers(voxels), column_pointers(near), block_pointers(block)
    tiles, slabs, pushed = push_tile_pointers(tiles), slab_pointers(slabs), pushed_pointers(pushed)
    for segment in range(block.n_segments):
        begin, end = block.segments[2 * segment], block.segments[2 * segment + 1]
        start = block.positions[begin]
        length = block.positions[end - 1] - start + 1
        sample(voxels, near, start, length, slabs)
        unit = _take_one_scale(slabs, voxels.n_conditions)
        for panel in range(tiles.n_panels):
            center = begin
            for first in range(0, length + near.longest - 1, slabs.n_at_once):
                last = min(first + slabs.n_at_once, length + near.longest - 1)
                pack_positions(voxels, near, start, length, first, last, slabs)
                for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
                    after = _measure(
                        voxels, near, block, start, center, end, tiles, tile, first, last, slabs,
                        pushed, rooted, unit,
                    )  # fmt: skip
                if panel == 0:
                    for c in range(center, after):
                        _find_size(near, block, c, block.positions[c] - start, slabs)
                center = after
        for c in range(begin, end):
            if block.suspects[c] > 0:  # a cell is not finite
                put(block.suspects, c, 0)
                put(block.sizes, c, min(block.sizes[c], -1 - block.sizes[c]))
        mark_undefined(block, begin, end, voxels.n_conditions)


@kernel_part
def _take_one_scale(slabs: Slabs, n: int) -> float:
    """Scale all conditions alike, shift none; return what undoes the scale."""
    scale = slabs.scale[0]
    for i in range(n):
        scale = min(scale, slabs.scale[i])
    for i in range(n):
        put(slabs.shift, i, 0.0)
        put(slabs.scale, i, scale)
    return float(1.0 / scale)


@kernel_part
def _measure(
    voxels: Voxels, near: SphereColumns, block: Block, start: int, center: int, end: int,
    tiles: PushTiles, tile: int, first: int, last: int, slabs: Slabs, pushed: Pushed,
    rooted: bool, unit: float,
) -> int:  # fmt: skip
    """Go along the packed positions with one tile; return the first centre that is incomplete."""
    for position in range(first, last):
        at, row = position * (near.n_groups + 1), (position - first) * near.n_groups * slabs.reach
        if voxels.n_folds > 1:
            _push(
                slabs.folds, slabs.fold_slab, slabs.fold_bounds, at, near.n_groups, tiles, tile,
                slabs.pending, row, slabs.reach, pushed.own,
            )  # fmt: skip
        _push(
            slabs.packed, slabs.slab, slabs.bounds, at, near.n_groups, tiles, tile, slabs.pending,
            row, slabs.reach, pushed.sums,
        )  # fmt: skip
        place = position - near.longest + 1
        if center < end and place == block.positions[center] - start:
            slot = place % near.longest
            if _write_cells(voxels, tiles, tile, slot, center, pushed, rooted, unit, block.rdms):
                put(block.suspects, center, 1)
            center += 1
    return center


@kernel_part
def _push(
    packed: Floats, slab: int, bounds: Integers, at: int, n_groups: int, tiles: PushTiles,
    tile: int, pending: Integers, row: int, reach: int, sums: Floats,
) -> None:  # fmt: skip
    """Sum squared differences of one position, and add them to the pending centres."""
    x, y = tiles.of[4 * tile] * slab, tiles.of[4 * tile + 1] * slab
    n_y, base = tiles.of[4 * tile + 2], tiles.of[4 * tile + 3]
    if n_y == 3:
        _push_3(packed, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)
    elif n_y == 2:
        _push_2(packed, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)
    else:
        _push_1(packed, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)


@kernel_part
def _write_cells(
    voxels: Voxels, tiles: PushTiles, tile: int, slot: int, center: int, pushed: Pushed,
    rooted: bool, unit: float, rdms: Floats,
) -> bool:  # fmt: skip
    """Write a tile's cells of one centre; tell whether one is not finite."""
    n, n_folds, n_y = voxels.n_conditions, voxels.n_folds, tiles.of[4 * tile + 2]
    i, j = tiles.of[4 * tile] * WIDE, tiles.of[4 * tile + 1] * WIDE
    at = tiles.of[4 * tile + 3] + slot * n_y * WIDE * WIDE
    factor = unit if rooted else unit * unit
    if n_folds > 1:
        share = 1.0 / (n_folds * (n_folds - 1))
        finish_folds(pushed.sums, pushed.own, at, n_y * WIDE, share, rooted, factor)
    else:
        finish_squares(pushed.sums, at, n_y * WIDE, rooted, factor)
    rows = (center * (n * (n - 1) // 2) + cell_before(i, n) + j, n - i, 1)
    if n_y == 3:
        lost = _store_3(pushed.sums, at, rdms, rows, i, j, n)
    elif n_y == 2:
        lost = _store_2(pushed.sums, at, rdms, rows, i, j, n)
    else:
        lost = _store_1(pushed.sums, at, rdms, rows, i, j, n)
    return bool(lost)


@kernel_part
def _find_size(near: SphereColumns, block: Block, center: int, place: int, slabs: Slabs) -> None:
    """Count the voxels of a patch; the size becomes negative where it is undefined."""
    size, n_bad = count_voxels(near, slabs, place)
    undefined = size + n_bad < block.min_voxels or n_bad > 0
    put(block.sizes, center, -1 - size - n_bad if undefined else size + n_bad)
