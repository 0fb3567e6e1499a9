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

from bids_rsa.core.dissimilarity.packing import Neighborhood, Voxels, padded_width
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.tiles import N_X
from bids_rsa.core.engine.vectors import LANES, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Sizes = NDArray[np.int32]
Flags = NDArray[np.uint8]

# bytes of the snapshots of a panel, which stay in a core's own cache with a position's lines
_PANEL = 2**18
N_Y = 3  # vectors of the largest tile
CELLS = (0, N_Y * LANES, 0)  # rows of a tile's cells by themselves, as the tiles' windows take them


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
    ring, own_ring : (longest * n_groups * n_vectors * LANES,) float64
        Snapshots of the positions of one window; of the folds by themselves.
    own_bounds : (n_positions * (n_groups + 1),) int64
    sources : (longest,) int64
    cells, own_cells : (N_X * N_Y * LANES,) float64
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
        np.empty(N_X * N_Y * LANES),
        np.empty(N_X * N_Y * LANES),
        np.empty(n_positions * near.n_groups * voxels.n_moments),
        np.empty(voxels.n_moments),
        np.zeros(n_positions * voxels.width + LANES),
        np.zeros(n_positions * voxels.width + LANES),
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
        n_left = -(-(width - i) // LANES)
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
def tile_pointers(tiles: Tiles) -> Tiles:
    """Return the same by pointers."""
    return Tiles(pointer_to(tiles.of), pointer_to(tiles.panels), tiles.n_panels, tiles.n_vectors)


@kernel_part
def block_pointers(block: Block) -> Block:
    """Return the same by pointers."""
    return Block(
        pointer_to(block.positions), pointer_to(block.segments), pointer_to(block.rdms),
        pointer_to(block.sizes), pointer_to(block.suspects), block.n_segments, block.min_voxels,
    )  # fmt: skip


@kernel_part
def sum_pointers(sums: Sums) -> Sums:
    """Return the same by pointers."""
    return Sums(
        pointer_to(sums.ring), pointer_to(sums.own_ring), pointer_to(sums.own_bounds),
        pointer_to(sums.sources), pointer_to(sums.cells), pointer_to(sums.own_cells),
        pointer_to(sums.moments), pointer_to(sums.totals), pointer_to(sums.means),
        pointer_to(sums.inverses),
    )  # fmt: skip


@kernel_part
def find_snapshots(near: Neighborhood, tiles: Tiles, place: int, sources: Integers) -> None:
    """Find the snapshots of a centre's window, in slots that are used in turns."""
    for k in range(near.longest):
        slot = (place + k) % near.longest
        put(sources, k, (slot * near.n_groups + near.group_at[k]) * tiles.n_vectors * LANES)


@kernel_part
def cell_before(i: int, n: int) -> int:
    """Cell (i, j) of a condensed RDM stands at this + j."""
    return i * n - i * (i + 1) // 2 - i - 1


@kernel_part
def copy_cells(
    cells: Floats, i: int, j: int, n_columns: int, n: int, rdms: Floats, first: int
) -> None:
    """Copy those cells of a tile that an RDM has."""
    for a in range(min(N_X, n - i)):
        base = first + cell_before(i + a, n)
        for b in range(max(i + a + 1 - j, 0), min(n_columns, n - j)):
            put(rdms, base + j + b, cells[a * N_Y * LANES + b])
