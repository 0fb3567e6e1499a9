"""Cross-validated correlation and cosine distances along rows of the grid.

For each fold, the products of the test patterns with the means of all other folds are summed as
those of patterns are in `rows`; the mean itself would only divide by a number that cancels.
"""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.fold_lines import (
    FoldLines,
    fold_line_pointers,
    pack_folds,
    sample_folds,
)
from bids_rsa.core.dissimilarity.packing import (
    SphereColumns,
    Voxels,
    column_pointers,
    voxel_pointers,
)
from bids_rsa.core.dissimilarity.rows import (
    Block,
    Sums,
    Tiles,
    block_pointers,
    cell_before,
    find_snapshots,
    sum_pointers,
    tile_pointers,
)
from bids_rsa.core.dissimilarity.slabs import count_voxels
from bids_rsa.core.engine.fold_tiles import edge_fold_windows, fold_windows
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.tiles import N_X, moments, products, windows
from bids_rsa.core.engine.vectors import LANES, put

Floats = NDArray[np.float64]

# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room)
_NEAR_CONSTANT = 1e-20
_SUSPECT, _UNDEFINED = 1, 2

_products_1, _products_2, _products_3 = products
_fold_1, _fold_2, _fold_3 = fold_windows
_edge_1, _edge_2, _edge_3 = edge_fold_windows
_window_1 = windows[0]


@summing_kernel
def fold_correlations(
    voxels: Voxels, near: SphereColumns, block: Block, tiles: Tiles, lines: FoldLines, sums: Sums,
    cosine: bool,
) -> None:  # fmt: skip
    """Cross-validated correlation (or cosine) distances: 1 - mean of train x test / norms.

    Cost: 2 products per fold, pair and column.
    """
    voxels, near, tiles = voxel_pointers(voxels), column_pointers(near), tile_pointers(tiles)
    block, lines, sums = block_pointers(block), fold_line_pointers(lines), sum_pointers(sums)
    n_cells, width = voxels.n_conditions * (voxels.n_conditions - 1) // 2, 2 * voxels.width
    fold_step = lines.n_voxels * width
    for segment in range(block.n_segments):
        begin, end = block.segments[2 * segment], block.segments[2 * segment + 1]
        start = block.positions[begin]
        length = block.positions[end - 1] - start + 1
        n_positions = length + near.longest - 1
        sample_folds(voxels, near, start, length, lines)
        if cosine:
            for k in range(voxels.n_folds * voxels.width):
                put(lines.shift, k, 0.0)
        pack_folds(voxels, near, start, length, lines, width, fold_step)
        _count(near, block, begin, end, lines)
        for cell in range(begin * n_cells, end * n_cells):
            put(block.rdms, cell, 1.0)
        for fold in range(voxels.n_folds):
            _sum_up(voxels, near, n_positions, lines, fold, sums)
            _find_norms(voxels, near, block, begin, end, lines, fold, sums, cosine)
            for panel in range(tiles.n_panels):
                center = begin
                for position in range(n_positions):
                    _multiply(
                        lines, fold * fold_step, voxels.width, near, tiles, panel, position, sums
                    )
                    place = position - near.longest + 1
                    if place == block.positions[center] - start:
                        find_snapshots(near, tiles, place, sums.sources)
                        _correlate(
                            voxels, near, tiles, panel, center, center - begin, sums, block.rdms
                        )
                        center += 1
        _mark_undefined(block, begin, end, n_cells)


@kernel_part
def _count(near: SphereColumns, block: Block, begin: int, end: int, lines: FoldLines) -> None:
    """Write patch sizes, and mark centres that are too small or reach bad voxels."""
    for center in range(begin, end):
        place = block.positions[center] - block.positions[begin]
        size, n_bad = count_voxels(near, lines, place)
        put(block.sizes, center, size + n_bad)
        undefined = size + n_bad < block.min_voxels or n_bad > 0
        put(block.suspects, center, _UNDEFINED if undefined else 0)


@kernel_part
def _sum_up(
    voxels: Voxels, near: SphereColumns, n_positions: int, lines: FoldLines, fold: int, sums: Sums
) -> None:
    """Sum the values of a position's groups up to each, and their squares, of one fold."""
    width, step = 2 * voxels.width, lines.n_moments
    first = fold * lines.n_voxels * width
    for position in range(n_positions):
        at, target = position * (near.n_groups + 1), position * near.n_groups * step
        for i in range(0, width, 2 * LANES):
            moments(
                lines.packed, first + i, first + i, width, lines.bounds, at, near.n_groups,
                sums.moments, target + 2 * i, step,
            )  # fmt: skip


@kernel_part
def _find_norms(
    voxels: Voxels, near: SphereColumns, block: Block, begin: int, end: int, lines: FoldLines,
    fold: int, sums: Sums, cosine: bool,
) -> None:  # fmt: skip
    """Means times the root of the size, and inverse norms, of one fold's patterns at each centre.

    Those of test patterns include the share of a fold and a direction. Marks centres as
    `row_correlations` does.
    """
    width, share = voxels.width, 0.5 / voxels.n_folds
    _find_offsets(voxels, lines, fold)
    for center in range(begin, end):
        place, mine = block.positions[center] - block.positions[begin], (center - begin) * 2 * width
        _sum_moments(lines, near, place, sums)
        size = block.sizes[center]
        root = 1.0 / np.sqrt(max(size, 1))
        suspect, undefined = False, False
        for side in range(2):
            for i in range(voxels.n_conditions):
                k = side * width + i
                at = k // LANES * 2 * LANES + k % LANES
                total, squared = sums.totals[at], sums.totals[at + LANES]
                mean = 0.0 if cosine else total * root
                spread = squared - mean * mean
                offset = lines.offsets[k]
                norm = squared + offset * (2.0 * total + offset * size)
                # NaN, where sums overflowed, is larger than nothing
                suspect |= not (spread > _TRUSTED * squared and spread > _NEAR_CONSTANT * norm)
                undefined |= cosine and not 0.0 < squared < np.inf
                inverse = 1.0 / np.sqrt(spread) if spread > 0.0 else 0.0
                put(sums.means, mine + k, mean)
                put(sums.inverses, mine + k, inverse * share if side == 1 else inverse)
        mark = block.suspects[center]
        if undefined:
            mark |= _UNDEFINED
        if suspect and not cosine:
            mark |= _SUSPECT
        put(block.suspects, center, mark)


@kernel_part
def _find_offsets(voxels: Voxels, lines: FoldLines, fold: int) -> None:
    """Write what was taken away from each pattern: of the other folds' sum, and the fold."""
    for i in range(voxels.n_conditions):
        own = lines.shift[fold * voxels.width + i]
        others = 0.0
        for other in range(voxels.n_folds):
            others += lines.shift[other * voxels.width + i] if other != fold else 0.0
        put(lines.offsets, i, others * lines.scale[i])
        put(lines.offsets, voxels.width + i, own * lines.scale[i])


@kernel_part
def _sum_moments(lines: FoldLines, near: SphereColumns, place: int, sums: Sums) -> None:
    """Add the sums and the sums of squares up over a centre's window."""
    for k in range(near.longest):
        snapshot = (place + k) * near.n_groups + near.group_at[k]
        put(sums.sources, k, snapshot * lines.n_moments)
    for t in range(0, lines.n_moments, N_X * LANES):
        rows = (t, LANES, 0)
        _window_1(sums.moments, sums.sources, near.longest, t, sums.totals, rows)


@kernel_part
def _multiply(
    lines: FoldLines, first: int, width: int, near: SphereColumns, tiles: Tiles, panel: int,
    position: int, sums: Sums,
) -> None:  # fmt: skip
    """Sum products of one position and fold in both directions, for the tiles of a panel."""
    at, step = position * (near.n_groups + 1), tiles.n_vectors * LANES
    slot = position % near.longest * near.n_groups * step
    for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
        i, j, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 1], tiles.of[4 * tile + 2]
        target = slot + tiles.of[4 * tile + 3] * LANES
        for side in range(2):
            left, right = first + i + side * width, first + j + (1 - side) * width
            if n_y == 3:
                _products_3(
                    lines.packed, left, right, 2 * width, lines.bounds, at, near.n_groups,
                    sums.ring, target, step,
                )  # fmt: skip
            elif n_y == 2:
                _products_2(
                    lines.packed, left, right, 2 * width, lines.bounds, at, near.n_groups,
                    sums.ring, target, step,
                )  # fmt: skip
            else:
                _products_1(
                    lines.packed, left, right, 2 * width, lines.bounds, at, near.n_groups,
                    sums.ring, target, step,
                )  # fmt: skip
            target += N_X * n_y * LANES


@kernel_part
def _correlate(
    voxels: Voxels, near: SphereColumns, tiles: Tiles, panel: int, center: int, mine: int,
    sums: Sums, rdms: Floats,
) -> None:  # fmt: skip
    """Add one fold to the cells of a panel of one centre, which is number ``mine`` of its row."""
    n, width = voxels.n_conditions, voxels.width
    first, norms = center * (n * (n - 1) // 2), mine * 2 * width
    for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
        i, j, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 1], tiles.of[4 * tile + 2]
        at = tiles.of[4 * tile + 3] * LANES
        rows = (first + cell_before(i, n) + j, n - i, 1)
        inside = i < j and j + n_y * LANES <= n
        for side in range(2):
            left, right = norms + i + side * width, norms + j + (1 - side) * width
            given = (sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means)
            if n_y == 3:
                if inside:
                    _fold_3(*given, sums.inverses, left, right, i, j, n)
                else:
                    _edge_3(*given, sums.inverses, left, right, i, j, n)
            elif n_y == 2:
                if inside:
                    _fold_2(*given, sums.inverses, left, right, i, j, n)
                else:
                    _edge_2(*given, sums.inverses, left, right, i, j, n)
            elif inside:
                _fold_1(*given, sums.inverses, left, right, i, j, n)
            else:
                _edge_1(*given, sums.inverses, left, right, i, j, n)
            at += N_X * n_y * LANES


@kernel_part
def _mark_undefined(block: Block, begin: int, end: int, n_cells: int) -> None:
    """Set RDMs of centres that are undefined to NaN; they are no longer suspects."""
    for center in range(begin, end):
        if block.suspects[center] & _UNDEFINED:
            put(block.suspects, center, 0)
            for cell in range(center * n_cells, (center + 1) * n_cells):
                put(block.rdms, cell, np.nan)
