"""Correlation and cosine distances along rows of the grid; see `pushing`."""

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
from bids_rsa.core.dissimilarity.rows import cell_before
from bids_rsa.core.dissimilarity.sampling import sample
from bids_rsa.core.dissimilarity.slabs import Slabs, count_voxels, pack_positions
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.push_cells import edge_correlations, inner_correlations
from bids_rsa.core.engine.push_norms import SUSPECT, UNFIT, find_norms
from bids_rsa.core.engine.push_tiles import (
    MOMENT_SLABS,
    add_up_parts,
    push_moments,
    push_products,
)
from bids_rsa.core.engine.vectors import WIDE, put

Floats = NDArray[np.float64]

_push_1, _push_2, _push_3 = push_products
_inner_1, _inner_2, _inner_3 = inner_correlations
_edge_1, _edge_2, _edge_3 = edge_correlations


@summing_kernel
def correlations(work: RowWork, cosine: bool) -> None:
    """Correlation (or cosine) distances: 1 - (sum x y - mean mean) / norms.

    Cost: one product per pair and column; see the module.
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
        for i in range(voxels.n_conditions):
            if cosine:
                put(slabs.shift, i, 0.0)
            put(slabs.offsets, i, slabs.shift[i] * slabs.scale[i])
        n_positions = length + near.longest - 1
        for panel in range(tiles.n_panels):
            center = begin
            for first in range(0, n_positions, slabs.n_at_once):
                last = min(first + slabs.n_at_once, n_positions)
                pack_positions(voxels, near, start, length, first, last, slabs)
                after = center
                for position in range(first, last):
                    _sum_moments(near, position, first, slabs, work.pushed.moments)
                    place = position - near.longest + 1
                    if place == block.positions[after] - start:
                        mine = (after - center) * slabs.n_slabs * WIDE
                        _find_norms(work, after, place, mine, cosine)
                        after += 1
                stretch = Stretch(start, first, last, center, after)
                for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
                    _correlate(work, stretch, tile)
                center = after
        mark_undefined(block, begin, end, voxels.n_conditions)


@kernel_part
def _correlate(work: RowWork, stretch: Stretch, tile: int) -> None:
    """Go along the packed positions with one tile; write the cells of each complete centre."""
    near, block, complete = work.near, work.block, stretch.center
    for position in range(stretch.first, stretch.last):
        _push(work, tile, position, position - stretch.first)
        place = position - near.longest + 1
        if complete < stretch.after and place == block.positions[complete] - stretch.start:
            _write_cells(work, tile, place, complete, complete - stretch.center)
            complete += 1


@kernel_part
def _push(work: RowWork, tile: int, position: int, packed_at: int) -> None:
    """Sum products of one position, and add them to the pending centres."""
    near, tiles, slabs, sums = work.near, work.tiles, work.slabs, work.pushed.sums
    at, row = position * (near.n_groups + 1), packed_at * near.n_groups * slabs.reach
    x, y = tiles.of[4 * tile] * slabs.slab, tiles.of[4 * tile + 1] * slabs.slab
    n_y, base = tiles.of[4 * tile + 2], tiles.of[4 * tile + 3]
    if n_y == 3:
        _push_3(
            slabs.packed, x, y, slabs.slab, slabs.bounds, at, near.n_groups, slabs.pending, row,
            slabs.reach, sums, base,
        )  # fmt: skip
    elif n_y == 2:
        _push_2(
            slabs.packed, x, y, slabs.slab, slabs.bounds, at, near.n_groups, slabs.pending, row,
            slabs.reach, sums, base,
        )  # fmt: skip
    else:
        _push_1(
            slabs.packed, x, y, slabs.slab, slabs.bounds, at, near.n_groups, slabs.pending, row,
            slabs.reach, sums, base,
        )  # fmt: skip


@kernel_part
def _write_cells(work: RowWork, tile: int, place: int, center: int, mine: int) -> None:
    """Write a tile's cells of one centre, which is number ``mine`` of those with norms."""
    tiles, pushed, rdms = work.tiles, work.pushed, work.block.rdms
    n, norms = work.voxels.n_conditions, mine * work.slabs.n_slabs * WIDE
    i, j, n_y = tiles.of[4 * tile] * WIDE, tiles.of[4 * tile + 1] * WIDE, tiles.of[4 * tile + 2]
    at = find_parts(work.near, place, tiles.of[4 * tile + 3], n_y * WIDE * WIDE, tiles.room)
    rows = (center * (n * (n - 1) // 2) + cell_before(i, n) + j, n - i, 1)
    if i < j and j + n_y * WIDE <= n:
        if n_y == 3:
            _inner_3(pushed.sums, at, rdms, rows, pushed.means, pushed.inverses, norms, i, j, n)
        elif n_y == 2:
            _inner_2(pushed.sums, at, rdms, rows, pushed.means, pushed.inverses, norms, i, j, n)
        else:
            _inner_1(pushed.sums, at, rdms, rows, pushed.means, pushed.inverses, norms, i, j, n)
    elif n_y == 3:
        _edge_3(pushed.sums, at, rdms, rows, pushed.means, pushed.inverses, norms, i, j, n)
    elif n_y == 2:
        _edge_2(pushed.sums, at, rdms, rows, pushed.means, pushed.inverses, norms, i, j, n)
    else:
        _edge_1(pushed.sums, at, rdms, rows, pushed.means, pushed.inverses, norms, i, j, n)


@kernel_part
def _sum_moments(
    near: SphereColumns, position: int, first: int, slabs: Slabs, moments: Floats
) -> None:
    """Add the sums and sums of squares of one position to the pending centres."""
    at, row = position * (near.n_groups + 1), (position - first) * near.n_groups * slabs.reach
    for k in range(0, slabs.n_slabs, MOMENT_SLABS):
        push_moments(
            slabs.packed, k * slabs.slab, k * slabs.slab, slabs.slab, slabs.bounds, at,
            near.n_groups, slabs.pending, row, slabs.reach, moments,
            k * (near.longest + near.n_own) * 2 * WIDE,
        )  # fmt: skip


@kernel_part
def _find_norms(work: RowWork, center: int, place: int, mine: int, cosine: bool) -> None:
    """Means times the root of the size, and inverse norms, of each condition at a centre.

    They go to ``mine`` and on. Marks the centre where a pattern's spread is small beside its mean,
    or next to nothing, and where it is undefined: its size becomes negative.
    """
    near, block, slabs, pushed = work.near, work.block, work.slabs, work.pushed
    size, n_bad = count_voxels(near, slabs, place)
    root, per_slot = 1.0 / np.sqrt(max(size, 1)), 2 * MOMENT_SLABS * WIDE
    found = 0
    for slab in range(slabs.n_slabs):
        tile = slab // MOMENT_SLABS * (near.n_own + near.longest) * per_slot
        at = tile + place % near.n_own * per_slot
        if slab % MOMENT_SLABS == 0:
            parts = find_parts(near, place, tile, per_slot, pushed.n_moments)
            add_up_parts(pushed.moments, parts, at, 2 * MOMENT_SLABS)
        found |= find_norms(
            pushed.moments, at + slab % MOMENT_SLABS * 2 * WIDE, 0.0 if cosine else root,
            float(size), slabs.offsets, slab, work.voxels.n_conditions, pushed.means,
            pushed.inverses, mine,
        )  # fmt: skip
    undefined = size + n_bad < block.min_voxels or n_bad > 0 or (cosine and found & UNFIT > 0)
    suspect = not cosine and not undefined and found & SUSPECT > 0
    put(block.suspects, center, suspect)
    put(block.sizes, center, -1 - size - n_bad if undefined else size + n_bad)
