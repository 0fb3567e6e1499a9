"""Patterns of several folds around a piece of a grid row, as lines for the tiles.

A line is a voxel in one fold: the sums of all other folds (the training patterns), then the fold's
own values (the test patterns), each ``width`` long; see `packing` for positions and columns.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import SphereColumns, Voxels
from bids_rsa.core.engine.fold_tiles import add_other_folds, pack_fold
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.tiles import N_X
from bids_rsa.core.engine.vectors import LANES, pointer_to, put

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_N_SAMPLES = 48


class FoldLines(NamedTuple):
    """What packing a piece of a row gives, and room for doing it.

    Attributes
    ----------
    packed : (n_lines * n_folds * 2 * width,) float64
    bounds : (n_positions * (n_groups + 1),) int64
        First voxel of each group of columns at each position, and the end.
    bad : (n_positions * n_groups,) int64
        Voxels that are not finite, in a position's groups up to each.
    shift : (n_folds * width,) float64
        Of each fold and condition.
    scale : (width,) float64
        Of each condition.
    offsets : (2 * width,) float64
        What shifts took away from the patterns of a line, scaled.
    n_voxels : int
        Voxels there is room for.
    n_moments : int
        Length of a line's sums and sums of squares, for whole tiles of vectors.
    """

    packed: Floats
    bounds: Integers
    bad: Integers
    shift: Floats
    scale: Floats
    offsets: Floats
    n_voxels: int
    n_moments: int


def room_for_fold_lines(n_positions: int, voxels: Voxels, near: SphereColumns) -> FoldLines:
    """Make room for a piece of a row with so many positions."""
    n_voxels, width = n_positions * near.n_columns, 2 * voxels.width
    return FoldLines(
        # vectors reach beyond the last line
        np.zeros(n_voxels * voxels.n_folds * width + 4 * LANES),
        np.empty(n_positions * (near.n_groups + 1), dtype=np.int64),
        np.empty(n_positions * near.n_groups, dtype=np.int64),
        np.zeros(voxels.n_folds * voxels.width),
        np.zeros(voxels.width),
        np.zeros(width),
        n_voxels,
        -(-2 * width // (N_X * LANES)) * N_X * LANES,
    )


@kernel_part
def fold_line_pointers(lines: FoldLines) -> FoldLines:
    """Return the same by pointers."""
    return FoldLines(
        pointer_to(lines.packed), pointer_to(lines.bounds), pointer_to(lines.bad),
        pointer_to(lines.shift), pointer_to(lines.scale), pointer_to(lines.offsets),
        lines.n_voxels, lines.n_moments,
    )  # fmt: skip


@kernel_part
def sample_folds(
    voxels: Voxels, near: SphereColumns, start: int, length: int, lines: FoldLines
) -> None:
    """Take means of some voxels as shifts, and powers of two near 1 / their size as scales.

    As `packing.sample`, of each fold; a condition has one scale in all folds.
    """
    n, n_folds = voxels.n_conditions, voxels.n_folds
    for k in range(n_folds * voxels.width):
        put(lines.shift, k, 0.0)
    for i in range(voxels.width):
        put(lines.scale, i, 0.0)
    n_places, n_found = near.n_columns * length, 0
    for place in range(0, n_places, max(1, n_places // _N_SAMPLES)):
        # a step that is a multiple of the columns would see but one of them
        column = (place + place // near.n_columns) % near.n_columns
        row = voxels.rows[start + near.starts[column] + place // near.n_columns]
        if row >= 0 and voxels.finite[row] > 0:
            n_found += 1
            for fold in range(n_folds):
                source, target = (row * n_folds + fold) * n, fold * voxels.width
                for i in range(n):
                    value = np.float64(voxels.values[source + i])
                    put(lines.shift, target + i, lines.shift[target + i] + value)
                    put(lines.scale, i, lines.scale[i] + math.frexp(value)[1])
    for k in range(n_folds * voxels.width):
        put(lines.shift, k, lines.shift[k] / max(n_found, 1))
    for i in range(n):
        # within 2^+-900, so that the scale and its inverse are normal numbers
        mean = lines.scale[i] / max(n_found * n_folds, 1)
        put(lines.scale, i, math.ldexp(1.0, -min(max(int(mean), -900), 900)))


@kernel_part
def pack_folds(
    voxels: Voxels, near: SphereColumns, start: int, length: int, lines: FoldLines,
    voxel_step: int, fold_step: int,
) -> None:  # fmt: skip
    """Write the lines around a piece of a row, shifted and scaled, and count them.

    The line of a voxel and fold starts at ``voxel * voxel_step + fold * fold_step``.
    """
    count = 0
    for position in range(length + near.longest - 1):
        at = position * (near.n_groups + 1)
        put(lines.bounds, at, count)
        n_bad = 0
        for group in range(near.n_groups):
            for column in range(near.first[group], near.first[group + 1]):
                row = -1
                if position < length + near.lengths[column] - 1:
                    row = int(voxels.rows[start + near.starts[column] + position])
                if row >= 0 and voxels.finite[row] > 0:
                    _write_folds(voxels, row, lines, count * voxel_step, fold_step)
                    count += 1
                elif row >= 0:
                    n_bad += 1
            put(lines.bounds, at + group + 1, count)
            put(lines.bad, position * near.n_groups + group, n_bad)


@kernel_part
def _write_folds(voxels: Voxels, row: int, lines: FoldLines, target: int, fold_step: int) -> None:
    """Write the lines of one voxel."""
    n, width = voxels.n_conditions, voxels.width
    n_full = n // LANES * LANES
    for fold in range(voxels.n_folds):
        source, test = (row * voxels.n_folds + fold) * n, target + fold * fold_step + width
        shift = fold * width
        pack_fold(
            voxels.values, source, n_full, lines.shift, shift, lines.scale, lines.packed, test
        )
        for i in range(n_full, n):
            value = np.float64(voxels.values[source + i]) - lines.shift[shift + i]
            put(lines.packed, test + i, value * lines.scale[i])
        for i in range(n, width):
            put(lines.packed, test + i, 0.0)
    add_other_folds(lines.packed, target, fold_step, voxels.n_folds, width)
