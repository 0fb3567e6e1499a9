"""Correlation and cosine distances along rows of the grid; see `_rows`."""

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
    sum_up_lines,
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
from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.tiles import (
    N_X,
    correlation_windows,
    edge_correlation_windows,
    products,
    windows,
)
from bids_rsa.core.engine.vectors import LANES, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room)
_NEAR_CONSTANT = 1e-20

_products_1, _products_2, _products_3 = products
_inner_1, _inner_2, _inner_3 = correlation_windows
_edge_1, _edge_2, _edge_3 = edge_correlation_windows
_window_1 = windows[0]


@summing_kernel
def correlations(
    voxels: Voxels, near: Neighborhood, block: Block, tiles: Tiles, lines: Lines, sums: Sums,
    cosine: bool,
) -> None:  # fmt: skip
    """Correlation (or cosine) distances: 1 - (sum x y - mean mean) / norms.

    Cost: one product per pair and column; see the module.
    """
    voxels, near, tiles = voxel_pointers(voxels), neighborhood_pointers(near), tile_pointers(tiles)
    block, lines, sums = block_pointers(block), line_pointers(lines), sum_pointers(sums)
    for segment in range(block.n_segments):
        begin, end = block.segments[2 * segment], block.segments[2 * segment + 1]
        start = block.positions[begin]
        length = block.positions[end - 1] - start + 1
        sample(voxels, near, start, length, lines)
        if cosine:
            for i in range(voxels.width):
                put(lines.shift, i, 0.0)
        pack(voxels, near, start, length, lines)
        n_positions = length + near.longest - 1
        sum_up_lines(voxels, near, n_positions, lines, sums.moments)
        _find_norms(voxels, near, block, begin, end, lines, sums, cosine)
        for panel in range(tiles.n_panels):
            center = begin
            for position in range(n_positions):
                _multiply(lines, voxels.width, near, tiles, panel, position, sums.ring)
                place = position - near.longest + 1
                if place == block.positions[center] - start:
                    find_snapshots(near, tiles, place, sums.sources)
                    _correlate(voxels, near, tiles, panel, center, center - begin, sums, block.rdms)
                    center += 1
        _mark_undefined(block, begin, end, voxels.n_conditions)


@kernel_part
def _multiply(
    lines: Lines, width: int, near: Neighborhood, tiles: Tiles, panel: int, position: int,
    ring: Floats,
) -> None:  # fmt: skip
    """Sum products of one position, for the tiles of a panel."""
    at, step = position * (near.n_groups + 1), tiles.n_vectors * LANES
    slot = position % near.longest * near.n_groups * step
    for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
        i, j, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 1], tiles.of[4 * tile + 2]
        target = slot + tiles.of[4 * tile + 3] * LANES
        if n_y == 3:
            _products_3(
                lines.packed, i, j, width, lines.bounds, at, near.n_groups, ring, target, step
            )
        elif n_y == 2:
            _products_2(
                lines.packed, i, j, width, lines.bounds, at, near.n_groups, ring, target, step
            )
        else:
            _products_1(
                lines.packed, i, j, width, lines.bounds, at, near.n_groups, ring, target, step
            )


@kernel_part
def _correlate(
    voxels: Voxels, near: Neighborhood, tiles: Tiles, panel: int, center: int, mine: int,
    sums: Sums, rdms: Floats,
) -> None:  # fmt: skip
    """Write the cells of a panel of one centre, which is number ``mine`` of its row."""
    n, norms = voxels.n_conditions, mine * voxels.width
    first = center * (n * (n - 1) // 2)
    for tile in range(tiles.panels[panel], tiles.panels[panel + 1]):
        i, j, n_y = tiles.of[4 * tile], tiles.of[4 * tile + 1], tiles.of[4 * tile + 2]
        at = tiles.of[4 * tile + 3] * LANES
        rows = (first + cell_before(i, n) + j, n - i, 1)
        if i < j and j + n_y * LANES <= n:
            if n_y == 3:
                _inner_3(
                    sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means,
                    sums.inverses, norms, i, j, n,
                )  # fmt: skip
            elif n_y == 2:
                _inner_2(
                    sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means,
                    sums.inverses, norms, i, j, n,
                )  # fmt: skip
            else:
                _inner_1(
                    sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means,
                    sums.inverses, norms, i, j, n,
                )  # fmt: skip
        elif n_y == 3:
            _edge_3(
                sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means, sums.inverses,
                norms, i, j, n,
            )  # fmt: skip
        elif n_y == 2:
            _edge_2(
                sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means, sums.inverses,
                norms, i, j, n,
            )  # fmt: skip
        else:
            _edge_1(
                sums.ring, sums.sources, near.longest, at, rdms, rows, sums.means, sums.inverses,
                norms, i, j, n,
            )  # fmt: skip


@kernel_part
def _find_norms(
    voxels: Voxels, near: Neighborhood, block: Block, begin: int, end: int, lines: Lines,
    sums: Sums, cosine: bool,
) -> None:  # fmt: skip
    """Means times the root of the size, and inverse norms, of each condition at each centre.

    Marks centres where a pattern's spread is small beside its mean, or next to nothing, and those
    that are undefined: their size becomes negative.
    """
    n = voxels.n_conditions
    for center in range(begin, end):
        place = block.positions[center] - block.positions[begin]
        size, n_bad = count_voxels(near, lines, place)
        _sum_moments(voxels, near, place, sums)
        root, mine = 1.0 / np.sqrt(max(size, 1)), (center - begin) * voxels.width
        suspect, undefined = False, size + n_bad < block.min_voxels or n_bad > 0
        for i in range(n):
            at = i // LANES * 2 * LANES + i % LANES
            total, squared = sums.totals[at], sums.totals[at + LANES]
            mean = 0.0 if cosine else total * root
            spread = squared - mean * mean
            offset = lines.shift[i] * lines.scale[i]
            norm = squared + offset * (2.0 * total + offset * size)
            # NaN, where sums overflowed, is larger than nothing
            suspect |= not (spread > _TRUSTED * squared and spread > _NEAR_CONSTANT * norm)
            undefined |= cosine and not 0.0 < squared < np.inf
            put(sums.means, mine + i, mean)
            put(sums.inverses, mine + i, 1.0 / np.sqrt(spread) if spread > 0.0 else 0.0)
        put(block.suspects, center, suspect and not undefined and not cosine)
        put(block.sizes, center, -1 - size - n_bad if undefined else size + n_bad)


@kernel_part
def _sum_moments(voxels: Voxels, near: Neighborhood, place: int, sums: Sums) -> None:
    """Add the sums and the sums of squares up over a centre's window."""
    for k in range(near.longest):
        snapshot = (place + k) * near.n_groups + near.group_at[k]
        put(sums.sources, k, snapshot * voxels.n_moments)
    for t in range(0, voxels.n_moments, N_X * LANES):
        rows = (t, LANES, 0)
        _window_1(sums.moments, sums.sources, near.longest, t, sums.totals, rows)


@kernel_part
def _mark_undefined(block: Block, begin: int, end: int, n: int) -> None:
    """Set RDMs of centres whose size is negative to NaN, and their size right."""
    n_cells = n * (n - 1) // 2
    for center in range(begin, end):
        if block.sizes[center] < 0:
            put(block.sizes, center, -1 - block.sizes[center])
            for c in range(center * n_cells, (center + 1) * n_cells):
                put(block.rdms, c, np.nan)
