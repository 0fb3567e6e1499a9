"""Sums along rows of the grid of products of folds, whose snapshots are added up over windows.

As in `pushing`, each product is computed once per column and row position. The sums over the
columns that are long enough (the tiles' snapshots) are kept for the positions of a window, and
added up for each centre.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import SphereColumns, Voxels, padded_width
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.tiles import N_X
from bids_rsa.core.engine.vectors import LANES, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Sizes = NDArray[np.int32]
Flags = NDArray[np.uint8]

# bytes of the snapshots of a panel, which stay in a core's own cache with a position's lines
_PANEL = 2**18


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
    ring : (longest * n_groups * n_vectors * LANES,) float64
        Snapshots of the positions of one window.
    sources : (longest,) int64
    moments : (n_positions * n_groups * n_moments,) float64
    totals : (n_moments,) float64
    means, inverses : (n_positions * width,) float64
        Means times the root of the size, and inverse norms.
    """

    ring: Floats
    sources: Integers
    moments: Floats
    totals: Floats
    means: Floats
    inverses: Floats


def room_for_sums(n_positions: int, voxels: Voxels, near: SphereColumns, tiles: Tiles) -> Sums:
    """Make room for a piece of a row with so many positions."""
    return Sums(
        np.empty(near.longest * near.n_groups * tiles.n_vectors * LANES),
        np.empty(near.longest, dtype=np.int64),
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
        pointer_to(sums.ring), pointer_to(sums.sources), pointer_to(sums.moments),
        pointer_to(sums.totals), pointer_to(sums.means), pointer_to(sums.inverses),
    )  # fmt: skip


@kernel_part
def find_snapshots(near: SphereColumns, tiles: Tiles, place: int, sources: Integers) -> None:
    """Find the snapshots of a centre's window, in slots that are used in turns."""
    for k in range(near.longest):
        slot = (place + k) % near.longest
        put(sources, k, (slot * near.n_groups + near.group_at[k]) * tiles.n_vectors * LANES)


@kernel_part
def cell_before(i: int, n: int) -> int:
    """Cell (i, j) of a condensed RDM stands at this + j."""
    return i * n - i * (i + 1) // 2 - i - 1
