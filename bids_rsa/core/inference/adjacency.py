"""Which locations are neighbours, and how large each is: a grid and a mesh alike, as CSR lists."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

VOLUME_EXTENT_POWER = 0.5
SURFACE_EXTENT_POWER = 1.0
HEIGHT_POWER = 2.0


class Near(NamedTuple):
    """Neighbours as kernels take them.

    Attributes
    ----------
    starts, neighbors, sizes
        See `Adjacency`.
    places : (n_locations,) int32
        Where locations stand in a grid with a margin; empty without one.
    steps : (n_steps,) int64
        From a place to those of its neighbours, in the order of ``neighbors``; empty without.
    n_places : int
        Places of the grid, or locations.
    """

    starts: npt.NDArray[np.int64]
    neighbors: npt.NDArray[np.int32]
    sizes: FloatArray
    places: npt.NDArray[np.int32]
    steps: npt.NDArray[np.int64]
    n_places: int


class Lattice(NamedTuple):
    """Locations of size 1 on a grid, all of whose neighbours are the same steps away."""

    places: npt.NDArray[np.int32]
    steps: npt.NDArray[np.int64]
    n_places: int


@dataclass(frozen=True, eq=False)
class Adjacency:
    """The neighbours and sizes of the locations tested, and the powers of TFCE on them.

    Attributes
    ----------
    starts : (n_locations + 1,) int64
        The neighbours of location ``i`` are ``neighbors[starts[i]:starts[i + 1]]``.
    neighbors : (n_pairs,) int32
        Every pair stands in both directions.
    sizes : (n_locations,) float64
        What a location adds to an extent: 1 for a voxel, mm2 for a vertex.
    extent_power, height_power : float
        E and H of TFCE (Smith and Nichols 2009): 0.5 and 2 in a volume, 1 and 2 on a surface.
    parts : tuple of ((n_locations,) bool, Adjacency)
        Locations that share no measure (the cortex in mm2, voxels below it) and have their own
        powers of TFCE and maxima; empty where all share one.
    lattice : Lattice or None
        The same neighbours by steps on a grid, which are found faster; None where there is no grid.
    """

    starts: npt.NDArray[np.int64]
    neighbors: npt.NDArray[np.int32]
    sizes: FloatArray
    extent_power: float = VOLUME_EXTENT_POWER
    height_power: float = HEIGHT_POWER
    parts: tuple[tuple[npt.NDArray[np.bool_], "Adjacency"], ...] = ()
    lattice: Lattice | None = field(default=None, repr=False)

    @property
    def near(self) -> Near:
        """The neighbours as kernels take them."""
        none = np.empty(0, np.int32), np.empty(0, np.int64), self.n_locations
        return Near(self.starts, self.neighbors, self.sizes, *(self.lattice or none))

    @property
    def n_locations(self) -> int:
        """Number of locations."""
        return len(self.sizes)


def mesh_adjacency(
    triangles: npt.ArrayLike, areas_mm2: npt.ArrayLike, inside: npt.ArrayLike
) -> Adjacency:
    """Connect the vertices that share an edge of a mesh.

    Parameters
    ----------
    triangles : (n_triangles, 3) array_like of int
        Vertices of each triangle.
    areas_mm2 : (n_vertices,) array_like
        Area that belongs to each vertex.
    inside : (n_vertices,) array_like of bool
        The vertices tested.

    Returns
    -------
    Adjacency
        Of the vertices inside, in the order of ``np.flatnonzero(inside)``.

    Raises
    ------
    ValueError
        Triangles of vertices that are not there, lengths that differ, or areas that are not
        finite and above 0.
    """
    inside = np.asarray(inside, dtype=bool)
    areas = np.asarray(areas_mm2, dtype=np.float64)
    corners = np.asarray(triangles, dtype=np.int64).reshape(-1, 3)
    if areas.shape != inside.shape or areas.ndim != 1:
        raise ValueError(f"{areas.shape} areas for a mask of shape {inside.shape}")
    if corners.size and not (corners.min() >= 0 and corners.max() < len(areas)):
        raise ValueError(f"triangles name vertices beyond the {len(areas)} of the mesh")
    if not (np.isfinite(areas[inside]) & (areas[inside] > 0)).all():
        raise ValueError("areas of vertices must be finite and above 0")
    places = np.full(len(areas), -1, dtype=np.int64)
    places[inside] = np.arange(inside.sum())
    edges = places[np.vstack([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])]
    edges = edges[(edges >= 0).all(axis=1) & (edges[:, 0] != edges[:, 1])]
    pairs = np.unique(np.vstack([edges, edges[:, ::-1]]), axis=0)
    starts = np.searchsorted(pairs[:, 0], np.arange(inside.sum() + 1))
    return Adjacency(
        starts.astype(np.int64),
        np.ascontiguousarray(pairs[:, 1], dtype=np.int32),
        areas[inside],
        SURFACE_EXTENT_POWER,
    )


def parted(*parts: tuple[npt.NDArray[np.bool_], Adjacency]) -> Adjacency:
    """Put locations together that share no measure: extents and TFCE of each part stay apart.

    Parameters
    ----------
    *parts : ((n_locations,) bool, Adjacency)
        Which locations each is of; every location is of one.

    Returns
    -------
    Adjacency
        With ``parts``; its own powers are those of the first.

    Raises
    ------
    ValueError
        Locations of no part or of several.
    """
    if not (np.sum([own for own, _ in parts], axis=0) == 1).all():
        raise ValueError("every location must be of one part")
    n_locations = len(parts[0][0])
    tails, heads, sizes = [], [], np.zeros(n_locations)
    for own, part in parts:
        places = np.flatnonzero(own)
        sizes[own] = part.sizes
        tails.append(np.repeat(places, np.diff(part.starts)))
        heads.append(places[part.neighbors])
    tail, head = np.concatenate(tails), np.concatenate(heads)
    order = np.lexsort((head, tail))
    return Adjacency(
        np.searchsorted(tail[order], np.arange(n_locations + 1)).astype(np.int64),
        head[order].astype(np.int32),
        sizes,
        parts[0][1].extent_power,
        parts[0][1].height_power,
        parts,
    )


def join_adjacencies(*parts: Adjacency) -> Adjacency:
    """Put locations that are not connected (two hemispheres) behind each other.

    Raises
    ------
    ValueError
        Parts whose TFCE has other powers: their values cannot share a maximum.
    """
    if len({(part.extent_power, part.height_power) for part in parts}) != 1:
        raise ValueError("the parts differ in the powers of TFCE, so their values have no maximum")
    before = np.cumsum([0, *(part.n_locations for part in parts)])
    pairs_before = np.cumsum([0, *(len(part.neighbors) for part in parts)])
    starts = [
        part.starts[:-1] + n for part, n in zip(parts, pairs_before[:-1].tolist(), strict=True)
    ]
    neighbors = [
        part.neighbors + np.int32(n) for part, n in zip(parts, before[:-1].tolist(), strict=True)
    ]
    return Adjacency(
        np.concatenate([*starts, pairs_before[-1:]]).astype(np.int64),
        np.concatenate(neighbors).astype(np.int32),
        np.concatenate([part.sizes for part in parts]),
        parts[0].extent_power,
        parts[0].height_power,
    )
