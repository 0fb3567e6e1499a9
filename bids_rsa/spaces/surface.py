"""The vertices of one or two hemispheres as a space: discs along the surface, GIFTI files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.gifti import GiftiImage
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency, join_adjacencies, mesh_adjacency
from bids_rsa.core.neighborhood.mesh import reached_graph, vertex_areas
from bids_rsa.core.neighborhood.patches import Patches, joined_patches
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.spaces.gifti import (
    Hemisphere,
    Mesh,
    VertexMaps,
    maps_image,
    mask_image,
    read_maps,
)
from bids_rsa.spaces.masks import inside_of
from bids_rsa.spaces.space import Floats, FoundMask, Integers, Mask, Smoother
from bids_rsa.spaces.surface_files import density_label

DISTANCE = "dijkstra over edges and unfolded triangle pairs"
# a left hemisphere whose middle lies so far to the right of the right one's is no left one
_SWAPPED_MM = 10.0
# discs are found in pieces, so that distances of few are held at a time
_CENTERS_AT_A_TIME = 8192


@dataclass(frozen=True)
class VertexLayout:
    """Values on vertices: the hemispheres in their order, and how many vertices each has."""

    hemispheres: tuple[tuple[Hemisphere, int], ...]

    @property
    def n_locations(self) -> int:
        """Number of vertices of all hemispheres."""
        return sum(n for _, n in self.hemispheres)

    def equals(self, other: Any) -> bool:
        """Tell whether both have the same hemispheres with as many vertices."""
        return isinstance(other, VertexLayout) and self.hemispheres == other.hemispheres

    def cortices(self) -> Iterator[tuple[Hemisphere, slice, int, NDArray[np.int64]]]:
        """Give the locations of each hemisphere, the size of its mesh, and their vertices."""
        start = 0
        for side, n in self.hemispheres:
            yield side, slice(start, start + n), n, np.arange(n)
            start += n

    def followed_by(self, other: VertexLayout) -> VertexLayout:
        """Put the vertices of another hemisphere behind these."""
        return VertexLayout((*self.hemispheres, *other.hemispheres))

    def describe(self) -> str:
        """Name hemispheres and numbers for a message."""
        named = (f"{n:,} vertices of hemi-{side}" for side, n in self.hemispheres)
        return " and ".join(named)

    def differences(self, other: Any) -> str:
        """Say in words in what this layout differs from another."""
        if not isinstance(other, VertexLayout):
            return "surface and volume"
        if [side for side, _ in self.hemispheres] != [side for side, _ in other.hemispheres]:
            return "the hemispheres"
        return "nothing" if self.equals(other) else "the numbers of vertices"

    def bring(self, values: NDArray[Any], source: Any, name: str, first: str) -> NDArray[Any]:
        """Return the values as they are, if they are of these vertices; else see `refuse_other`."""
        self.refuse_other(source, name, first)
        return np.ascontiguousarray(values).ravel()

    def refuse_other(self, source: Any, name: str, first: str) -> None:
        """Refuse a file whose values are not of these vertices.

        Raises
        ------
        ContentError
            Describes both.
        """
        if not self.equals(source):
            raise ContentError(
                f"Images of one analysis are on different meshes: {self.differences(source)} "
                f"differ.\n  {first}: {self.describe()}\n  {name}: {source.describe()}",
                "Resample the images to one mesh first.",
            )


def layout_of(maps: VertexMaps) -> VertexLayout:
    """Find which hemisphere a file of maps is of, and how many vertices it has.

    Raises
    ------
    ContentError
        Neither the file nor its name says which hemisphere it is of.
    """
    if maps.hemisphere is None:
        raise ContentError(
            f"{maps.path} is of an unknown hemisphere: it has no AnatomicalStructurePrimary, and "
            "its name has no hemi-L or hemi-R.",
            "Name it as BIDS does (..._hemi-L_...), or set the structure (wb_command "
            "-set-structure).",
        )
    return VertexLayout(((maps.hemisphere, len(maps.values)),))


@dataclass(frozen=True, eq=False)
class SurfacePart:
    """The mesh of one hemisphere, and which of its vertices are locations.

    Parameters
    ----------
    hemisphere : {"L", "R"}
    coordinates_mm : ndarray, shape (n_vertices, 3)
    triangles : ndarray, shape (n_triangles, 3)
    vertices : ndarray, shape (n_locations,)
        Ascending; all of them in GIFTI, those outside the medial wall in CIFTI.
    areas : ndarray, shape (n_vertices,), optional
        In mm2, where they are not those of this mesh but means over several.
    """

    hemisphere: str
    coordinates_mm: NDArray[np.float64]
    triangles: NDArray[np.int32]
    vertices: NDArray[np.int64]
    areas: NDArray[np.float64] | None = None

    @classmethod
    def of_mesh(
        cls, mesh: Mesh, hemisphere: Hemisphere, vertices: NDArray[Any] | None = None
    ) -> SurfacePart:
        """Take all vertices of a mesh, or some."""
        chosen = np.arange(len(mesh.coordinates_mm)) if vertices is None else np.asarray(vertices)
        return cls(hemisphere, mesh.coordinates_mm, mesh.triangles, chosen.astype(np.int64))

    @property
    def n_locations(self) -> int:
        """Number of locations."""
        return len(self.vertices)

    def areas_mm2(self) -> Floats:
        """Area of each location (n_locations,)."""
        return self._areas()[self.vertices]

    def _areas(self) -> Floats:
        """Area of each vertex of the mesh in mm2."""
        if self.areas is not None:
            return self.areas
        return vertex_areas(self.coordinates_mm, self.triangles)

    def discs(
        self,
        patch_mask: Mask,
        chosen: Integers,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Patches:
        """Find the disc around each centre; paths may run across vertices outside the masks.

        Parameters
        ----------
        patch_mask : (n_locations,) bool
        chosen : (n_centers,) int
            Locations.
        radius_mm : float
        n_threads : int
        patch_size : int, optional
            Only the nearest so many vertices.
        """
        # compiled code takes half a second to import: not for checking headers
        from bids_rsa.core.neighborhood.geodesics import geodesic_discs

        centers, counts, rows = self.vertices[chosen], [], []
        graph = reached_graph(self.coordinates_mm, self.triangles, centers, radius_mm)
        row_of = np.full(len(self.coordinates_mm), -1, dtype=np.int32)
        row_of[self.vertices[patch_mask]] = np.arange(np.count_nonzero(patch_mask))
        for start in range(0, len(centers), _CENTERS_AT_A_TIME):
            found = geodesic_discs(
                graph,
                centers[start : start + _CENTERS_AT_A_TIME],
                radius_mm,
                members=row_of >= 0,
                max_members=patch_size,
                with_distances=False,
                n_threads=n_threads,
            )
            counts.append(np.diff(found.starts))
            rows.append(row_of[found.members])
        starts = np.cumsum(np.concatenate([[0], *counts]), dtype=np.int64)
        members = np.concatenate([np.empty(0, np.int32), *rows])
        return Patches(starts, members, int(np.count_nonzero(patch_mask)))

    def adjacency(self, inside: Mask) -> Adjacency:
        """Connect the locations inside a mask (n_locations,) along the edges of the mesh."""
        chosen = np.zeros(len(self.coordinates_mm), dtype=bool)
        chosen[self.vertices[inside]] = True
        return mesh_adjacency(self.triangles, self._areas(), chosen)

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing along the surface of values (n_locations,) inside a mask."""
        # scipy.sparse takes time to import: only where maps are smoothed
        from bids_rsa.core.inference.mesh_smoothing import mesh_smoother

        on_mesh = mesh_smoother(self.coordinates_mm, self.triangles, self.vertices[mask], fwhm_mm)

        def smooth(values: Floats, inside: Mask) -> Floats:
            smoothed = np.full(len(values), np.nan)
            smoothed[mask] = on_mesh(values[mask], inside[mask])
            return smoothed

        return smooth


def smoothing_apart(smoothers: Sequence[tuple[slice, Smoother]]) -> Smoother:
    """Smooth structures, each by itself: values of one never reach another."""

    def smooth(values: Floats, inside: Mask) -> Floats:
        return np.concatenate([one(values[own], inside[own]) for own, one in smoothers])

    return smooth


def refuse_swapped(parts: Sequence[SurfacePart]) -> None:
    """Refuse a left hemisphere that lies to the right of the right one.

    Raises
    ------
    ContentError
        Says where they lie.
    """
    middle = {part.hemisphere: float(part.coordinates_mm[:, 0].mean()) for part in parts}
    if len(middle) == 2 and middle["L"] > middle["R"] + _SWAPPED_MM:
        raise ContentError(
            f"The surface of the left hemisphere lies around x = {middle['L']:.0f} mm, that of the "
            f"right one around x = {middle['R']:.0f} mm: left and right are swapped.",
            "Check which hemisphere each surface is of.",
        )


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
        A coarser mesh that centres and maps lie on.
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
        """Where centres lie: where the patterns do, if not on a coarser mesh."""
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


def coarser_part(
    part: SurfacePart, triangles: NDArray[np.int32], vertices: Integers, path: str
) -> SurfacePart:
    """Make a coarser mesh of some of the vertices of a mesh.

    Parameters
    ----------
    part : SurfacePart
        With all vertices of its mesh.
    triangles : (n_triangles, 3)
        Of the coarser mesh.
    vertices : (n_coarse_vertices,)
        Which vertex of the mesh each of the coarser one is.
    path : str
        Where they come from, for messages.

    Raises
    ------
    ContentError
        These are not the vertices of the coarser mesh.
    """
    n_coarse = len(vertices)
    if n_coarse > part.n_locations or vertices.max(initial=0) >= part.n_locations:
        raise ContentError(
            f"{path} has {n_coarse:,} vertices, and the images {part.n_locations:,}."
        )
    coarse = SurfacePart(
        part.hemisphere, part.coordinates_mm[vertices], triangles, np.arange(n_coarse)
    )
    # with other vertices edges would cross the hemisphere
    expected = _edge_mm(part) * np.sqrt(part.n_locations / n_coarse)
    if _edge_mm(coarse) > 2 * expected:
        raise ContentError(
            f"The vertices of {path} are not among those of the images' mesh: its edges would "
            f"measure {_edge_mm(coarse):.3g} mm there, {expected:.3g} mm are expected.",
            "Omit --center-density.",
        )
    return coarse


def _edge_mm(part: SurfacePart) -> float:
    """Median length of the edges of a mesh in mm."""
    a, b = part.coordinates_mm[part.triangles[:, 0]], part.coordinates_mm[part.triangles[:, 1]]
    return float(np.median(np.linalg.norm(a - b, axis=1)))


def _side(hemisphere: str) -> Hemisphere:
    """Tell the type checker that a hemisphere is one of two."""
    return "L" if hemisphere == "L" else "R"


def check_surface_radius(parts: Sequence[SurfacePart], radius_mm: float, name: str) -> None:
    """Refuse a radius that reaches no neighbour of most vertices, or everything.

    Raises
    ------
    OptionError
        With the lengths of edges and the extent.
    """
    edges, extents = [], []
    for part in parts:
        a, b = part.coordinates_mm[part.triangles[:, 0]], part.coordinates_mm[part.triangles[:, 1]]
        edges.append(np.linalg.norm(a - b, axis=1))
        extents.append(float(np.linalg.norm(np.ptp(part.coordinates_mm, axis=0))))
    edge = float(np.median(np.concatenate(edges)))
    if not radius_mm > 0 or radius_mm < edge:
        raise OptionError(
            f"The radius is {radius_mm:g} mm, but the edges of the mesh of {name} measure "
            f"{edge:.3g} mm (median): most patches would hold one vertex.",
            f"Give a radius in mm of at least {2 * edge:.2g}.",
        )
    if np.inf > radius_mm >= max(extents):
        raise OptionError(
            f"The radius is {radius_mm:g} mm, but the surface of {name} measures "
            f"{max(extents):.4g} mm from corner to corner: every patch would be a whole "
            "hemisphere, and the map one constant.",
            "Searchlights usually have a radius of 5 to 15 mm.",
        )


def is_of_mesh(path: str, parts: Sequence[SurfacePart]) -> bool:
    """Tell whether the density in a file's name is that of a mesh; true without one."""
    label = Path(path).name.partition("_den-")[2].partition("_")[0]
    labels = [density_label(len(part.coordinates_mm)) for part in parts]
    return not label or label in labels


# spaces that BIDS knows as standard, where SpatialReference is not needed
_STANDARD = {"fsaverage", "fsLR", "fsnative"}


def surface_keys(space: Any, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Say in a sidecar which surface a map lies on.

    Parameters
    ----------
    space : SurfaceSpace or GrayordinateSpace
        ``parts``, ``geometry`` and ``reference`` are used.
    beside : mapping
        The sidecar of the first image.
    path : str
        Of the map.
    """
    keys: dict[str, Any] = {
        key: beside[key] for key in ("SpatialReference", "Density") if key in beside
    }
    if "_den-" in path and "Density" not in keys:
        sizes = (f"{len(p.coordinates_mm):,} vertices (hemi-{p.hemisphere})" for p in space.parts)
        keys["Density"] = ", ".join(sizes)
    name = Path(path).name
    label = name.partition("_space-")[2].partition("_")[0]
    if label and label not in _STANDARD and "SpatialReference" not in keys:
        keys["SpatialReference"] = space.reference or label
    return keys | {"SurfaceGeometry": space.geometry, "SurfaceDistance": DISTANCE}
