"""Sums along rows of the grid that are added to the centres that are pending.

The neighborhood is a set of columns along the row. Within one column, neighbouring centres share
almost all voxels, so that each product is computed once per column and row position, summed over
the columns that are long enough, and added to the centres whose windows hold the position. Nothing
is subtracted, hence no rounding piles up along the row.

Columns end at the same position. Where they become longer by two voxels, two neighbouring centres
take the same columns of a position. Such sums go to an accumulator of the two, those of a single
centre to its own: mostly only the last ones, of all columns. A centre's result is the sum of its
own accumulator and those that it shares with its two neighbours.

Cost per centre and pair of conditions: one product per column of the neighborhood (89 for 587
voxels), and one addition for two positions of the longest column (6 for 11).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import (
    SphereColumns,
    Voxels,
    column_pointers,
    voxel_pointers,
)
from bids_rsa.core.dissimilarity.rows import Block, block_pointers
from bids_rsa.core.dissimilarity.slabs import Slabs, count_slabs, slab_pointers
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.push_tiles import MOMENT_SLABS
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import WIDE, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MAX_SLABS = 3  # of the columns of a tile
_REGISTERS = {4: 16, 8: 32}  # of AVX2, of AVX-512
# bytes of the accumulators of a panel
_PANEL = 2**24


class PushTiles(NamedTuple):
    """The pairs of conditions, cut into tiles, and these into panels of limited size.

    Attributes
    ----------
    of : (4 * n_tiles,) int64
        Slab of the rows, first slab of the columns, slabs of columns, and where the tile's
        accumulators begin in its panel.
    panels : (n_panels + 1,) int64
        First tile of each.
    n_panels : int
    room : int
        Values of the accumulators of the largest panel.
    """

    of: Integers
    panels: Integers
    n_panels: int
    room: int


class Pushed(NamedTuple):
    """Room for the sums of the pending centres.

    Attributes
    ----------
    sums, own : (room + those of a tile,) float64
        Accumulators of the tiles of a panel; of the folds by themselves, where there are several.
        The last ones are 0.
    moments : (n_moments + 2 * MOMENT_SLABS * WIDE,) float64
        Sums and sums of squares of the conditions. The last ones, after n_moments, are 0.
    n_moments : int
        Values of their accumulators.
    means, inverses : (n_at_once * n_slabs * WIDE,) float64
        Means times the root of the size, and inverse norms, of the centres that are complete.
    """

    sums: Floats
    own: Floats
    moments: Floats
    n_moments: int
    means: Floats
    inverses: Floats


class RowWork(NamedTuple):
    """What a kernel reads and writes along the rows of a block."""

    voxels: Voxels
    near: SphereColumns
    block: Block
    tiles: PushTiles
    slabs: Slabs
    pushed: Pushed


class Stretch(NamedTuple):
    """The packed positions of a piece of a row, and the centres that become complete there.

    Attributes
    ----------
    start : int
        Where the piece begins in the row.
    first, last : int
        The first packed position, and the one after the last, from the start on.
    center, after : int
        The first centre that is not complete, and one after the last that may become so.
    """

    start: int
    first: int
    last: int
    center: int
    after: int


def cut_into_push_tiles(n_conditions: int, n_slots: int, squares: bool = False) -> PushTiles:
    """Cover the upper triangle by tiles, those of the same rows about equally wide.

    A tile has accumulators in so many slots. A squared difference takes one register more than a
    product, which AVX2 has not left.
    """
    needed = _MAX_SLABS * (WIDE + 1) + 1 + squares
    max_slabs = _MAX_SLABS if needed <= _REGISTERS[WIDE] else _MAX_SLABS - 1
    n_slabs = count_slabs(n_conditions)
    size, limit = n_slots * WIDE * WIDE, _PANEL // 8
    tiles: list[tuple[int, int, int, int]] = []
    panels, used, most = [0], 0, 0
    for i in range(n_slabs):
        n_tiles = -(-(n_slabs - i) // max_slabs)
        j = i
        for k in range(n_tiles):
            wide = (n_slabs - i) // n_tiles + (k < (n_slabs - i) % n_tiles)
            if used and used + wide * size > limit:
                panels.append(len(tiles))
                used = 0
            tiles.append((i, j, wide, used))
            used += wide * size
            most = max(most, used)
            j += wide
    edges = np.array([*panels, len(tiles)])
    return PushTiles(np.array(tiles).ravel(), edges, len(panels), most)


def room_for_pushed(near: SphereColumns, tiles: PushTiles, slabs: Slabs) -> Pushed:
    """Make room for the centres that are pending at a time."""
    per_slot = 2 * MOMENT_SLABS * WIDE
    n_moments = -(-slabs.n_slabs // MOMENT_SLABS) * (near.longest + near.n_own) * per_slot
    n_sums, n_values = tiles.room + _MAX_SLABS * WIDE * WIDE, slabs.n_at_once * slabs.n_slabs * WIDE
    return Pushed(
        make_room(n_sums), make_room(n_sums if slabs.fold_slab else 0),
        make_room(n_moments + per_slot), n_moments, make_room(n_values), make_room(n_values),
    )  # fmt: skip


@kernel_part
def work_pointers(work: RowWork) -> RowWork:
    """Return the same by pointers."""
    return RowWork(
        voxel_pointers(work.voxels), column_pointers(work.near), block_pointers(work.block),
        push_tile_pointers(work.tiles), slab_pointers(work.slabs), pushed_pointers(work.pushed),
    )  # fmt: skip


@kernel_part
def push_tile_pointers(tiles: PushTiles) -> PushTiles:
    """Return the same by pointers."""
    return PushTiles(pointer_to(tiles.of), pointer_to(tiles.panels), tiles.n_panels, tiles.room)


@kernel_part
def pushed_pointers(pushed: Pushed) -> Pushed:
    """Return the same by pointers."""
    return Pushed(
        pointer_to(pushed.sums), pointer_to(pushed.own), pointer_to(pushed.moments),
        pushed.n_moments, pointer_to(pushed.means), pointer_to(pushed.inverses),
    )  # fmt: skip


@kernel_part
def find_parts(
    near: SphereColumns, place: int, base: int, size: int, nothing: int
) -> tuple[int, int, int]:
    """Find a centre's own accumulator, and those that it shares with its neighbours.

    Accumulators of so many values begin at ``base``; those at ``nothing`` are 0.
    """
    own, before, after = nothing, nothing, nothing
    if near.first_alone >= 0:
        own = base + place % near.n_own * size
    if near.first_pair >= 0:
        before = base + (near.n_own + place % near.longest) * size
        after = base + (near.n_own + (place + 1) % near.longest) * size
    return own, before, after


@kernel_part
def mark_undefined(block: Block, begin: int, end: int, n: int) -> None:
    """Set RDMs of centres whose size is negative to NaN, and their size right."""
    n_cells = n * (n - 1) // 2
    for center in range(begin, end):
        if block.sizes[center] < 0:
            put(block.sizes, center, -1 - block.sizes[center])
            for c in range(center * n_cells, (center + 1) * n_cells):
                put(block.rdms, c, np.nan)
