"""Voxels between the white and the pial surface, and the discs of the cortex that they form."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.neighborhood.geodesics import Discs, geodesic_discs
from bids_rsa.core.neighborhood.mesh import reached_graph
from bids_rsa.core.neighborhood.patches import Patches

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_CENTERS_AT_A_TIME = 4096
_TRIANGLES_AT_A_TIME = 2**15
_INSIDE = -1e-9
_FLAT = 1e-12
# tetrahedra of a prism over a triangle with ascending vertices: corners below 3 are white, others
# pial. Each wall is cut from the lower vertex's white to the higher one's pial corner, from both
# sides, so that prisms leave no gap
_TETRAHEDRA = np.array([[0, 1, 2, 5], [0, 1, 4, 5], [0, 3, 4, 5]])


@dataclass(frozen=True)
class Cortex:
    """White and pial surface of one hemisphere, in the space of the voxels.

    Attributes
    ----------
    white_mm, pial_mm : (n_vertices, 3) array_like
    triangles : (n_triangles, 3) array_like of int
    inside : (n_vertices,) bool, optional
        The vertices of the cortex; all without it.
    """

    white_mm: ArrayLike
    pial_mm: ArrayLike
    triangles: ArrayLike
    inside: Mask | None = None


class RibbonVoxels(NamedTuple):
    """Voxels between the surfaces, each with the vertex that it belongs to.

    Attributes
    ----------
    vertices : (n_pairs,) int64
        Ascending.
    voxels : (n_pairs,) int64
        In the order of the flat grid. A voxel belongs to one vertex, but to several where prisms
        overlap (surfaces that cross themselves) or where its centre lies on the border of two.
    """

    vertices: Integers
    voxels: Integers


def ribbon_voxels(cortex: Cortex, affine: ArrayLike, shape: Sequence[int]) -> RibbonVoxels:
    """Find the voxels whose centre lies between the white and the pial surface.

    White and pial surface have the same triangles, and each pair of triangles is the ends of a
    prism. A voxel whose centre lies in a prism belongs to that of its three vertices with the
    largest barycentric weight. Nothing depends on how fine the mesh is compared to the voxels.

    Parameters
    ----------
    cortex : Cortex
    affine : (4, 4) array_like
        Voxel indices to mm.
    shape : sequence of int
        Of the grid.

    Returns
    -------
    RibbonVoxels

    Raises
    ------
    ValueError
        Surfaces of different meshes, or an affine that cannot be inverted.
    """
    white, pial = (np.asarray(p, dtype=np.float64) for p in (cortex.white_mm, cortex.pial_mm))
    triangles = np.sort(np.asarray(cortex.triangles, dtype=np.int64), axis=1)
    if white.shape != pial.shape or white.ndim != 2 or white.shape[1] != 3:
        raise ValueError(f"white and pial surface have shapes {white.shape} and {pial.shape}")
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(white)):
        raise ValueError(f"triangles name vertices that the {len(white)} of the surfaces lack")
    inverse = np.linalg.inv(np.asarray(affine, dtype=np.float64))
    ends = np.stack([points @ inverse[:3, :3].T + inverse[:3, 3] for points in (white, pial)])
    inside = np.ones(len(white), bool) if cortex.inside is None else np.asarray(cortex.inside)
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(triangles), _TRIANGLES_AT_A_TIME):
        some = triangles[start : start + _TRIANGLES_AT_A_TIME]
        for corners in _TETRAHEDRA:
            owners, layers = corners % 3, corners // 3
            vertices, places = _centers_inside(ends[layers, some[:, owners]], some[:, owners])
            kept = inside[vertices] & ((places >= 0) & (places < np.asarray(shape))).all(axis=1)
            flat = np.ravel_multi_index(tuple(places[kept].T), tuple(shape))
            found.append(np.column_stack([vertices[kept], flat]))
    return _pairs(found)


def _pairs(found: Sequence[Integers]) -> RibbonVoxels:
    """Sort pairs of vertex and voxel, each once."""
    pairs = np.unique(np.concatenate(found), axis=0)
    return RibbonVoxels(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))


def _centers_inside(tetrahedra: Floats, owners: Integers) -> tuple[Integers, Integers]:
    """Find the voxel centres, which are whole numbers here, inside tetrahedra.

    Parameters
    ----------
    tetrahedra : (n, 4, 3)
        In voxel indices.
    owners : (n, 4)
        The vertex that each corner belongs to.

    Returns
    -------
    vertices : (n_found,)
        The vertex with the largest weight.
    places : (n_found, 3)
    """
    low = np.ceil(tetrahedra.min(axis=1) - 1e-9).astype(np.int64)
    n_along = np.floor(tetrahedra.max(axis=1) + 1e-9).astype(np.int64) - low + 1
    edges = (tetrahedra[:, 1:] - tetrahedra[:, :1]).transpose(0, 2, 1)
    size = np.abs(edges).max(axis=(1, 2)) ** 3
    # where white and pial surface touch, nothing lies between
    solid = (n_along > 0).all(axis=1) & (np.abs(np.linalg.det(edges)) > _FLAT * size)
    tetrahedra, owners, low, n_along = (x[solid] for x in (tetrahedra, owners, low, n_along))
    inverse = np.linalg.inv(edges[solid])
    counts = n_along.prod(axis=1)
    which = np.repeat(np.arange(len(counts)), counts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    rest, third = np.divmod(number, n_along[which, 2])
    first, second = np.divmod(rest, n_along[which, 1])
    places = low[which] + np.column_stack([first, second, third])
    weights = np.einsum("nij,nj->ni", inverse[which], places - tetrahedra[which, 0])
    weights = np.column_stack([1 - weights.sum(axis=1), weights])
    within = (weights >= _INSIDE).all(axis=1)
    return _heaviest(owners[which[within]], weights[within]), places[within]


def _heaviest(owners: Integers, weights: Floats) -> Integers:
    """Add up the weights (n, 4) of each vertex, and return the vertex that has most."""
    together = np.einsum("nij,nj->ni", owners[:, :, None] == owners[:, None, :], weights)
    # of equal ones the smaller vertex
    ranked = np.lexsort((owners, -np.round(together, 9)), axis=1)[:, 0]
    return np.take_along_axis(owners, ranked[:, None], axis=1)[:, 0]


def voxels_on_lines(
    cortex: Cortex, affine: ArrayLike, shape: Sequence[int], depths: Sequence[float]
) -> RibbonVoxels:
    """Find the voxels that hold a point at some depth between a vertex's white and pial place.

    As in CoSMoMVPA, rsatoolbox and AnatSearchlight (Oosterhof et al. 2011, NeuroImage 56, 593):
    there are also voxels whose centre lies outside of the cortex, and on a coarse mesh some between
    the vertices are missed.

    Parameters
    ----------
    cortex, affine, shape
        See `ribbon_voxels`.
    depths : sequence of float
        0 is the white, 1 the pial surface.
    """
    white, pial = (np.asarray(p, dtype=np.float64) for p in (cortex.white_mm, cortex.pial_mm))
    inverse = np.linalg.inv(np.asarray(affine, dtype=np.float64))
    chosen = np.arange(len(white)) if cortex.inside is None else np.flatnonzero(cortex.inside)
    pairs = []
    for depth in depths:
        points = (1 - depth) * white[chosen] + depth * pial[chosen]
        places = np.floor(points @ inverse[:3, :3].T + inverse[:3, 3] + 0.5).astype(np.int64)
        there = ((places >= 0) & (places < np.asarray(shape))).all(axis=1)
        flat = np.ravel_multi_index(tuple(places[there].T), tuple(shape))
        pairs.append(np.column_stack([chosen[there], flat]))
    return _pairs(pairs)


def ribbon_patches(
    cortex: Cortex,
    ribbon: RibbonVoxels,
    patch_mask: Mask,
    centers: ArrayLike,
    radius_mm: float,
    *,
    max_voxels: int | None = None,
    n_threads: int = 1,
) -> Patches:
    """Gather the voxels that belong to the vertices around each centre.

    Distances are measured along the mean of white and pial surface, from the centre to the vertex
    that a voxel belongs to.

    Parameters
    ----------
    cortex : Cortex
    ribbon : RibbonVoxels
        Of this cortex.
    patch_mask : (X, Y, Z) bool
        Voxels that patches may hold.
    centers : (n_centers,) array_like of int
        Vertices.
    radius_mm : float
        Distances up to the radius count.
    max_voxels : int, optional
        Only the nearest so many; of equally far ones those with the smaller index.
    n_threads : int
        Changes nothing in the result.

    Returns
    -------
    Patches
        Rows are those of ``np.flatnonzero(patch_mask)``, ascending in each patch.

    Raises
    ------
    ValueError
        See `bids_rsa.core.neighborhood.geodesics.geodesic_discs`.
    """
    middle = (np.asarray(cortex.white_mm) + np.asarray(cortex.pial_mm)) / 2
    row_of = np.full(patch_mask.size, -1, dtype=np.int32)
    row_of[patch_mask.ravel()] = np.arange(np.count_nonzero(patch_mask), dtype=np.int32)
    rows = row_of[ribbon.voxels]
    vertices, rows = ribbon.vertices[rows >= 0], rows[rows >= 0]
    owned = np.searchsorted(vertices, np.arange(len(middle) + 1)).astype(np.int64)
    holding = np.diff(owned) > 0
    most = len(row_of) if max_voxels is None else max_voxels
    sources = np.asarray(centers, dtype=np.int64)
    graph = reached_graph(middle, cortex.triangles, sources, radius_mm)
    parts: list[Any] = []
    for start in range(0, len(sources), _CENTERS_AT_A_TIME):
        chosen = sources[start : start + _CENTERS_AT_A_TIME]
        discs = geodesic_discs(graph, chosen, radius_mm, members=holding, n_threads=n_threads)
        parts.append(_gathered(discs, owned, rows, most, int(patch_mask.sum())))
    counts = np.concatenate([[0], *(counts for counts, _ in parts)])
    members = np.concatenate([np.empty(0, np.int32), *(members for _, members in parts)])
    return Patches(np.cumsum(counts, dtype=np.int64), members, int(np.count_nonzero(patch_mask)))


@kernel
def _gathered(
    discs: Discs, owned: Integers, rows: NDArray[np.int32], most: int, n_rows: int
) -> tuple[Integers, NDArray[np.int32]]:
    """Collect the rows of each disc once, the nearest first where there are too many."""
    n_centers = len(discs.starts) - 1
    counts = np.empty(n_centers, np.int64)
    found = np.empty(1024, np.int32)
    nearest = np.full(n_rows, np.inf)
    own = np.empty(n_rows, np.int32)
    total = 0
    for c in range(n_centers):
        count = 0
        for e in range(discs.starts[c], discs.starts[c + 1]):
            vertex, distance = discs.members[e], discs.distances_mm[e]
            for k in range(owned[vertex], owned[vertex + 1]):
                if nearest[rows[k]] == np.inf:
                    own[count] = rows[k]
                    count += 1
                nearest[rows[k]] = min(nearest[rows[k]], distance)
        patch = np.sort(own[:count])
        if count > most:
            order = np.argsort(nearest[patch], kind="mergesort")[:most]
            patch = np.sort(patch[order])
        for k in range(count):
            nearest[own[k]] = np.inf
        while total + len(patch) > len(found):
            found = np.append(found, np.empty(len(found), np.int32))
        found[total : total + len(patch)] = patch
        counts[c] = len(patch)
        total += len(patch)
    return counts, found[:total].copy()
