"""(Squared) Euclidean distances along rows of the grid, also cross-validated; see `_rows`."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import (
    Lines,
    Neighborhood,
    Voxels,
    count_voxels,
    line_pointers,
    neighborhood_pointers,
    pack,
    sample,
    voxel_pointers,
)
from bids_rsa.core.dissimilarity.rows import (
    CELLS,
    N_Y,
    Block,
    Sums,
    Tiles,
    block_pointers,
    cell_before,
    copy_cells,
    find_snapshots,
    sum_pointers,
    tile_pointers,
)
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.tiles import N_X, squares, upper_windows, windows
from bids_rsa.core.engine.vectors import LANES, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_squares_1, _squares_2 = squares
_window_1, _window_2 = windows
_upper_1, _upper_2 = upper_windows


@summing_kernel
def distances(
    voxels: Voxels, near: Neighborhood, block: Block, tiles: Tiles, lines: Lines, sums: Sums,
    rooted: bool,
) -> None:  # fmt: skip
    """(Squared) Euclidean distances of all pairs, cross-validated where there are several folds.

    The products of the differences d_f of different folds add up to (sum d_f)^2 - sum d_f^2, so
    that F + 1 squares per voxel do for F (F - 1) / 2 products.
    """
    voxels, near, tiles = voxel_pointers(voxels), neighborhood_pointers(near), tile_pointers(tiles)
    block, lines, sums = block_pointers(block), line_pointers(lines), sum_pointers(sums)
    folds = voxels.n_folds > 1
    for segment in range(block.n_segments):
        begin, end = block.segments[2 * segment], block.segments[2 * segment + 1]
        start = block.positions[begin]
        length = block.positions[end - 1] - start + 1
        sample(voxels, near, start, length, lines)
        unit = _take_one_scale(lines, voxels.n_conditions)
        pack(voxels, near, start, length, lines)
        n_positions = length + near.longest - 1
        if folds:
            for k in range(n_positions * (near.n_groups + 1)):
                put(sums.own_bounds, k, lines.bounds[k] * voxels.n_folds)
        for panel in range(tiles.n_panels):
            center = begin
            for position in range(n_positions):
                _square(
                    lines.packed, lines.bounds, voxels.width, near, tiles, panel, position,
                    sums.ring,
                )  # fmt: skip
                if folds:
                    _square(
                        lines.folds, sums.own_bounds, voxels.width, near, tiles, panel, position,
                        sums.own_ring,
                    )  # fmt: skip
                place = position - near.longest + 1
                if place == block.positions[center] - start:
                    find_snapshots(near, tiles, place, sums.sources)
                    _measure(voxels, near, tiles, panel, center, sums, rooted, block.rdms)
                    center += 1
        _finish(near, block, begin, end, voxels.n_conditions, lines, unit, rooted and not folds,
                rooted)  # fmt: skip


@kernel_part
def _take_one_scale(lines: Lines, n: int) -> float:
    """Scale all conditions alike, shift none; return what undoes the scale."""
    scale = lines.scale[0]
    for i in range(n):
        scale = min(scale, lines.scale[i])
    for i in range(n):
        put(lines.shift, i, 0.0)
        put(lines.scale, i, scale)
    return float(1.0 / scale)


@kernel_part
def _measure(
    voxels: Voxels, near: Neighborhood, tiles: Tiles, panel: int, center: int, sums: Sums,
    rooted: bool, rdms: Floats,
) -> None:  # fmt: skip
    """Write the cells of a panel of one centre: sums of squares, or cross-validated distances."""
    n = voxels.n_conditions
    first = center * (n * (n - 1) // 2)
    for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
        i, j, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 1], tiles.of[4 * tile + 2]
        at = tiles.of[4 * tile + 3] * LANES
        if voxels.n_folds > 1:
            _sum_window(sums.ring, near, n_y, at, sums, sums.cells)
            _sum_window(sums.own_ring, near, n_y, at, sums, sums.own_cells)
            _cross_validate(sums.cells, sums.own_cells, voxels.n_folds, rooted)
            copy_cells(sums.cells, i, j, n_y * LANES, n, rdms, first)
        else:
            rows = (first + cell_before(i, n) + j, n - i, 1)
            if n_y == 2:
                _upper_2(sums.ring, sums.sources, near.longest, at, rdms, rows, i, j, n)
            else:
                _upper_1(sums.ring, sums.sources, near.longest, at, rdms, rows, i, j, n)


@kernel_part
def _sum_window(
    ring: Floats, near: Neighborhood, n_y: int, at: int, sums: Sums, cells: Floats
) -> None:
    """Add the snapshots of a tile up over a window."""
    if n_y == 2:
        _window_2(ring, sums.sources, near.longest, at, cells, CELLS)
    else:
        _window_1(ring, sums.sources, near.longest, at, cells, CELLS)


@kernel_part
def _cross_validate(cells: Floats, own: Floats, n_folds: int, rooted: bool) -> None:
    """Mean product of different folds' differences, or its signed root, from sums of squares."""
    share = 1.0 / (n_folds * (n_folds - 1))
    for k in range(N_X * N_Y * LANES):
        mean = (cells[k] - own[k]) * share
        if rooted:
            # a root makes rounding errors large: near 0 they count as 0
            root = 0.0 if abs(mean) <= 1e-13 * own[k] else np.sqrt(abs(mean))
            mean = root if mean > 0.0 else -root
        put(cells, k, mean)


@kernel_part
def _finish(
    near: Neighborhood, block: Block, begin: int, end: int, n: int, lines: Lines, unit: float,
    take_root: bool, rooted: bool,
) -> None:  # fmt: skip
    """Undo the scale, take roots, and set RDMs that are undefined or overflowed to NaN."""
    n_cells = n * (n - 1) // 2
    factor = unit if rooted else unit * unit
    for center in range(begin, end):
        place = block.positions[center] - block.positions[begin]
        size, n_bad = count_voxels(near, lines, place)
        put(block.sizes, center, size + n_bad)
        first, last = center * n_cells, (center + 1) * n_cells
        for c in range(first, last):
            cell = block.rdms[c]
            put(block.rdms, c, (np.sqrt(cell) if take_root else cell) * factor)
        zero = 0.0
        for c in range(first, last):
            zero += block.rdms[c] * 0.0
        if size + n_bad < block.min_voxels or n_bad > 0 or zero != 0.0:
            for c in range(first, last):
                put(block.rdms, c, np.nan)


@kernel_part
def _square(
    packed: Floats, bounds: Integers, width: int, near: Neighborhood, tiles: Tiles, panel: int,
    position: int, ring: Floats,
) -> None:  # fmt: skip
    """Sum squared differences of one position, for the tiles of a panel."""
    at, step = position * (near.n_groups + 1), tiles.n_vectors * LANES
    slot = position % near.longest * near.n_groups * step
    for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
        i, j, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 1], tiles.of[4 * tile + 2]
        target = slot + tiles.of[4 * tile + 3] * LANES
        if n_y == 2:
            _squares_2(packed, i, j, width, bounds, at, near.n_groups, ring, target, step)
        else:
            _squares_1(packed, i, j, width, bounds, at, near.n_groups, ring, target, step)
