"""The voxels of one structure below the cortex: spheres, neighbours, smoothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.group_scores import smooth_inside
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.spaces.space import Floats, Mask, Smoother
from bids_rsa.spaces.volume import VolumeSpace

_CENTERS_PER_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class VolumePart:
    """The voxels of one structure, in the order of a file.

    Parameters
    ----------
    voxels : ndarray, shape (n_locations, 3)
        Their indices in the grid.
    shape : tuple of int
    affine : ndarray, shape (4, 4)
    """

    voxels: NDArray[Any]
    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    def spheres(
        self, patch_mask: Mask, center_mask: Mask, radius_mm: float, patch_size: int | None = None
    ) -> Patches:
        """Find the sphere around each centre, as lists in the order of the file.

        Parameters
        ----------
        patch_mask, center_mask : (n_locations,) bool
        radius_mm : float
        patch_size : int, optional
            Only the nearest so many voxels.
        """
        n_inside = int(np.count_nonzero(patch_mask))
        lists: list[NDArray[Any]] = [np.empty(0, np.int64)] * int(np.count_nonzero(center_mask))
        if not lists or not n_inside:
            return Patches.of_lists(lists, n_inside)
        spheres = VolumeSpace(self.shape, self.affine).neighborhood(
            self._on_grid(patch_mask).ravel(),
            self._on_grid(center_mask).ravel(),
            radius_mm,
            patch_size=patch_size,
        )
        # rows and centres in the order of the grid, and their places in the file
        row_of, center_of = self._file_order(patch_mask), self._file_order(center_mask)
        for block in spheres.blocks(_CENTERS_PER_BLOCK, 2**30):
            starts, rows = spheres.members(block)
            for k, number in enumerate(block.centers):
                lists[center_of[number]] = np.sort(row_of[rows[starts[k] : starts[k + 1]]])
        return Patches.of_lists(lists, n_inside)

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect neighbouring voxels inside a mask (n_locations,), in the order of the file."""
        on_grid = grid_adjacency(self._on_grid(inside), connectivity)
        to_file = self._file_order(inside)
        to_grid = np.argsort(to_file)
        counts = np.diff(on_grid.starts)[to_grid]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        lists = [
            np.sort(to_file[on_grid.neighbors[on_grid.starts[k] : on_grid.starts[k + 1]]])
            for k in to_grid
        ]
        neighbors = np.concatenate([np.empty(0, np.int32), *lists]).astype(np.int32)
        return Adjacency(starts, neighbors, on_grid.sizes, on_grid.extent_power)

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing of values (n_locations,), in the smallest box around the voxels."""
        places = tuple((self.voxels - self.voxels.min(axis=0)).T)
        box = tuple(int(size) for size in np.ptp(self.voxels, axis=0) + 1)
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)

        def smooth(values: Floats, inside: Mask) -> Floats:
            volume, where = np.zeros(box), np.zeros(box, dtype=bool)
            volume[places], where[places] = values, inside
            return smooth_inside(volume, where, fwhm_mm, sizes)[places]

        return smooth

    def _on_grid(self, chosen: Mask) -> NDArray[np.bool_]:
        """Put some voxels (n_locations,) on the grid."""
        volume = np.zeros(self.shape, dtype=bool)
        volume[tuple(self.voxels[chosen].T)] = True
        return volume

    def _file_order(self, chosen: Mask) -> NDArray[np.intp]:
        """Give the numbers in the file of some voxels, in the order of the grid."""
        flat = np.ravel_multi_index(tuple(self.voxels[chosen].T), self.shape)
        return np.argsort(flat, kind="stable")
