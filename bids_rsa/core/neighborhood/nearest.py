"""Neighborhoods of a fixed size on a grid: the voxels nearest to each centre, up to a radius."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.sphere_offsets import sphere_offsets

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

# distances that differ by less are equal: the affine's rounding decides no order
_DECIMALS_MM = 6
_CENTERS_PER_TASK = 4096


def nearest_voxels(
    patch_mask: Mask,
    center_mask: Mask,
    affine: ArrayLike,
    radius_mm: float,
    n_voxels: int,
    n_threads: int = 1,
) -> Patches:
    """Find the voxels nearest to each centre, no more than so many, none beyond the radius.

    Parameters
    ----------
    patch_mask, center_mask : (X, Y, Z) bool
        Voxels that patches use, and the centres, in the order of ``np.argwhere(center_mask)``.
    affine, radius_mm
        See `bids_rsa.core.neighborhood.spheres.sphere_offsets`.
    n_voxels : int
        Of equally far ones (to 1e-6 mm) those with the smaller index are taken. Voxels outside of
        ``patch_mask`` do not count: others, farther away, are taken for them.
    n_threads : int
        Changes nothing in the result.

    Returns
    -------
    Patches
        Patches near an edge are smaller where the radius holds too few voxels.

    Raises
    ------
    ValueError
        Masks of other shapes, no voxel asked for; see also `sphere_offsets`.
    """
    if patch_mask.ndim != 3 or patch_mask.shape != center_mask.shape:
        raise ValueError(f"masks of shape {patch_mask.shape} and {center_mask.shape}")
    if n_voxels < 1:
        raise ValueError(f"a patch contains at least 1 voxel, not {n_voxels}")
    offsets = sphere_offsets(affine, radius_mm, patch_mask.shape)
    steps_mm = np.linalg.norm(offsets @ np.asarray(affine, dtype=np.float64)[:3, :3].T, axis=1)
    # stable: equally far offsets stay in the order of the grid
    offsets = offsets[np.argsort(np.round(steps_mm, _DECIMALS_MM), kind="stable")]
    rows = np.full(patch_mask.shape, -1, dtype=np.int32)
    rows[patch_mask] = np.arange(np.count_nonzero(patch_mask), dtype=np.int32)
    centers = np.argwhere(center_mask)

    def some(begin: int) -> Any:
        return _nearest(rows, centers[begin : begin + _CENTERS_PER_TASK], offsets, n_voxels)

    with ThreadPoolExecutor(n_threads) as pool:
        found = list(pool.map(some, range(0, len(centers), _CENTERS_PER_TASK)))
    counts = np.concatenate([[0], *(counts for counts, _ in found)])
    members = np.concatenate([np.empty(0, np.int32), *(members for _, members in found)])
    return Patches(np.cumsum(counts, dtype=np.int64), members, int(np.count_nonzero(patch_mask)))


@kernel
def _nearest(
    rows: NDArray[np.int32], centers: Integers, offsets: Integers, most: int
) -> tuple[Integers, NDArray[np.int32]]:
    """Take offsets in the order of their distance until a patch is full: sizes, members."""
    counts = np.empty(len(centers), np.int64)
    members = np.empty(len(centers) * min(most, len(offsets)), np.int32)
    total = 0
    for c in range(len(centers)):
        count = 0
        for k in range(len(offsets)):
            i = centers[c, 0] + offsets[k, 0]
            j = centers[c, 1] + offsets[k, 1]
            m = centers[c, 2] + offsets[k, 2]
            if i < 0 or j < 0 or m < 0:
                continue
            if i >= rows.shape[0] or j >= rows.shape[1] or m >= rows.shape[2]:
                continue
            if rows[i, j, m] < 0:
                continue
            members[total + count] = rows[i, j, m]
            count += 1
            if count == most:
                break
        members[total : total + count] = np.sort(members[total : total + count])
        counts[c] = count
        total += count
    return counts, members[:total].copy()
