"""Patterns around some positions of a grid row, packed into slabs; see `engine.push_tiles`.

As in `packing`, the voxels that the neighborhood's columns have at a position follow each other,
the longest columns first, and those outside the mask, or not finite, are left out. Only some
positions are packed at a time, so that they stay in a core's own cache while all tiles use them.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import PAIR, PAIRED, SphereColumns, Voxels, row_of
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.push_tiles import MOMENT_SLABS, add_lines, pack_slabs
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import WIDE, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# bytes of the patterns that are packed at a time, at least and at most: a part of a core's second
# cache, and as much as the accumulators take, which each tile loads once for these positions
_PACKED = 2**19, 2**22
_APART = 8 * WIDE  # slabs a power of two apart would share few places of the cache


class Slabs(NamedTuple):
    """Packed patterns of some positions, and the pending accumulators of each.

    Attributes
    ----------
    packed : (n_slabs * slab,) float64
        A line for each voxel (the sum of its folds where there are several).
    folds : (n_slabs * fold_slab,) float64
        A line for each voxel and fold, where there are several.
    bounds : (n_positions * (n_groups + 1),) int64
        First line of each group of columns at each position, and the end.
    fold_bounds : (n_positions * (n_groups + 1),) int64
        The same of the folds' lines.
    bad : (n_positions * n_groups,) int64
        Voxels that are not finite, in a position's groups up to each.
    shift, scale, offsets : (n_slabs * WIDE,) float64
        Of each condition; offsets are the scaled shifts.
    pending : (n_at_once * n_groups * reach,) int64
        Accumulators that take each group at the packed positions; see `engine.push_tiles`.
    slab, fold_slab : int
        Length of a slab, and of one of folds.
    n_slabs : int
        Slabs that hold a condition.
    n_at_once : int
        Positions that are packed at a time.
    reach : int
        Length of a group's list of accumulators.
    """

    packed: Floats
    folds: Floats
    bounds: Integers
    fold_bounds: Integers
    bad: Integers
    shift: Floats
    scale: Floats
    offsets: Floats
    pending: Integers
    slab: int
    fold_slab: int
    n_slabs: int
    n_at_once: int
    reach: int


class Positions(Protocol):
    """What is known of packed positions, of one fold or several."""

    @property
    def bounds(self) -> Integers:
        """As in `Slabs`."""

    @property
    def bad(self) -> Integers:
        """As in `Slabs`."""

    @property
    def pending(self) -> Integers:
        """As in `Slabs`."""

    @property
    def reach(self) -> int:
        """As in `Slabs`."""


def count_slabs(n_conditions: int) -> int:
    """Count the slabs that so many conditions take."""
    return -(-n_conditions // WIDE)


def _count_at_once(voxels: Voxels, near: SphereColumns) -> int:
    """Count the positions that are packed at a time."""
    n_slabs, n_folds = count_slabs(voxels.n_conditions), voxels.n_folds
    n_lines = 1 + n_folds * (n_folds > 1)  # of a voxel
    n_values = n_slabs * (n_slabs + 1) // 2 * WIDE * WIDE * (near.n_own + near.longest)
    accumulators = 8 * n_values * (1 + (n_folds > 1))
    n_bytes = min(max(accumulators, _PACKED[0]), _PACKED[1])
    return max(n_bytes // (near.n_columns * n_slabs * WIDE * 8 * n_lines), 2)


def room_for_slabs(n_positions: int, voxels: Voxels, near: SphereColumns) -> Slabs:
    """Make room for a piece of a row with so many positions."""
    n_slabs, n_folds = count_slabs(voxels.n_conditions), voxels.n_folds
    n_read = -(-n_slabs // MOMENT_SLABS) * MOMENT_SLABS  # those without conditions stay 0
    n_at_once = min(_count_at_once(voxels, near), n_positions)
    slab = n_at_once * near.n_columns * WIDE + _APART
    fold_slab = (slab - _APART) * n_folds + _APART if n_folds > 1 else 0
    n_bounds, reach = n_positions * (near.n_groups + 1), near.longest + 2
    return Slabs(
        make_room(n_read * slab),
        make_room(n_slabs * fold_slab),
        np.empty(n_bounds, dtype=np.int64),
        np.empty(n_bounds if n_folds > 1 else 0, dtype=np.int64),
        np.empty(n_positions * near.n_groups, dtype=np.int64),
        np.zeros(n_slabs * WIDE),
        np.zeros(n_slabs * WIDE),
        np.zeros(n_slabs * WIDE),
        np.empty(n_at_once * near.n_groups * reach, dtype=np.int64),
        slab,
        fold_slab,
        n_slabs,
        n_at_once,
        reach,
    )


@kernel_part
def slab_pointers(slabs: Slabs) -> Slabs:
    """Return the same by pointers."""
    return Slabs(
        pointer_to(slabs.packed), pointer_to(slabs.folds), pointer_to(slabs.bounds),
        pointer_to(slabs.fold_bounds), pointer_to(slabs.bad), pointer_to(slabs.shift),
        pointer_to(slabs.scale), pointer_to(slabs.offsets), pointer_to(slabs.pending), slabs.slab,
        slabs.fold_slab, slabs.n_slabs, slabs.n_at_once, slabs.reach,
    )  # fmt: skip


@kernel_part
def pack_positions(
    voxels: Voxels, near: SphereColumns, start: int, length: int, first: int, last: int,
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
                place = position - near.delays[column]
                row = row_of(voxels, near, start, length, column, place)
                if row >= 0 and voxels.finite[row] > 0:
                    _write_lines(voxels, row, slabs, count)
                    count += 1
                elif row >= 0:
                    n_bad += 1
            put(slabs.bounds, at + group + 1, count)
            put(slabs.bad, position * near.n_groups + group, n_bad)
        if voxels.n_folds > 1:
            for k in range(at, at + near.n_groups + 1):
                put(slabs.fold_bounds, k, slabs.bounds[k] * voxels.n_folds)
        find_pending(near, position, length, (position - first) * near.n_groups, slabs)


@kernel_part
def _write_lines(voxels: Voxels, row: int, slabs: Slabs, line: int) -> None:
    """Write one voxel's line; of several folds each, and their sum.

    A value that most conditions share is subtracted from each fold: differences of conditions
    don't change by that, and they keep their digits where it is large.
    """
    n, n_folds = voxels.n_conditions, voxels.n_folds
    if n_folds == 1:
        pack_slabs(
            voxels.values, row * n, n, slabs.shift, slabs.scale, slabs.packed, line * WIDE,
            slabs.slab,
        )  # fmt: skip
    else:
        first = line * n_folds * WIDE
        for fold in range(n_folds):
            source, shared = (row * n_folds + fold) * n, voxels.shared[row * n_folds + fold]
            for i in range(n):
                put(slabs.shift, i, shared)
            pack_slabs(
                voxels.values, source, n, slabs.shift, slabs.scale, slabs.folds,
                first + fold * WIDE, slabs.fold_slab,
            )  # fmt: skip
        for k in range(slabs.n_slabs):
            add_lines(
                slabs.folds, first + k * slabs.fold_slab, n_folds, slabs.packed,
                line * WIDE + k * slabs.slab,
            )  # fmt: skip


@kernel_part
def find_pending(
    near: SphereColumns, position: int, length: int, at: int, slabs: Positions
) -> None:
    """List the accumulators that take a position, by the group that they take of it.

    Where a centre, or a pair of neighbours, takes something for the first time, its accumulator is
    new; see `pushing.find_parts`.
    """
    for group in range(near.n_groups):
        put(slabs.pending, (at + group) * slabs.reach, 0)
        put(slabs.pending, (at + group) * slabs.reach + 1, 0)
    for new in (True, False):
        for k in range(near.longest):
            place, role = position - k, near.roles[k]
            first = k == near.first_alone or k == near.first_pair
            if place >= 0 and place < length + role and role != PAIRED and first == new:
                row = (at + near.group_at[k]) * slabs.reach
                n_slots = slabs.pending[row + 1]
                slot = place % near.n_own
                if role == PAIR:
                    slot = near.n_own + place % near.longest
                put(slabs.pending, row + 2 + n_slots, slot)
                put(slabs.pending, row + 1, n_slots + 1)
                put(slabs.pending, row, slabs.pending[row] + new)


@kernel_part
def count_voxels(near: SphereColumns, slabs: Positions, place: int) -> tuple[int, int]:
    """Count the finite voxels of a centre's patch, and those that are not finite."""
    size = 0
    n_bad = 0
    for k in range(near.longest):
        group = near.group_at[k]
        at = (place + k) * (near.n_groups + 1)
        size += slabs.bounds[at + group + 1] - slabs.bounds[at]
        n_bad += slabs.bad[(place + k) * near.n_groups + group]
    return size, n_bad
