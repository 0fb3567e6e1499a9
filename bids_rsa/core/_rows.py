"""RDMs along rows of the grid, for dissimilarities that are sums over voxels of x y or (x - y)^2.

The neighborhood is a set of columns along the row. Within one column, neighbouring centres share
almost all voxels, so that each product is computed once per column and row position, summed over
the columns that are long enough (the tiles' snapshots), and these sums are added up over the
positions of the window. Nothing is subtracted, hence no rounding piles up along the row.

Cost per centre and pair of conditions: one product per column of the neighborhood (81 for 515
voxels), one addition per position of the longest column (11).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core._jit import kernel_part, summing_kernel
from bids_rsa.core._packing import (
    Lines,
    Neighborhood,
    Voxels,
    count_voxels,
    line_pointers,
    neighborhood_pointers,
    pack,
    padded_width,
    sample,
    sum_up_lines,
    voxel_pointers,
)
from bids_rsa.core._tiles import N_X, correlation_windows, products, squares, windows
from bids_rsa.core._vectors import LANES, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Sizes = NDArray[np.int32]
Flags = NDArray[np.uint8]

# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room)
_NEAR_CONSTANT = 1e-20
# bytes of the snapshots of a panel: half of a core's cache
_PANEL = 2**19
_N_Y = 3  # vectors of the largest tile
_CELLS = (0, _N_Y * LANES, 2 * _N_Y * LANES, 3 * _N_Y * LANES)  # rows of a tile's cells

_products_1, _products_2, _products_3 = products
_squares_1, _squares_2 = squares
_window_1, _window_2 = windows
_correlations_1, _correlations_2, _correlations_3 = correlation_windows


class Tiles(NamedTuple):
    """The pairs of conditions, cut into tiles, and these into panels whose snapshots stay cached.

    Attributes
    ----------
    of : (4 * n_tiles,) int64
        First condition of the rows and of the columns, vectors of columns, and the tile's first
        vector in its panel.
    panels : (n_panels + 1,) int64
        First tile of each.
    n_panels : int
    n_vectors : int
        Of the largest panel.
    """

    of: Integers
    panels: Integers
    n_panels: int
    n_vectors: int


class Block(NamedTuple):
    """The centres of a block, and their results.

    Attributes
    ----------
    positions : (n_centers,) int64
        In the flat padded grid.
    segments : (2 * n_segments,) int64
        First centre of each piece of a grid row, and the one after its last.
    rdms : (n_centers * n_cells,) float64
    sizes : (n_centers,) int32
        Patch sizes.
    suspects : (n_centers,) uint8
        Whose correlations must be computed anew.
    n_segments, min_voxels : int
    """

    positions: Integers
    segments: Integers
    rdms: Floats
    sizes: Sizes
    suspects: Flags
    n_segments: int
    min_voxels: int


class Sums(NamedTuple):
    """Room for sums over a piece of a row.

    Attributes
    ----------
    ring, own_ring : (longest * n_groups * n_vectors * 4,) float64
        Snapshots of the positions of one window; of the folds by themselves.
    own_bounds : (n_positions * (n_groups + 1),) int64
    sources : (longest,) int64
    cells, own_cells : (48,) float64
        Of one tile.
    moments : (n_positions * n_groups * n_moments,) float64
    totals : (n_moments,) float64
    means, inverses : (n_positions * width,) float64
        Means times the root of the size, and inverse norms.
    """

    ring: Floats
    own_ring: Floats
    own_bounds: Integers
    sources: Integers
    cells: Floats
    own_cells: Floats
    moments: Floats
    totals: Floats
    means: Floats
    inverses: Floats


def room_for_sums(n_positions: int, voxels: Voxels, near: Neighborhood, tiles: Tiles) -> Sums:
    """Make room for a piece of a row with so many positions."""
    n_ring, folds = near.longest * near.n_groups * tiles.n_vectors * LANES, voxels.n_folds > 1
    return Sums(
        np.empty(n_ring),
        np.empty(n_ring if folds else 1),
        np.empty(n_positions * (near.n_groups + 1) if folds else 1, dtype=np.int64),
        np.empty(near.longest, dtype=np.int64),
        np.empty(N_X * _N_Y * LANES),
        np.empty(N_X * _N_Y * LANES),
        np.empty(n_positions * near.n_groups * voxels.n_moments),
        np.empty(voxels.n_moments),
        np.zeros(n_positions * voxels.width),
        np.zeros(n_positions * voxels.width),
    )


def cut_into_tiles(n_conditions: int, max_vectors: int, window_bytes: int) -> Tiles:
    """Cover the upper triangle by tiles of up to ``max_vectors``, grouped into panels.

    ``window_bytes`` is what the snapshots of one vector take.
    """
    width = padded_width(n_conditions)
    room = max(N_X * max_vectors, _PANEL // window_bytes)
    tiles: list[tuple[int, int, int, int]] = []
    panels, used, most = [0], 0, 0
    for i in range(0, width, N_X):
        n_left = (width - i) // LANES
        n_tiles = -(-n_left // max_vectors)
        j = i
        for k in range(n_tiles):
            vectors = n_left // n_tiles + (k < n_left % n_tiles)
            if used + N_X * vectors > room:
                panels.append(len(tiles))
                used = 0
            tiles.append((i, j, vectors, used))
            used += N_X * vectors
            most = max(most, used)
            j += LANES * vectors
    edges = np.array([*panels, len(tiles)])
    return Tiles(np.array(tiles).ravel(), edges, len(panels), most)


@kernel_part
def _tile_pointers(tiles: Tiles) -> Tiles:
    """Return the same by pointers."""
    return Tiles(pointer_to(tiles.of), pointer_to(tiles.panels), tiles.n_panels, tiles.n_vectors)


@kernel_part
def _block_pointers(block: Block) -> Block:
    """Return the same by pointers."""
    return Block(
        pointer_to(block.positions), pointer_to(block.segments), pointer_to(block.rdms),
        pointer_to(block.sizes), pointer_to(block.suspects), block.n_segments, block.min_voxels,
    )  # fmt: skip


@kernel_part
def _sum_pointers(sums: Sums) -> Sums:
    """Return the same by pointers."""
    return Sums(
        pointer_to(sums.ring), pointer_to(sums.own_ring), pointer_to(sums.own_bounds),
        pointer_to(sums.sources), pointer_to(sums.cells), pointer_to(sums.own_cells),
        pointer_to(sums.moments), pointer_to(sums.totals), pointer_to(sums.means),
        pointer_to(sums.inverses),
    )  # fmt: skip


@summing_kernel
def correlations(
    voxels: Voxels, near: Neighborhood, block: Block, tiles: Tiles, lines: Lines, sums: Sums,
    cosine: bool,
) -> None:  # fmt: skip
    """Correlation (or cosine) distances: 1 - (sum x y - mean mean) / norms.

    Cost: one product per pair and column; see the module.
    """
    voxels, near, tiles = voxel_pointers(voxels), neighborhood_pointers(near), _tile_pointers(tiles)
    block, lines, sums = _block_pointers(block), line_pointers(lines), _sum_pointers(sums)
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
                    _find_snapshots(near, tiles, place, sums.sources)
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


@kernel_part
def _find_snapshots(near: Neighborhood, tiles: Tiles, place: int, sources: Integers) -> None:
    """Find the snapshots of a centre's window, in slots that are used in turns."""
    for k in range(near.longest):
        slot = (place + k) % near.longest
        put(sources, k, (slot * near.n_groups + near.group_at[k]) * tiles.n_vectors * LANES)


@kernel_part
def _cell_before(i: int, n: int) -> int:
    """Cell (i, j) of a condensed RDM stands at this + j."""
    return i * n - i * (i + 1) // 2 - i - 1


@kernel_part
def _copy_cells(
    cells: Floats, i: int, j: int, n_columns: int, n: int, rdms: Floats, first: int
) -> None:
    """Copy those cells of a tile that an RDM has."""
    for a in range(min(N_X, n - i)):
        base = first + _cell_before(i + a, n)
        for b in range(max(i + a + 1 - j, 0), min(n_columns, n - j)):
            put(rdms, base + j + b, cells[a * _N_Y * LANES + b])


@kernel_part
def _copy_diagonal(cells: Floats, row: int, n_left: int, rdms: Floats) -> None:
    """Copy the six cells above the diagonal of a tile's first vectors."""
    put(rdms, row + 1, cells[1])
    put(rdms, row + 2, cells[2])
    put(rdms, row + 3, cells[3])
    put(rdms, row + n_left, cells[_N_Y * LANES + 2])
    put(rdms, row + n_left + 1, cells[_N_Y * LANES + 3])
    put(rdms, row + 2 * n_left - 2, cells[2 * _N_Y * LANES + 3])


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
        base = first + _cell_before(i, n) + j
        # rows of a condensed RDM: each is one cell shorter than the one before
        rows = (base, base + n - i - 2, base + 2 * (n - i) - 5, base + 3 * (n - i) - 9)
        whole = j + n_y * LANES <= n
        out, rows = (rdms, rows) if whole else (sums.cells, _CELLS)
        head, head_rows = (out, rows) if i < j else (sums.cells, _CELLS)
        if n_y == 3:
            _correlations_3(
                sums.ring, sums.sources, near.longest, at, head, head_rows, out, rows,
                sums.means, sums.inverses, norms + i, norms + j,
            )  # fmt: skip
        elif n_y == 2:
            _correlations_2(
                sums.ring, sums.sources, near.longest, at, head, head_rows, out, rows,
                sums.means, sums.inverses, norms + i, norms + j,
            )  # fmt: skip
        else:
            _correlations_1(
                sums.ring, sums.sources, near.longest, at, head, head_rows, out, rows,
                sums.means, sums.inverses, norms + i, norms + j,
            )  # fmt: skip
        if not whole:
            _copy_cells(sums.cells, i, j, n_y * LANES, n, rdms, first)
        elif i == j:
            _copy_diagonal(sums.cells, base, n - i, rdms)


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
        for t in range(voxels.n_moments):
            put(sums.totals, t, 0.0)
        for k in range(near.longest):
            source = ((place + k) * near.n_groups + near.group_at[k]) * voxels.n_moments
            for t in range(voxels.n_moments):
                put(sums.totals, t, sums.totals[t] + sums.moments[source + t])
        root, mine = 1.0 / np.sqrt(max(size, 1)), (center - begin) * voxels.width
        suspect, undefined = False, size + n_bad < block.min_voxels or n_bad > 0
        for i in range(n):
            at = i // LANES * 2 * LANES + i % LANES
            total, squared = sums.totals[at], sums.totals[at + LANES]
            mean = 0.0 if cosine else total * root
            spread = squared - mean * mean
            offset = lines.shift[i] * lines.scale[i]
            norm = squared + offset * (2.0 * total + offset * size)
            suspect |= spread <= _TRUSTED * squared or spread <= _NEAR_CONSTANT * norm
            undefined |= cosine and squared == 0.0
            put(sums.means, mine + i, mean)
            put(sums.inverses, mine + i, 1.0 / np.sqrt(spread) if spread > 0.0 else 0.0)
        put(block.suspects, center, suspect and not undefined and not cosine)
        put(block.sizes, center, -1 - size - n_bad if undefined else size + n_bad)


@kernel_part
def _mark_undefined(block: Block, begin: int, end: int, n: int) -> None:
    """Set RDMs of centres whose size is negative to NaN, and their size right."""
    n_cells = n * (n - 1) // 2
    for center in range(begin, end):
        if block.sizes[center] < 0:
            put(block.sizes, center, -1 - block.sizes[center])
            for c in range(center * n_cells, (center + 1) * n_cells):
                put(block.rdms, c, np.nan)


@summing_kernel
def distances(
    voxels: Voxels, near: Neighborhood, block: Block, tiles: Tiles, lines: Lines, sums: Sums,
    rooted: bool,
) -> None:  # fmt: skip
    """(Squared) Euclidean distances of all pairs, cross-validated where there are several folds.

    The products of the differences d_f of different folds add up to (sum d_f)^2 - sum d_f^2, so
    that F + 1 squares per voxel do for F (F - 1) / 2 products.
    """
    voxels, near, tiles = voxel_pointers(voxels), neighborhood_pointers(near), _tile_pointers(tiles)
    block, lines, sums = _block_pointers(block), line_pointers(lines), _sum_pointers(sums)
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
                    _find_snapshots(near, tiles, place, sums.sources)
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
        _sum_window(sums.ring, near, n_y, at, sums, sums.cells)
        if voxels.n_folds > 1:
            _sum_window(sums.own_ring, near, n_y, at, sums, sums.own_cells)
            _cross_validate(sums.cells, sums.own_cells, voxels.n_folds, rooted)
        _copy_cells(sums.cells, i, j, n_y * LANES, n, rdms, first)


@kernel_part
def _sum_window(
    ring: Floats, near: Neighborhood, n_y: int, at: int, sums: Sums, cells: Floats
) -> None:
    """Add the snapshots of a tile up over a window."""
    if n_y == 2:
        _window_2(ring, sums.sources, near.longest, at, cells, _CELLS, cells, _CELLS)
    else:
        _window_1(ring, sums.sources, near.longest, at, cells, _CELLS, cells, _CELLS)


@kernel_part
def _cross_validate(cells: Floats, own: Floats, n_folds: int, rooted: bool) -> None:
    """Mean product of different folds' differences, or its signed root, from sums of squares."""
    share = 1.0 / (n_folds * (n_folds - 1))
    for k in range(N_X * _N_Y * LANES):
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
    """Undo the scale, take roots, and set what is undefined to NaN."""
    n_cells = n * (n - 1) // 2
    factor = unit if rooted else unit * unit
    for center in range(begin, end):
        place = block.positions[center] - block.positions[begin]
        size, n_bad = count_voxels(near, lines, place)
        put(block.sizes, center, size + n_bad)
        first, last = center * n_cells, (center + 1) * n_cells
        if size + n_bad < block.min_voxels or n_bad > 0:
            for c in range(first, last):
                put(block.rdms, c, np.nan)
        elif take_root:
            for c in range(first, last):
                put(block.rdms, c, np.sqrt(block.rdms[c]) * factor)
        else:
            for c in range(first, last):
                put(block.rdms, c, block.rdms[c] * factor)
