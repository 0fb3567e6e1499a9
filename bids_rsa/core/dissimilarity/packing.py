"""Patterns on a grid, and the columns of a neighborhood along its rows.

Patterns around a piece of a row become lines for the tiles, position by position: at each position
stand the voxels that the neighborhood's columns have there, the longest columns first; voxels
outside the mask, or not finite, are left out. Position p is voxel p of every column, whose first
voxel belongs to the first centre.

Kernels get these tuples as arrays and hand them on as pointers; see `_vectors.pointer_to`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel_part, summing_kernel
from bids_rsa.core.engine.vectors import pointer_to
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.uint8]
Values = NDArray[np.floating[Any]]

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
    """

    values: Values
    finite: Flags
    rows: NDArray[np.int32]
    n_folds: int
    n_conditions: int
    width: int


class SphereColumns(NamedTuple):
    """The columns of spheres, as kernels take them; see `SphereRows.starts` and `Columns`."""

    starts: Integers
    lengths: Integers
    first: Integers
    group_at: Integers
    n_columns: int
    n_groups: int
    longest: int


def padded_width(n_conditions: int) -> int:
    """Return the length of a line."""
    return -(-n_conditions // _PADDED) * _PADDED


def voxels_of(patterns: NDArray[np.floating[Any]], spheres: SphereRows) -> Voxels:
    """Find out which voxels of the patterns (n_voxels, n_folds, n_conditions) are finite."""
    n_voxels, n_folds, n_conditions = patterns.shape
    finite = np.empty(n_voxels, dtype=np.uint8)
    _find_finite(patterns.reshape(n_voxels, n_folds * n_conditions), finite)
    width = padded_width(n_conditions)
    return Voxels(patterns.reshape(-1), finite, spheres.rows, n_folds, n_conditions, width)


def sphere_columns(spheres: SphereRows) -> SphereColumns:
    """Return the columns of spheres as the kernels take them."""
    columns = spheres.columns
    return SphereColumns(
        spheres.starts, columns.lengths, columns.first, columns.group_at,
        len(columns.lengths), len(columns.first) - 1, len(columns.group_at),
    )  # fmt: skip


@kernel_part
def voxel_pointers(voxels: Voxels) -> Voxels:
    """Return the same by pointers."""
    return Voxels(
        pointer_to(voxels.values), pointer_to(voxels.finite), pointer_to(voxels.rows),
        voxels.n_folds, voxels.n_conditions, voxels.width,
    )  # fmt: skip


@kernel_part
def column_pointers(near: SphereColumns) -> SphereColumns:
    """Return the same by pointers."""
    return SphereColumns(
        pointer_to(near.starts), pointer_to(near.lengths), pointer_to(near.first),
        pointer_to(near.group_at), near.n_columns, near.n_groups, near.longest,
    )  # fmt: skip


@summing_kernel
def _find_finite(values: NDArray[np.floating[Any]], finite: Flags) -> None:
    """Tell for each voxel whether all its values (n_voxels, n_values) are finite. O(values)."""
    for row in range(values.shape[0]):
        total = 0.0
        for k in range(values.shape[1]):
            total += np.float64(values[row, k]) * 0.0
        finite[row] = total == 0.0
