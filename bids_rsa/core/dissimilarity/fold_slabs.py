"""Patterns of several folds around some positions of a grid row, packed into slabs.

Slab after slab (see `engine.push_tiles`): of each fold the training patterns, which are sums of all
other folds, and then the test patterns, its own; last, the roots of the voxels' weights.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import SphereColumns, Voxels, row_of
from bids_rsa.core.dissimilarity.slabs import count_slabs, find_pending
from bids_rsa.core.engine.fold_tiles import pack_folds
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.push_tiles import MOMENT_SLABS
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import WIDE, pointer_to, prefetch, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# bytes of the patterns that are packed at a time, about half of a core's second cache
_PACKED = 2**20
_APART = 8 * WIDE  # slabs a power of two apart would share few places of the cache


class FoldSlabs(NamedTuple):
    """Packed patterns of some positions, and the pending centres of each.

    Attributes
    ----------
    packed : (n_read * slab,) float64
        A line for each voxel.
    bounds, bad, pending
        As in `slabs.Slabs`.
    shift : (n_folds * n_slabs * WIDE,) float64
        Of each fold and condition.
    scale : (n_slabs * WIDE,) float64
        Of each condition.
    offsets : (2 * n_folds * n_slabs * WIDE,) float64
        What shifts took away from the training and test patterns of each fold, scaled.
    roots : (n_voxels,) float64
        Of the voxels' weights; empty where all weigh the same.
    slab : int
        Length of a slab.
    n_slabs : int
        Slabs of the conditions, of one fold's training or test patterns.
    n_all : int
        Slabs of all patterns, and one more where there are weights.
    n_at_once, reach : int
        As in `slabs.Slabs`.
    weighted : bool
    """

    packed: Floats
    bounds: Integers
    bad: Integers
    pending: Integers
    shift: Floats
    scale: Floats
    offsets: Floats
    roots: Floats
    slab: int
    n_slabs: int
    n_all: int
    n_at_once: int
    reach: int
    weighted: bool


def room_for_fold_slabs(
    n_positions: int, voxels: Voxels, near: SphereColumns, roots: Floats
) -> FoldSlabs:
    """Make room for a piece of a row with so many positions."""
    n_slabs, weighted = count_slabs(voxels.n_conditions), len(roots) > 0
    n_all = 2 * voxels.n_folds * n_slabs + weighted
    n_at_once = min(max(_PACKED // (near.n_columns * n_all * WIDE * 8), 2), n_positions)
    slab, reach = n_at_once * near.n_columns * WIDE + _APART, near.longest + 2
    n_read = -(-n_all // MOMENT_SLABS) * MOMENT_SLABS  # those without patterns stay 0
    return FoldSlabs(
        make_room(n_read * slab),
        np.empty(n_positions * (near.n_groups + 1), dtype=np.int64),
        np.empty(n_positions * near.n_groups, dtype=np.int64),
        np.empty(n_at_once * near.n_groups * reach, dtype=np.int64),
        np.zeros(voxels.n_folds * n_slabs * WIDE),
        np.zeros(n_slabs * WIDE),
        np.zeros(2 * voxels.n_folds * n_slabs * WIDE),
        roots,
        slab,
        n_slabs,
        n_all,
        n_at_once,
        reach,
        weighted,
    )


@kernel_part
def fold_slab_pointers(slabs: FoldSlabs) -> FoldSlabs:
    """Return the same by pointers."""
    return FoldSlabs(
        pointer_to(slabs.packed), pointer_to(slabs.bounds), pointer_to(slabs.bad),
        pointer_to(slabs.pending), pointer_to(slabs.shift), pointer_to(slabs.scale),
        pointer_to(slabs.offsets), pointer_to(slabs.roots), slabs.slab, slabs.n_slabs, slabs.n_all,
        slabs.n_at_once, slabs.reach, slabs.weighted,
    )  # fmt: skip


@kernel_part
def find_offsets(n_folds: int, slabs: FoldSlabs, cosine: bool) -> None:
    """Write what is taken away from the patterns, of each fold and of the others' sum.

    Nothing is for cosine, whose shifts become 0.
    """
    width = slabs.n_slabs * WIDE
    for i in range(width):
        for fold in range(n_folds):
            if cosine:
                put(slabs.shift, fold * width + i, 0.0)
            put(slabs.offsets, (2 * fold + 1) * width + i, slabs.shift[fold * width + i])
        for fold in range(n_folds):
            others = 0.0
            for other in range(n_folds):
                others += slabs.shift[other * width + i] if other != fold else 0.0
            put(slabs.offsets, 2 * fold * width + i, others)
        for k in range(2 * n_folds):
            put(slabs.offsets, k * width + i, slabs.offsets[k * width + i] * slabs.scale[i])


@kernel_part
def pack_fold_positions(
    voxels: Voxels, near: SphereColumns, start: int, length: int, first: int, last: int,
    slabs: FoldSlabs,
) -> None:  # fmt: skip
    """Pack the positions from first up to, not with, last of a piece of a row; see `slabs`."""
    count, n_values = 0, voxels.n_folds * voxels.n_conditions
    for position in range(first, last):
        at = position * (near.n_groups + 1)
        put(slabs.bounds, at, count)
        n_bad = 0
        for group in range(near.n_groups):
            for column in range(near.first[group], near.first[group + 1]):
                row = row_of(voxels, near, start, length, column, position)
                if row >= 0 and voxels.finite[row] > 0:
                    _write_lines(voxels, row, slabs, count * WIDE)
                    count += 1
                elif row >= 0:
                    n_bad += 1
                following = row_of(voxels, near, start, length, column, position + 1)
                prefetch(voxels.values, max(following, 0) * n_values, n_values)
            put(slabs.bounds, at + group + 1, count)
            put(slabs.bad, position * near.n_groups + group, n_bad)
        find_pending(near, position, length, (position - first) * near.n_groups, slabs)


@kernel_part
def _write_lines(voxels: Voxels, row: int, slabs: FoldSlabs, line: int) -> None:
    """Write the lines of one voxel, and the root of its weight."""
    shape = voxels.n_folds, voxels.n_conditions
    root = slabs.roots[row] if slabs.weighted else 1.0
    pack_folds(
        voxels.values, row * shape[0] * shape[1], shape, slabs.shift, slabs.scale, root,
        slabs.packed, line, slabs.slab,
    )  # fmt: skip
    if slabs.weighted:
        for lane in range(WIDE):
            put(slabs.packed, line + (slabs.n_all - 1) * slabs.slab + lane, root)
