"""The voxels of a grid as a space: spheres, faces that touch, NIfTI files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.group_scores import smooth_inside
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.protocol import Neighborhood
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.images import volume_image
from bids_rsa.spaces.masks import load_mask
from bids_rsa.spaces.space import Floats, FoundMask, Mask, Smoother
from bids_rsa.words import in_metres

# a radius from here on that also spans the image was given in another unit
IMPLAUSIBLE_RADIUS_MM = 100.0


@dataclass(frozen=True, eq=False)
class VolumeSpace:
    """The voxels of a grid in the order of ``np.ndindex(shape)``.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along the three axes.
    affine : ndarray, shape (4, 4)
        From voxel indices to mm.
    template : SpatialImage, optional
        Whose header's space codes the maps take over.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    template: SpatialImage | None = None

    @property
    def n_locations(self) -> int:
        """Number of voxels of the grid."""
        return self.layout.n_locations

    @property
    def words(self) -> tuple[str, str]:
        """What its locations are called."""
        return "voxel", "voxels"

    @property
    def size_unit(self) -> str:
        """Unit of `sizes`."""
        return "mm3"

    @property
    def outside(self) -> float:
        """Zero, as usual in volumes."""
        return 0.0

    @property
    def layout(self) -> Grid:
        """The grid."""
        return Grid(self.shape, self.affine)

    @property
    def centers(self) -> VolumeSpace:
        """Centres are where the patterns are."""
        return self

    def sizes(self) -> Floats:
        """Volume of each voxel in mm3."""
        return np.full(self.n_locations, abs(float(np.linalg.det(self.affine[:3, :3]))))

    def indices(self, locations: NDArray[Any]) -> NDArray[np.intp]:
        """Voxel indices (n, 3) of some locations."""
        return np.stack(np.unravel_index(np.asarray(locations), self.shape), axis=-1)

    def structure_of(self, location: int) -> tuple[str, int | None]:
        """Name no structure."""
        return "", None

    def places_mm(self, locations: NDArray[Any]) -> Floats:
        """Centres (n, 3) of some voxels in mm."""
        return np.asarray(apply_affine(self.affine, self.indices(locations)), dtype=np.float64)

    def neighborhood(
        self,
        patch_mask: Mask,
        center_mask: Mask,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Neighborhood:
        """Make the spheres around the centres; see `Space.neighborhood`."""
        # compiled code takes half a second to import: not for checking headers
        from bids_rsa.core.neighborhood.nearest import nearest_voxels
        from bids_rsa.core.neighborhood.spheres import sphere_rows

        if not center_mask.any():
            return Patches.of_lists([], int(np.count_nonzero(patch_mask)))
        patches, centers = patch_mask.reshape(self.shape), center_mask.reshape(self.shape)
        if patch_size is not None:
            return nearest_voxels(patches, centers, self.affine, radius_mm, patch_size, n_threads)
        return sphere_rows(patches, centers, self.affine, radius_mm)

    def reach(self, center_mask: Mask, radius_mm: float) -> slice:
        """Give the slab of planes within one radius of the centres along the first axis."""
        per_plane = self.n_locations // self.shape[0]
        inverse = np.linalg.inv(self.affine[:3, :3])
        planes = int(np.ceil(radius_mm * np.linalg.norm(inverse[0]) * (1 + 1e-6)))
        along = np.flatnonzero(center_mask.reshape(self.shape[0], -1).any(axis=1))
        first, last = max(0, int(along[0]) - planes), int(along[-1]) + planes + 1
        return slice(first * per_plane, min(last, self.shape[0]) * per_plane)

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect neighbouring voxels; see `Space.adjacency`."""
        return grid_adjacency(inside.reshape(self.shape), connectivity)

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing; see `Space.smoother`."""
        sizes = self.layout.voxel_sizes_mm

        def smooth(values: Floats, inside: Mask) -> Floats:
            volumes = values.reshape(self.shape), inside.reshape(self.shape)
            return smooth_inside(*volumes, fwhm_mm, sizes).ravel()

        return smooth

    def load_mask(self, paths: Sequence[str], kind: str) -> FoundMask:
        """Read masks, bring them to the grid, and intersect them; see `Space.load_mask`."""
        masks = [load_mask(path, self.layout, kind) for path in paths]
        voxels = np.logical_and.reduce([mask.voxels for mask in masks])
        if not voxels.any():
            raise ContentError(
                f"The {kind}s {', '.join(paths)} have no voxel in common.", "Check the masks."
            )
        return FoundMask(
            voxels.ravel(),
            tuple(mask.note for mask in masks if mask.note),
            tuple(mask.warning for mask in masks if mask.warning),
        )

    def image(
        self,
        values: NDArray[Any],
        part: str = "",
        names: Sequence[str] = (),
        is_mask: bool = False,
    ) -> nib.Nifti1Image:
        """Make a NIfTI image of the values' own type; see `Space.image`."""
        volume = values.reshape(*self.shape, *values.shape[1:])
        return volume_image(volume, self.affine, self.template)

    def check_radius(self, radius_mm: float, name: str) -> None:
        """Refuse a radius smaller than a voxel, or of 100 mm and as large as the image."""
        grid = self.layout
        smallest = float(grid.voxel_sizes_mm.min())
        if not radius_mm > 0 or radius_mm < smallest * (1 - 1e-6):
            raise OptionError(
                f"The radius is {radius_mm:g} mm, but the voxels of {name} are "
                f"{' x '.join(f'{size:.4g}' for size in grid.voxel_sizes_mm)} mm: a patch would "
                "contain at most one voxel.",
                f"Give a radius of at least {smallest:.4g} mm.{in_metres(radius_mm)}",
            )
        extent = grid.extent_mm()
        # the images are read with an infinite radius, so that they are read once for any radius
        if IMPLAUSIBLE_RADIUS_MM <= radius_mm < np.inf and radius_mm >= extent > 0:
            raise OptionError(
                f"The radius is {radius_mm:g} mm, but {name} measures {extent:.4g} mm from corner "
                "to corner: every patch would be the whole image, and the map one constant.",
                "Searchlights usually have a radius of 5 to 15 mm.",
            )

    def spatial_keys(self, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Take over the first image's space; BIDS asks for the resolution with res-."""
        keys = {key: beside[key] for key in ("SpatialReference", "Resolution") if key in beside}
        if "_res-" in path and "Resolution" not in keys:
            sizes = self.layout.voxel_sizes_mm
            keys["Resolution"] = " x ".join(f"{size:.4g}" for size in sizes) + " mm"
        return keys
