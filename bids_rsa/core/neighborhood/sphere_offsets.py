"""Which voxels of a grid lie within a radius of a voxel, or of any point."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# voxels at exactly the radius belong to the patch, whatever the rounding of the affine
_RADIUS_TOLERANCE = 1e-6

Integers = NDArray[np.int64]


def sphere_offsets(affine: ArrayLike, radius_mm: float, shape: ArrayLike) -> Integers:
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
    linear = _checked_linear(affine, radius_mm)
    limit = radius_mm * (1 + _RADIUS_TOLERANCE)
    reach = np.floor(_reach(linear, limit))
    reach = np.minimum(reach, np.maximum(np.asarray(shape) - 1, 0)).astype(np.int64)
    box = np.indices(2 * reach + 1).reshape(3, -1).T - reach
    squared_mm = np.sum((box @ linear.T) ** 2, axis=1)
    return np.ascontiguousarray(box[squared_mm <= limit**2])


def sphere_around(center_mm: ArrayLike, affine: ArrayLike, radius_mm: float) -> Integers:
    """Find the voxels of an unbounded grid within a radius of any point.

    Parameters
    ----------
    center_mm : (3,) array_like
        The point, in mm.
    affine : (4, 4) array_like
        Voxel indices to mm.
    radius_mm : float
        Distances up to the radius count, as in `sphere_offsets`.

    Returns
    -------
    voxels : (n_voxels, 3) int64
        Also negative ones, and others that no image has.

    Raises
    ------
    ValueError
        As in `sphere_offsets`.
    """
    linear = _checked_linear(affine, radius_mm)
    limit = radius_mm * (1 + _RADIUS_TOLERANCE)
    shift = np.asarray(affine, dtype=np.float64)[:3, 3] - np.asarray(center_mm, dtype=np.float64)
    middle = -np.linalg.solve(linear, shift)
    reach = _reach(linear, limit)
    low = np.ceil(middle - reach - 1e-6).astype(np.int64)
    high = np.floor(middle + reach + 1e-6).astype(np.int64)
    box = np.indices(np.maximum(high - low + 1, 0)).reshape(3, -1).T + low
    squared_mm = np.sum((box @ linear.T + shift) ** 2, axis=1)
    return np.ascontiguousarray(box[squared_mm <= limit**2])


def _checked_linear(affine: ArrayLike, radius_mm: float) -> NDArray[np.float64]:
    """Return the linear part of an affine, once it and the radius are sound."""
    linear = np.asarray(affine, dtype=np.float64)[:3, :3]
    if not (np.isfinite(radius_mm) and radius_mm > 0):
        raise ValueError(f"the radius must be a positive number of mm, not {radius_mm!r}")
    if not np.isfinite(linear).all() or abs(np.linalg.det(linear)) == 0:
        raise ValueError(f"the affine's linear part cannot be inverted:\n{linear}")
    return linear


def _reach(linear: NDArray[np.float64], limit_mm: float) -> NDArray[np.float64]:
    """Voxels along each axis that a radius reaches: |delta_k| = |row k of the inverse . d|."""
    return np.asarray(limit_mm * np.linalg.norm(np.linalg.inv(linear), axis=1) * (1 + 1e-9))
