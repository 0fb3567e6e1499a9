"""Patterns around some positions of a grid row, packed into slabs; see `engine.push_tiles`.

As in `packing`, the voxels that the neighborhood's columns have at a position follow each other,
the longest columns first, and those outside the mask, or not finite, are left out. Only some
positions are packed at a time, so that they stay in a core's own cache while all tiles use them.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import Neighborhood, Voxels
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.push_tiles import MOMENT_SLABS, pack_slabs
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import WIDE, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# bytes of the patterns that are packed at a time, about half of a core's second cache
_PACKED = 2**20
_APART = 8 * WIDE  # slabs a power of two apart would share few places of the cache


class Slabs(NamedTuple):
    """Packed patterns of some positions, and the pending centres of each.

    Attributes
    ----------
    packed : (n_slabs * slab,) float64
    bounds : (n_positions * (n_groups + 1),) int64
        First line of each group of columns at each position, and the end.
    bad : (n_positions * n_groups,) int64
        Voxels that are not finite, in a position's groups up to each.
    shift, scale : (n_slabs * WIDE,) float64
        Of each condition.
    pending : (n_at_once * n_groups * reach,) int64
        Centres of each group at the packed positions; see `engine.push_tiles`.
    slab, n_slabs : int
        Length of a slab; slabs that hold a condition.
    n_at_once : int
        Positions that are packed at a time.
    reach : int
        Length of a group's list of pending centres.
    """

    packed: Floats
    bounds: Integers
    bad: Integers
    shift: Floats
    scale: Floats
    pending: Integers
    slab: int
    n_slabs: int
    n_at_once: int
    reach: int


def count_slabs(n_conditions: int) -> int:
    """Count the slabs that so many conditions take."""
    return -(-n_conditions // WIDE)


def room_for_slabs(n_positions: int, n_conditions: int, near: Neighborhood) -> Slabs:
    """Make room for a piece of a row with so many positions."""
    n_slabs = count_slabs(n_conditions)
    n_read = -(-n_slabs // MOMENT_SLABS) * MOMENT_SLABS  # those without conditions stay 0
    n_at_once = _PACKED // (near.n_columns * n_slabs * WIDE * 8)
    n_at_once = min(max(n_at_once, 2), n_positions)
    slab, reach = n_at_once * near.n_columns * WIDE + _APART, near.longest + 2
    return Slabs(
        make_room(n_read * slab),
        np.empty(n_positions * (near.n_groups + 1), dtype=np.int64),
        np.empty(n_positions * near.n_groups, dtype=np.int64),
        np.zeros(n_slabs * WIDE),
        np.zeros(n_slabs * WIDE),
        np.empty(n_at_once * near.n_groups * reach, dtype=np.int64),
        slab,
        n_slabs,
        n_at_once,
        reach,
    )


@kernel_part
def slab_pointers(slabs: Slabs) -> Slabs:
    """Return the same by pointers."""
    return Slabs(
        pointer_to(slabs.packed), pointer_to(slabs.bounds), pointer_to(slabs.bad),
        pointer_to(slabs.shift), pointer_to(slabs.scale), pointer_to(slabs.pending),
        slabs.slab, slabs.n_slabs, slabs.n_at_once, slabs.reach,
    )  # fmt: skip


@kernel_part
def pack_positions(
    voxels: Voxels, near: Neighborhood, start: int, length: int, first: int, last: int,
    slabs: Slabs,
) -> None:  # fmt: skip
    """Pack the positions from first up to, not with, last of a piece of a row.

    Cost: one copy of the tube around them.
    """
    count = 0
    for position in range(first, last):
        at = position * (near.n_groups + 1)
        put(slabs.bounds, at, count)
        n_bad = 0
        for group in range(near.n_groups):
            for column in range(near.first[group], near.first[group + 1]):
                row = -1
                if position < length + near.lengths[column] - 1:
                    row = int(voxels.rows[start + near.starts[column] + position])
                if row >= 0 and voxels.finite[row] > 0:
                    pack_slabs(
                        voxels.values, row * voxels.n_conditions, voxels.n_conditions, slabs.shift,
                        slabs.scale, slabs.packed, count * WIDE, slabs.slab,
                    )  # fmt: skip
                    count += 1
                elif row >= 0:
                    n_bad += 1
            put(slabs.bounds, at + group + 1, count)
            put(slabs.bad, position * near.n_groups + group, n_bad)
        _find_pending(near, position, length, (position - first) * near.n_groups, slabs)


@kernel_part
def _find_pending(near: Neighborhood, position: int, length: int, at: int, slabs: Slabs) -> None:
    """List the centres whose windows hold a position, by the group that they take of it."""
    for group in range(near.n_groups):
        put(slabs.pending, (at + group) * slabs.reach, -1)
        put(slabs.pending, (at + group) * slabs.reach + 1, 0)
    for k in range(near.longest):
        place = position - k
        if place >= 0 and place < length:
            row = (at + near.group_at[k]) * slabs.reach
            if k == 0:
                put(slabs.pending, row, place % near.longest)
            else:
                n_others = slabs.pending[row + 1]
                put(slabs.pending, row + 2 + n_others, place % near.longest)
                put(slabs.pending, row + 1, n_others + 1)
