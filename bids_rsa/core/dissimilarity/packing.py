"""Patterns around a piece of a grid row, as lines for the tiles, position by position.

At each position of the row stand the voxels that the neighborhood's columns have there, the longest
columns first; voxels outside the mask, or not finite, are left out. Position p of the snapshots is
voxel p of every column, whose first voxel belongs to the first centre.

Kernels get these tuples as arrays and hand them on as pointers; see `_vectors.pointer_to`.
"""

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.tiles import N_X, add_lines, moments, pack_line
from bids_rsa.core.engine.vectors import LANES, pointer_to, put
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]

_N_SAMPLES = 48
_PADDED = 4  # conditions: lines have a multiple of these


class Voxels(NamedTuple):
    """The patterns, and where the grid has them.

    Attributes
    ----------
    values : (n_voxels * n_folds * n_conditions,) float32 or float64
    finite : (n_voxels,) uint8
        Whether all values of a voxel are.
    rows : (n_padded,) int32
        Of `SphereRows`.
    n_folds, n_conditions : int
    width : int
        Length of a line: the conditions, and zeros up to a multiple of four.
    n_moments : int
        Length of a line's sums and sums of squares, for whole tiles of vectors.
    """

    values: Values
    finite: Flags
    rows: NDArray[np.int32]
    n_folds: int
    n_conditions: int
    width: int
    n_moments: int


class Neighborhood(NamedTuple):
    """The columns of a neighborhood; see `SphereRows.starts` and `Columns`."""

    starts: Integers
    lengths: Integers
    first: Integers
    group_at: Integers
    n_columns: int
    n_groups: int
    longest: int


class Packed(Protocol):
    """What any way of packing keeps of a piece of a row; see `Lines`."""

    @property
    def bounds(self) -> Integers:
        """First line of each group of columns at each position, and the end."""

    @property
    def bad(self) -> Integers:
        """Voxels that are not finite, in a position's groups up to each."""

    @property
    def shift(self) -> Floats:
        """Of each condition."""

    @property
    def scale(self) -> Floats:
        """Of each condition."""


class Lines(NamedTuple):
    """What packing a piece of a row gives, and room for doing it.

    Attributes
    ----------
    packed : (n_lines * width,) float64
        One line for each voxel (the sum of its folds where there are several).
    folds : (n_lines * n_folds * width,) float64
        A line for each voxel and fold, where there are several.
    bounds : (n_positions * (n_groups + 1),) int64
        First line of each group of columns at each position, and the end.
    bad : (n_positions * n_groups,) int64
        Voxels that are not finite, in a position's groups up to each.
    shift, scale : (width,) float64
        Of each condition.
    """

    packed: Floats
    folds: Floats
    bounds: Integers
    bad: Integers
    shift: Floats
    scale: Floats


def padded_width(n_conditions: int) -> int:
    """Return the length of a line."""
    return -(-n_conditions // _PADDED) * _PADDED


def voxels_of(patterns: NDArray[np.floating[Any]], spheres: SphereRows) -> Voxels:
    """Find out which voxels of the patterns (n_voxels, n_folds, n_conditions) are finite."""
    n_voxels, n_folds, n_conditions = patterns.shape
    finite = np.empty(n_voxels, dtype=np.uint8)
    _find_finite(patterns.reshape(n_voxels, n_folds * n_conditions), finite)
    width = padded_width(n_conditions)
    n_moments = -(-2 * width // (N_X * LANES)) * N_X * LANES
    return Voxels(
        patterns.reshape(-1), finite, spheres.rows, n_folds, n_conditions, width, n_moments
    )


def neighborhood_of(spheres: SphereRows) -> Neighborhood:
    """Return the columns of spheres as the kernels take them."""
    columns = spheres.columns
    return Neighborhood(
        spheres.starts, columns.lengths, columns.first, columns.group_at,
        len(columns.lengths), len(columns.first) - 1, len(columns.group_at),
    )  # fmt: skip


def room_for_lines(n_positions: int, voxels: Voxels, near: Neighborhood) -> Lines:
    """Make room for a piece of a row with so many positions."""
    n_values = n_positions * near.n_columns * voxels.width
    return Lines(
        np.empty(n_values + 2 * LANES),  # vectors reach beyond the last line
        np.empty(n_values * voxels.n_folds + 2 * LANES if voxels.n_folds > 1 else 1),
        np.empty(n_positions * (near.n_groups + 1), dtype=np.int64),
        np.empty(n_positions * near.n_groups, dtype=np.int64),
        np.zeros(voxels.width),
        np.zeros(voxels.width),
    )


@kernel_part
def voxel_pointers(voxels: Voxels) -> Voxels:
    """Return the same by pointers."""
    return Voxels(
        pointer_to(voxels.values), pointer_to(voxels.finite), pointer_to(voxels.rows),
        voxels.n_folds, voxels.n_conditions, voxels.width, voxels.n_moments,
    )  # fmt: skip


@kernel_part
def neighborhood_pointers(near: Neighborhood) -> Neighborhood:
    """Return the same by pointers."""
    return Neighborhood(
        pointer_to(near.starts), pointer_to(near.lengths), pointer_to(near.first),
        pointer_to(near.group_at), near.n_columns, near.n_groups, near.longest,
    )  # fmt: skip


@kernel_part
def line_pointers(lines: Lines) -> Lines:
    """Return the same by pointers."""
    return Lines(
        pointer_to(lines.packed), pointer_to(lines.folds), pointer_to(lines.bounds),
        pointer_to(lines.bad), pointer_to(lines.shift), pointer_to(lines.scale),
    )  # fmt: skip


@summing_kernel
def _find_finite(values: NDArray[np.floating[Any]], finite: Flags) -> None:
    """Tell for each voxel whether all its values (n_voxels, n_values) are finite. O(values)."""
    for row in range(values.shape[0]):
        total = 0.0
        for k in range(values.shape[1]):
            total += np.float64(values[row, k]) * 0.0
        finite[row] = total == 0.0


@kernel_part
def sample(voxels: Voxels, near: Neighborhood, start: int, length: int, lines: Packed) -> None:
    """Take means of some voxels as shifts, and powers of two near 1 / their size as scales.

    Both serve rounding only: any constants would do. The size is a mean of exponents, so that a
    single voxel with an enormous value doesn't make all others vanish. Cost: 48 voxels (of the
    first fold).
    """
    n = voxels.n_conditions
    for i in range(n):
        put(lines.shift, i, 0.0)
        put(lines.scale, i, 0.0)
    n_places = near.n_columns * length
    n_found = 0
    for place in range(0, n_places, max(1, n_places // _N_SAMPLES)):
        # a step that is a multiple of the columns would see but one of them
        column = (place + place // near.n_columns) % near.n_columns
        row = voxels.rows[start + near.starts[column] + place // near.n_columns]
        if row >= 0 and voxels.finite[row] > 0:
            n_found += 1
            source = row * voxels.n_folds * n
            for i in range(n):
                value = np.float64(voxels.values[source + i])
                put(lines.shift, i, lines.shift[i] + value)
                put(lines.scale, i, lines.scale[i] + math.frexp(value)[1])
    for i in range(n):
        put(lines.shift, i, lines.shift[i] / max(n_found, 1))
        # within 2^+-900, so that the scale and its inverse are normal numbers
        exponent = min(max(int(lines.scale[i] / max(n_found, 1)), -900), 900)
        put(lines.scale, i, math.ldexp(1.0, -exponent))


@kernel_part
def pack(voxels: Voxels, near: Neighborhood, start: int, length: int, lines: Lines) -> None:
    """Write the lines around a piece of a row, shifted and scaled, and count them.

    Cost: one copy of the row's tube.
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
                    _write_lines(voxels, row, lines, count)
                    count += 1
                elif row >= 0:
                    n_bad += 1
            put(lines.bounds, at + group + 1, count)
            put(lines.bad, position * near.n_groups + group, n_bad)


@kernel_part
def _write_lines(voxels: Voxels, row: int, lines: Lines, line: int) -> None:
    """Write one voxel's line; of several folds each, and their sum.

    Folds are shifted by the first condition's value: differences of conditions don't change by
    that, and they keep their digits where all conditions share a large value.
    """
    width, n_folds = voxels.width, voxels.n_folds
    if n_folds == 1:
        _write_line(voxels, row, lines, lines.packed, line * width)
    else:
        first = line * n_folds
        for fold in range(n_folds):
            source = row * n_folds + fold
            for i in range(voxels.n_conditions):
                put(lines.shift, i, np.float64(voxels.values[source * voxels.n_conditions]))
            _write_line(voxels, source, lines, lines.folds, (first + fold) * width)
        add_lines(lines.folds, first, n_folds, width, lines.packed, line * width)


@kernel_part
def _write_line(voxels: Voxels, row: int, lines: Lines, packed: Floats, target: int) -> None:
    """Write the values of one row of the patterns, and zeros up to the line's end."""
    n = voxels.n_conditions
    n_full = n // LANES * LANES
    pack_line(voxels.values, row * n, n_full, lines.shift, lines.scale, packed, target)
    for i in range(n_full, n):
        value = np.float64(voxels.values[row * n + i])
        put(packed, target + i, (value - lines.shift[i]) * lines.scale[i])
    for i in range(n, voxels.width):
        put(packed, target + i, 0.0)


@kernel_part
def sum_up_lines(
    voxels: Voxels, near: Neighborhood, n_positions: int, lines: Lines, sums: Floats
) -> None:
    """Sum the values of a position's groups up to each, and their squares.

    ``sums`` is (n_positions, n_groups, n_moments): of a vector of conditions the sums, then the
    sums of squares, and so on. Cost: two operations per packed value.
    """
    step = voxels.n_moments
    for position in range(n_positions):
        at, target = position * (near.n_groups + 1), position * near.n_groups * step
        for i in range(0, voxels.width, 2 * LANES):
            moments(
                lines.packed, i, i, voxels.width, lines.bounds, at, near.n_groups, sums,
                target + 2 * i, step,
            )  # fmt: skip


@kernel_part
def count_voxels(near: Neighborhood, lines: Packed, place: int) -> tuple[int, int]:
    """Count the finite voxels of a centre's patch, and those that are not finite."""
    size = 0
    n_bad = 0
    for k in range(near.longest):
        group = near.group_at[k]
        at = (place + k) * (near.n_groups + 1)
        size += lines.bounds[at + group + 1] - lines.bounds[at]
        n_bad += lines.bad[(place + k) * near.n_groups + group]
    return size, n_bad
