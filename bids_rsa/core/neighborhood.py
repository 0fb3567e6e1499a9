"""Neighborhoods: which voxels of a grid lie within a radius of a centre."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# voxels at exactly the radius belong to the patch, whatever the rounding of the affine
_RADIUS_TOLERANCE = 1e-6


def sphere_offsets(affine: ArrayLike, radius_mm: float, shape: ArrayLike) -> NDArray[np.int64]:
    """Index offsets of the voxels whose centre lies within a radius of a voxel's centre.

    Parameters
    ----------
    affine : (4, 4) array_like
        Voxel indices to mm; oblique and anisotropic grids are measured as they are.
    radius_mm : float
        Distances up to the radius count (relative tolerance 1e-6).
    shape : (3,) array_like of int
        Shape of the grid; longer offsets than fit into it are left out.

    Returns
    -------
    offsets : (n_offsets, 3) int64
        In the order of the grid (last axis fastest), (0, 0, 0) among them.

    Raises
    ------
    ValueError
        A radius that is not positive and finite, or an affine that cannot be inverted.
    """
    linear = np.asarray(affine, dtype=np.float64)[:3, :3]
    if not (np.isfinite(radius_mm) and radius_mm > 0):
        raise ValueError(f"the radius must be a positive number of mm, not {radius_mm!r}")
    if not np.isfinite(linear).all() or abs(np.linalg.det(linear)) == 0:
        raise ValueError(f"the affine's linear part cannot be inverted:\n{linear}")
    limit = radius_mm * (1 + _RADIUS_TOLERANCE)
    # |delta_k| = |row k of the inverse . d| <= its norm x |d|
    reach = np.floor(limit * np.linalg.norm(np.linalg.inv(linear), axis=1) * (1 + 1e-9))
    reach = np.minimum(reach, np.maximum(np.asarray(shape) - 1, 0)).astype(np.int64)
    box = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    squared_mm = np.sum((box @ linear.T) ** 2, axis=1)
    return np.ascontiguousarray(box[squared_mm <= limit**2])


class Grid:
    """Rows of the voxel matrix on a padded grid, so that a neighborhood is one set of shifts.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        Voxels that have a row, numbered in C order.
    offsets : (n_offsets, 3) int64
        The neighborhood.

    Attributes
    ----------
    rows : (n_padded,) int32
        Row of each voxel of the padded grid; -1 outside the mask.
    shifts : (n_offsets,) int64
        The offsets in the flat padded grid.
    """

    def __init__(self, mask: NDArray[np.bool_], offsets: NDArray[np.int64]) -> None:
        self.reach = np.abs(offsets).max(axis=0)
        self.shape = np.array(mask.shape) + 2 * self.reach
        rows = np.full(self.shape, -1, dtype=np.int32)
        inside = tuple(slice(r, r + n) for r, n in zip(self.reach, mask.shape, strict=True))
        rows[inside][mask] = np.arange(np.count_nonzero(mask), dtype=np.int32)
        self.rows = rows.ravel()
        self.shifts = offsets @ self._strides()

    def _strides(self) -> NDArray[np.int64]:
        """Return the steps in the flat padded grid along each axis."""
        return np.array([self.shape[1] * self.shape[2], self.shape[2], 1], dtype=np.int64)

    def flat(self, ijk: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions (n,) of voxels (n, 3) in the flat padded grid."""
        flat: NDArray[np.int64] = (ijk + self.reach) @ self._strides()
        return flat

    def patch(self, flat: int) -> NDArray[np.int32]:
        """Rows of the voxels in the patch around one position, in ascending order."""
        rows: NDArray[np.int32] = self.rows[flat + self.shifts]
        return np.asarray(rows[rows >= 0])
