"""The mesh of one hemisphere: discs along it, areas, neighbours, smoothing; coarser meshes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency, mesh_adjacency
from bids_rsa.core.neighborhood.mesh import reached_graph, vertex_areas
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.errors import ContentError
from bids_rsa.spaces.gifti import Mesh
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.space import Floats, Integers, Mask, Smoother

# discs are found in pieces, so that distances of few are held at a time
_CENTERS_AT_A_TIME = 8192


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

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect the locations inside a mask (n_locations,) along the edges of the mesh.

        ``connectivity`` is of voxels.
        """
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
