"""Patterns on a grid, and the columns of a neighborhood along its rows.

Patterns around a piece of a row become lines for the tiles, position by position: at each position
stand the voxels that the neighborhood's columns have there, the longest columns first; voxels
outside the mask, or not finite, are left out. Position p is voxel p of every column, whose first
voxel belongs to the first centre.

Kernels get these tuples as arrays and hand them on as pointers; see `engine.vectors.pointer_to`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.rooms import make_room
from bids_rsa.core.engine.vectors import pointer_to
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]

ALONE, PAIR, PAIRED = 0, 1, 2
_PADDED = 4  # conditions: lines have a multiple of these


class Voxels(NamedTuple):
    """The patterns, and where the grid has them.

    Attributes
    ----------
    values : (n_voxels * n_folds * n_conditions,) float32 or float64
    finite : (n_voxels,) uint8
        Whether all values of a voxel are.
    shared : (n_voxels * n_folds,) float64
        What is subtracted from a voxel's values in each fold; see `care.find_shared`. Empty: none.
    rows : (n_padded,) int32
        Row of each voxel of the padded grid in the patterns; -1: none.
    n_folds, n_conditions : int
    width : int
        Length of a line: the conditions, and zeros up to a multiple of four.
    """

    values: Values
    finite: Flags
    shared: Floats
    rows: NDArray[np.int32]
    n_folds: int
    n_conditions: int
    width: int


class SphereColumns(NamedTuple):
    """The columns of spheres, as kernels take them; see `SphereRows.starts` and `Columns`.

    Attributes
    ----------
    delays : (n_columns,) int64
        Position of the window where each column begins.
    roles : (longest,) int64
        For each position of the window PAIR where it and the next one take the same group of
        columns, so that two neighbouring centres take the same sum; PAIRED for the next one;
        otherwise ALONE.
    first_alone, first_pair : int
        First position with ALONE and with PAIR; -1 if there is none.
    n_own : int
        Centres that have sums of their own at a time: 1 if only the last position is ALONE.
    """

    starts: Integers
    lengths: Integers
    first: Integers
    group_at: Integers
    delays: Integers
    roles: Integers
    n_columns: int
    n_groups: int
    longest: int
    first_alone: int
    first_pair: int
    n_own: int


def padded_width(n_conditions: int) -> int:
    """Return the length of a line."""
    return -(-n_conditions // _PADDED) * _PADDED


def voxels_of(
    patterns: NDArray[np.floating[Any]],
    spheres: SphereRows,
    shared: Floats | None = None,
    in_order: bool = False,
) -> Voxels:
    """Find out which voxels of the patterns (n_voxels, n_folds, n_conditions) are finite.

    If ``in_order``, the patterns are copied into the order of the padded grid: voxels that are read
    one after the other then lie side by side, which takes an eighth off the time of few conditions.
    """
    n_voxels, n_folds, n_conditions = patterns.shape
    rows, shared = spheres.rows, np.empty(0) if shared is None else shared
    values = patterns.reshape(n_voxels, n_folds * n_conditions)
    finite = np.empty(n_voxels, dtype=np.uint8)
    if in_order:
        if len(shared):
            shared = shared.reshape(n_voxels, -1)[rows[rows >= 0]].ravel()
        lines, numbers = _make_lines(values), np.empty_like(rows)
        _copy_in_order(values, rows, lines, finite, numbers)
        values, rows = lines, numbers
    else:
        _find_finite(values, finite)
    width = padded_width(n_conditions)
    return Voxels(values.reshape(-1), finite, shared, rows, n_folds, n_conditions, width)


def _make_lines(values: Values) -> Values:
    """Make room for a copy of values (n_voxels, n_values)."""
    room = make_room(-(-values.nbytes // 8)).view(values.dtype)
    return room[: values.size].reshape(values.shape)


def sphere_columns(spheres: SphereRows, paired: bool = False) -> SphereColumns:
    """Return the columns of spheres as the kernels take them.

    They begin at the first position of the window. Where positions are paired, they end at the last
    one, which takes all of them and has no partner.
    """
    columns, group_at = spheres.columns, spheres.columns.group_at
    longest = len(group_at)
    delays = np.zeros_like(columns.lengths)
    roles = [ALONE] * longest
    if paired:
        delays, group_at = longest - columns.lengths, group_at[::-1].copy()
        roles = _roles(group_at)
    first_alone, first_pair = (roles.index(r) if r in roles else -1 for r in (ALONE, PAIR))
    return SphereColumns(
        spheres.starts, columns.lengths, columns.first, group_at, delays, np.array(roles),
        len(columns.lengths), len(columns.first) - 1, longest, first_alone, first_pair,
        1 if first_alone in (-1, longest - 1) else longest,
    )  # fmt: skip


def _roles(group_at: Integers) -> list[int]:
    """Pair each position of the window with the next one where both take the same group."""
    roles: list[int] = []
    while len(roles) < len(group_at):
        k = len(roles)
        pair = k + 1 < len(group_at) and group_at[k] == group_at[k + 1]
        roles += [PAIR, PAIRED] if pair else [ALONE]
    return roles


@kernel_part
def voxel_pointers(voxels: Voxels) -> Voxels:
    """Return the same by pointers."""
    return Voxels(
        pointer_to(voxels.values), pointer_to(voxels.finite), pointer_to(voxels.shared),
        pointer_to(voxels.rows), voxels.n_folds, voxels.n_conditions, voxels.width,
    )  # fmt: skip


@kernel_part
def column_pointers(near: SphereColumns) -> SphereColumns:
    """Return the same by pointers."""
    return SphereColumns(
        pointer_to(near.starts), pointer_to(near.lengths), pointer_to(near.first),
        pointer_to(near.group_at), pointer_to(near.delays), pointer_to(near.roles),
        near.n_columns, near.n_groups, near.longest, near.first_alone, near.first_pair, near.n_own,
    )  # fmt: skip


@kernel_part
def row_of(
    voxels: Voxels, near: SphereColumns, start: int, length: int, column: int, place: int
) -> int:
    """Return the row of the patterns at a place of a column around a piece of a row; -1: none.

    Places are counted from where the column begins.
    """
    row = -1
    if place >= 0 and place < length + near.lengths[column] - 1:
        row = int(voxels.rows[start + near.starts[column] + place])
    return row


@summing_kernel
def _find_finite(values: NDArray[np.floating[Any]], finite: Flags) -> None:
    """Tell for each voxel whether all its values (n_voxels, n_values) are finite. O(values)."""
    for row in range(values.shape[0]):
        total = 0.0
        for k in range(values.shape[1]):
            total += np.float64(values[row, k]) * 0.0
        finite[row] = total == 0.0


@summing_kernel
def _copy_in_order(
    values: Values, rows: NDArray[np.int32], lines: Values, finite: Flags,
    numbers: NDArray[np.int32],
) -> None:  # fmt: skip
    """Copy the values of the padded grid's voxels in their order, and number them accordingly.

    Tells for each voxel whether all its values are finite. O(values).
    """
    count = 0
    for place, row in enumerate(rows):
        numbers[place] = -1
        if row >= 0:
            total = 0.0
            for k in range(values.shape[1]):
                value = values[row, k]
                lines[count, k] = value
                total += np.float64(value) * 0.0
            finite[count] = total == 0.0
            numbers[place] = count
            count += 1
