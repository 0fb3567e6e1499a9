"""The vertices of one or two hemispheres as a space: discs along the surface, GIFTI files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.gifti import GiftiImage
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency, join_adjacencies
from bids_rsa.core.neighborhood.patches import Patches, joined_patches
from bids_rsa.errors import ContentError
from bids_rsa.spaces.gifti import VertexMaps, maps_image, mask_image, read_maps
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.masks import inside_of
from bids_rsa.spaces.space import Floats, FoundMask, Integers, Mask, Smoother
from bids_rsa.spaces.surface_checks import check_surface_radius
from bids_rsa.spaces.surface_keys import is_of_mesh, surface_keys
from bids_rsa.spaces.surface_part import SurfacePart, smoothing_apart
from bids_rsa.spaces.vertex_layout import VertexLayout, layout_of


@dataclass(frozen=True, eq=False)
class SurfaceSpace:
    """The vertices of one hemisphere or of two, the left one first.

    Parameters
    ----------
    parts : tuple of SurfacePart
    geometry : str
        Which surface distances are measured along, in words.
    reference : str
        Where the coordinates come from, for sidecars: BIDS's ``SpatialReference``.
    coarse : SurfaceSpace, optional
        A coarser mesh that centres and maps are on.
    of_coarse : tuple of (n_coarse_vertices,) ndarray of int
        For each hemisphere, which vertex of this mesh each vertex of the coarser one is.
    """

    parts: tuple[SurfacePart, ...]
    geometry: str = ""
    reference: str = ""
    coarse: SurfaceSpace | None = None
    of_coarse: tuple[Integers, ...] = ()

    @property
    def n_locations(self) -> int:
        """Number of vertices of all hemispheres."""
        return sum(part.n_locations for part in self.parts)

    @property
    def words(self) -> tuple[str, str]:
        """What its locations are called."""
        return "vertex", "vertices"

    @property
    def size_unit(self) -> str:
        """Unit of `sizes`."""
        return "mm2"

    @property
    def outside(self) -> float:
        """NaN, which surface viewers do not draw."""
        return float("nan")

    @property
    def layout(self) -> VertexLayout:
        """Hemispheres and their numbers of vertices."""
        return VertexLayout(
            tuple((_side(part.hemisphere), part.n_locations) for part in self.parts)
        )

    def part_slices(self) -> dict[str, slice]:
        """Give the locations of each hemisphere."""
        ends = np.cumsum([0, *(part.n_locations for part in self.parts)]).tolist()
        return {
            part.hemisphere: slice(start, stop)
            for part, start, stop in zip(self.parts, ends[:-1], ends[1:], strict=True)
        }

    @property
    def centers(self) -> SurfaceSpace:
        """Where centres are: where the patterns are, if not on a coarser mesh."""
        return self.coarse or self

    def centers_among(self, inside: Mask) -> Mask:
        """Take from a mask of vertices (n_locations,) those that are vertices of `centers`."""
        if self.coarse is None:
            return inside
        own = [inside[one] for one in self.part_slices().values()]
        return np.concatenate([part[v] for part, v in zip(own, self.of_coarse, strict=True)])

    def _centers_of_parts(self, center_mask: Mask) -> list[Integers]:
        """List the centres of each hemisphere by their numbers on its own mesh."""
        own = [np.flatnonzero(center_mask[one]) for one in self.centers.part_slices().values()]
        if self.coarse is None:
            return own
        return [vertices[one] for vertices, one in zip(self.of_coarse, own, strict=True)]

    def sizes(self) -> Floats:
        """Area of each vertex in mm2."""
        return np.concatenate([part.areas_mm2() for part in self.parts])

    def structure_of(self, location: int) -> tuple[str, int | None]:
        """Name the hemisphere that a location is of, and its vertex."""
        for part, own in zip(self.parts, self.part_slices().values(), strict=True):
            if own.start <= location < own.stop:
                return f"cortex {part.hemisphere}", int(part.vertices[location - own.start])
        raise IndexError(f"there is no location {location}")

    def places_mm(self, locations: NDArray[Any]) -> Floats:
        """Coordinates (n, 3) of some vertices in mm."""
        all_places = [part.coordinates_mm[part.vertices] for part in self.parts]
        return np.asarray(np.concatenate(all_places)[np.asarray(locations)], dtype=np.float64)

    def neighborhood(
        self,
        patch_mask: Mask,
        center_mask: Mask,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Patches:
        """Find the discs around the centres; see `Space.neighborhood`."""
        slices, centers = self.part_slices().values(), self._centers_of_parts(center_mask)
        return joined_patches(
            *(
                part.discs(patch_mask[own], chosen, radius_mm, n_threads, patch_size)
                for part, own, chosen in zip(self.parts, slices, centers, strict=True)
            )
        )

    def reach(self, center_mask: Mask, radius_mm: float) -> slice:
        """Give all locations: vertices are in no order that would help."""
        return slice(0, self.n_locations)

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect the vertices that share an edge; see `Space.adjacency`."""
        slices = self.part_slices().values()
        return join_adjacencies(
            *(part.adjacency(inside[own]) for part, own in zip(self.parts, slices, strict=True))
        )

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing of each hemisphere; see `Space.smoother`."""
        slices = self.part_slices().values()
        return smoothing_apart(
            [
                (own, part.smoother(mask[own], fwhm_mm))
                for part, own in zip(self.parts, slices, strict=True)
            ]
        )

    def load_mask(self, paths: Sequence[str], kind: str) -> FoundMask:
        """Read masks of the hemispheres and intersect those of each; see `Space.load_mask`.

        A hemisphere without a mask is outside as a whole.
        """
        inside, warnings = np.zeros(self.n_locations, dtype=bool), []
        seen = set()
        for path in paths:
            found = read_maps(path)
            side, own = self._own(found, kind)
            mask, warning = inside_of(found.values[:, 0], f"{kind} {path}", self.words)
            if len(mask) != own.stop - own.start:
                raise ContentError(
                    f"The {kind} {path} has {len(mask):,} vertices; the images have "
                    f"{own.stop - own.start:,} in hemi-{side}.",
                    "Give a mask of the images' mesh.",
                )
            inside[own] = mask & inside[own] if side in seen else mask
            seen.add(side)
            warnings += [warning] if warning else []
        if not inside.any():
            raise ContentError(
                f"The {kind}s {', '.join(paths)} have no vertex in common.", "Check the masks."
            )
        return FoundMask(inside, (), tuple(warnings))

    def _own(self, found: VertexMaps, kind: str) -> tuple[str, slice]:
        """Find the locations that a mask is of."""
        side = layout_of(found).hemispheres[0][0]
        slices = self.part_slices()
        if side not in slices:
            raise ContentError(
                f"The {kind} {found.path} is of hemi-{side}, and the images are of "
                f"hemi-{', hemi-'.join(slices)}.",
            )
        return side, slices[side]

    def image(
        self,
        values: NDArray[Any],
        part: str = "",
        names: Sequence[str] = (),
        is_mask: bool = False,
    ) -> GiftiImage:
        """Make the GIFTI image of one hemisphere; see `Space.image`."""
        side = part or self.parts[0].hemisphere
        own = values[self.part_slices()[side]]
        if is_mask:
            return mask_image(own, _side(side))
        return maps_image(own, _side(side), tuple(names))

    def check_radius(self, radius_mm: float, name: str) -> None:
        """Refuse a radius shorter than the edges of the mesh, or as large as the hemisphere."""
        check_surface_radius(self.parts, radius_mm, name)

    def spatial_keys(self, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Name the surface and the distance; BIDS asks for more with den- and some spaces."""
        if self.coarse is None or not is_of_mesh(path, self.coarse.parts):
            return surface_keys(self, beside, path)
        return surface_keys(self.coarse, {}, path)


def _side(hemisphere: str) -> Hemisphere:
    """Tell the type checker that a hemisphere is one of two."""
    return "L" if hemisphere == "L" else "R"
