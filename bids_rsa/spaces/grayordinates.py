"""Grayordinates as a space: vertices of the cortex and voxels below it, CIFTI files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from nibabel.cifti2 import Cifti2Image
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency, join_adjacencies, parted
from bids_rsa.core.neighborhood.patches import Patches, joined_patches
from bids_rsa.errors import ContentError
from bids_rsa.spaces.cifti import open_cifti, read_cifti_map, scalar_image
from bids_rsa.spaces.grayordinate_layout import CORTEX, GrayordinateLayout
from bids_rsa.spaces.masks import inside_of
from bids_rsa.spaces.space import Floats, FoundMask, Mask, Smoother
from bids_rsa.spaces.surface_checks import check_surface_radius
from bids_rsa.spaces.surface_keys import surface_keys
from bids_rsa.spaces.surface_part import SurfacePart, smoothing_apart
from bids_rsa.spaces.volume import VolumeSpace
from bids_rsa.spaces.volume_part import VolumePart


@dataclass(frozen=True, eq=False)
class GrayordinateSpace:
    """Vertices of the cortex and voxels of the structures below it, in the order of a file.

    Discs stay in their hemisphere, spheres in their structure.

    Parameters
    ----------
    grayordinates : GrayordinateLayout
    parts : tuple of SurfacePart
        The meshes of the structures of the cortex, in their order.
    geometry : str
        Which surface distances are measured along, in words.
    reference : str
        BIDS's ``SpatialReference``.
    """

    grayordinates: GrayordinateLayout
    parts: tuple[SurfacePart, ...]
    geometry: str = ""
    reference: str = ""

    @property
    def n_locations(self) -> int:
        """Number of grayordinates."""
        return self.grayordinates.n_locations

    @property
    def words(self) -> tuple[str, str]:
        """What its locations are called."""
        return "grayordinate", "grayordinates"

    @property
    def size_unit(self) -> str:
        """Unit of `sizes`: mm2 of vertices, mm3 of voxels."""
        return "mm2 or mm3"

    @property
    def outside(self) -> float:
        """NaN, which viewers do not draw."""
        return float("nan")

    @property
    def layout(self) -> GrayordinateLayout:
        """The grayordinates of the files."""
        return self.grayordinates

    def structures(self) -> Iterator[tuple[str, slice, SurfacePart | VolumePart]]:
        """Give each structure, its locations, and its mesh or its voxels."""
        meshes = {part.hemisphere: part for part in self.parts}
        grid, start = self.grayordinates, 0
        for name, count in grid.structures:
            own = slice(start, start + count)
            if name in CORTEX:
                yield name, own, meshes[CORTEX[name]]
            else:
                yield name, own, VolumePart(grid.voxels[own], grid.shape, grid.affine)
            start += count

    @property
    def has_voxels(self) -> bool:
        """Whether there are structures below the cortex."""
        return any(isinstance(part, VolumePart) for *_, part in self.structures())

    def part_slices(self) -> dict[str, slice]:
        """Give the locations of each hemisphere."""
        return {
            part.hemisphere: own
            for _, own, part in self.structures()
            if isinstance(part, SurfacePart)
        }

    @property
    def _volume(self) -> VolumeSpace:
        """The grid of the voxels."""
        return VolumeSpace(self.grayordinates.shape, self.grayordinates.affine)

    @property
    def centers(self) -> GrayordinateSpace:
        """Centres are where the patterns are."""
        return self

    def sizes(self) -> Floats:
        """Area of each vertex in mm2, volume of each voxel in mm3."""
        voxel = abs(float(np.linalg.det(self.grayordinates.affine[:3, :3])))
        found = np.full(self.n_locations, voxel)
        for _, own, part in self.structures():
            if isinstance(part, SurfacePart):
                found[own] = part.areas_mm2()
        return found

    def structure_of(self, location: int) -> tuple[str, int | None]:
        """Name the structure that a location is of, and its vertex; None for a voxel."""
        for name, own, part in self.structures():
            if own.start <= location < own.stop:
                if isinstance(part, VolumePart):
                    return name.removeprefix("CIFTI_STRUCTURE_").lower(), None
                return f"cortex {part.hemisphere}", int(part.vertices[location - own.start])
        raise IndexError(f"there is no location {location}")

    def places_mm(self, locations: NDArray[Any]) -> Floats:
        """Coordinates (n, 3) of some grayordinates in mm."""
        places = np.asarray(
            apply_affine(self.grayordinates.affine, self.grayordinates.voxels), dtype=np.float64
        )
        for _, own, part in self.structures():
            if isinstance(part, SurfacePart):
                places[own] = part.coordinates_mm[part.vertices]
        return places[np.asarray(locations)]

    def neighborhood(
        self,
        patch_mask: Mask,
        center_mask: Mask,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Patches:
        """Find the discs and spheres around the centres; see `Space.neighborhood`."""
        found = []
        for _, own, part in self.structures():
            inside, centers = patch_mask[own], center_mask[own]
            if isinstance(part, VolumePart):
                found.append(part.spheres(inside, centers, radius_mm, patch_size))
            else:
                chosen = np.flatnonzero(centers)
                found.append(part.discs(inside, chosen, radius_mm, n_threads, patch_size))
        return joined_patches(*found)

    def reach(self, center_mask: Mask, radius_mm: float) -> slice:
        """Give all locations."""
        return slice(0, self.n_locations)

    def adjacencies(self, inside: Mask, connectivity: int = 6) -> Iterator[tuple[Mask, Adjacency]]:
        """Connect the grayordinates of the cortex, then those of the structures below it.

        Areas and volumes have no common measure, so each has its own clusters and TFCE.

        Yields
        ------
        chosen : (n_locations,) bool
            The locations inside that the adjacency is of.
        adjacency : Adjacency
            In the order of ``np.flatnonzero(chosen)``.
        """
        for on_surface in (True, False):
            chosen, found = np.zeros(self.n_locations, dtype=bool), []
            for _, own, part in self.structures():
                if isinstance(part, SurfacePart) == on_surface:
                    chosen[own] = inside[own]
                    found.append(part.adjacency(inside[own], connectivity))
            if chosen.any():
                yield chosen, join_adjacencies(*found)

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect neighbouring grayordinates; cortex and voxels are parts with maxima of their own.

        See `Space.adjacency`.
        """
        found = list(self.adjacencies(inside, connectivity))
        if len(found) == 1:
            return found[0][1]
        return parted(*((chosen[inside], adjacency) for chosen, adjacency in found))

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing within each structure; see `Space.smoother`."""
        return smoothing_apart(
            [(own, part.smoother(mask[own], fwhm_mm)) for _, own, part in self.structures()]
        )

    def load_mask(self, paths: Sequence[str], kind: str) -> FoundMask:
        """Read masks of the same grayordinates and intersect them; see `Space.load_mask`."""
        inside, warnings = np.ones(self.n_locations, dtype=bool), []
        for path in paths:
            opened = open_cifti(path)
            self.layout.refuse_other(opened.layout, path, "the images")
            mask, warning = inside_of(read_cifti_map(opened, 0), f"{kind} {path}", self.words)
            inside &= mask
            warnings += [warning] if warning else []
        if not inside.any():
            raise ContentError(
                f"The {kind}s {', '.join(paths)} have no grayordinate in common.",
                "Check the masks.",
            )
        return FoundMask(inside, (), tuple(warnings))

    def image(
        self,
        values: NDArray[Any],
        part: str = "",
        names: Sequence[str] = (),
        is_mask: bool = False,
    ) -> Cifti2Image:
        """Make a dense scalar image; see `Space.image`."""
        return scalar_image(values, self.grayordinates, tuple(names))

    def check_radius(self, radius_mm: float, name: str) -> None:
        """Refuse a radius as `SurfaceSpace` does, or without cortex as `VolumeSpace` does."""
        if self.parts:
            check_surface_radius(self.parts, radius_mm, name)
        else:
            self._volume.check_radius(radius_mm, name)

    def spatial_keys(self, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Name the surface and the distance; BIDS asks for more with den- and some spaces."""
        keys = surface_keys(self, beside, path)
        of_meshes = ("SurfaceGeometry", "SurfaceDistance") if not self.parts else ()
        return {key: value for key, value in keys.items() if key not in of_meshes}
