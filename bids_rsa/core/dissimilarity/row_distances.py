"""(Squared) Euclidean distances along rows of the grid, also cross-validated; see `pushing`."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import SphereColumns
from bids_rsa.core.dissimilarity.pushing import (
    RowWork,
    Stretch,
    find_parts,
    mark_undefined,
    work_pointers,
)
from bids_rsa.core.dissimilarity.rows import Block, cell_before
from bids_rsa.core.dissimilarity.sampling import sample
from bids_rsa.core.dissimilarity.slabs import Slabs, count_voxels, pack_positions
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.push_cells import finish_folds, finish_squares, store_cells
from bids_rsa.core.engine.push_tiles import add_up_parts, push_squares
from bids_rsa.core.engine.vectors import WIDE, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_push_1, _push_2, _push_3 = push_squares
_store_1, _store_2, _store_3 = store_cells


class _Lines(NamedTuple):
    """Packed patterns, or those of the folds, and the sums that they are added to."""

    values: Floats
    slab: int
    bounds: Integers
    sums: Floats


@summing_kernel
def distances(work: RowWork, rooted: bool) -> None:
    """(Squared) Euclidean distances of all pairs, cross-validated where there are several folds.

    The products of the differences d_f of different folds add up to (sum d_f)^2 - sum d_f^2, so
    that F + 1 squares per voxel do for F (F - 1) / 2 products.
    """
    work = work_pointers(work)
    voxels, near, block, tiles, slabs = (
        work.voxels, work.near, work.block, work.tiles, work.slabs,
    )  # fmt: skip
    for segment in range(block.n_segments):
        begin, end = block.segments[2 * segment], block.segments[2 * segment + 1]
        start = block.positions[begin]
        length = block.positions[end - 1] - start + 1
        sample(voxels, near, start, length, 1, slabs.shift, slabs.scale)
        unit = _take_one_scale(slabs, voxels.n_conditions)
        for panel in range(tiles.n_panels):
            center = begin
            for first in range(0, length + near.longest - 1, slabs.n_at_once):
                last = min(first + slabs.n_at_once, length + near.longest - 1)
                pack_positions(voxels, near, start, length, first, last, slabs)
                stretch = Stretch(start, first, last, center, end)
                after = center
                for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
                    after = _measure(work, stretch, tile, rooted, unit)
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
def _measure(work: RowWork, stretch: Stretch, tile: int, rooted: bool, unit: float) -> int:
    """Go along the packed positions with one tile; return the first centre that is incomplete."""
    near, block, slabs, pushed = work.near, work.block, work.slabs, work.pushed
    whole = _Lines(slabs.packed, slabs.slab, slabs.bounds, pushed.sums)
    folds = _Lines(slabs.folds, slabs.fold_slab, slabs.fold_bounds, pushed.own)
    center = stretch.center
    for position in range(stretch.first, stretch.last):
        if work.voxels.n_folds > 1:
            _push(work, folds, tile, position, position - stretch.first)
        _push(work, whole, tile, position, position - stretch.first)
        place = position - near.longest + 1
        if center < stretch.after and place == block.positions[center] - stretch.start:
            if _write_cells(work, tile, place, center, rooted, unit):
                put(block.suspects, center, 1)
            center += 1
    return center


@kernel_part
def _push(work: RowWork, lines: _Lines, tile: int, position: int, packed_at: int) -> None:
    """Sum squared differences of one position, and add them to the pending centres."""
    values, slab, bounds, sums = lines
    of, pending, reach, n_groups = (
        work.tiles.of, work.slabs.pending, work.slabs.reach, work.near.n_groups,
    )  # fmt: skip
    at, row = position * (n_groups + 1), packed_at * n_groups * reach
    x, y, n_y, base = (
        of[4 * tile] * slab,
        of[4 * tile + 1] * slab,
        of[4 * tile + 2],
        of[4 * tile + 3],
    )
    if n_y == 3:
        _push_3(values, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)
    elif n_y == 2:
        _push_2(values, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)
    else:
        _push_1(values, x, y, slab, bounds, at, n_groups, pending, row, reach, sums, base)


@kernel_part
def _write_cells(
    work: RowWork, tile: int, place: int, center: int, rooted: bool, unit: float
) -> bool:
    """Write a tile's cells of one centre; tell whether one is not finite."""
    voxels, tiles, pushed, rdms = work.voxels, work.tiles, work.pushed, work.block.rdms
    n, n_folds, n_y = voxels.n_conditions, voxels.n_folds, tiles.of[4 * tile + 2]
    i, j = tiles.of[4 * tile] * WIDE, tiles.of[4 * tile + 1] * WIDE
    near, base, size = work.near, tiles.of[4 * tile + 3], n_y * WIDE * WIDE
    parts = find_parts(near, place, base, size, tiles.room)
    at = base + place % near.n_own * size
    factor = unit if rooted else unit * unit
    add_up_parts(pushed.sums, parts, at, n_y * WIDE)
    if n_folds > 1:
        share = 1.0 / (n_folds * (n_folds - 1))
        add_up_parts(pushed.own, parts, at, n_y * WIDE)
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
