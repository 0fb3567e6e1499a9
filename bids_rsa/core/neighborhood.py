"""Which voxels belong to which centre: a sphere measured through the affine."""

import numpy as np
from numpy.typing import NDArray

RADIUS_TOLERANCE = 1e-6


def sphere_offsets(affine: NDArray[np.float64], radius_mm: float) -> NDArray[np.int64]:
    """Voxel offsets within a radius of a centre.

    Parameters
    ----------
    affine : (4, 4) float64
        Voxel indices to mm; its linear part may be oblique and anisotropic.
    radius_mm : float
        Distances up to this radius belong, with a relative tolerance of 1e-6.

    Returns
    -------
    offsets : (n_offsets, 3) int64
        In C order.
    """
    linear = np.asarray(affine, dtype=np.float64)[:3, :3]
    limit = radius_mm * (1 + RADIUS_TOLERANCE)
    # a row of the inverse says how many voxels along one axis a step of 1 mm can be
    reach = np.ceil(limit * np.linalg.norm(np.linalg.inv(linear), axis=1)).astype(int)
    axes = [np.arange(-r, r + 1) for r in reach]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(offsets @ linear.T, axis=1)
    return np.ascontiguousarray(offsets[distances <= limit])
