"""Triangle meshes: paths between neighbouring vertices, their areas and adjacency."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# so many centres are looked for in a part of the mesh, more in all of it
_FEW_CENTERS = 64
_REACH = 1e-5
_CURVE_BITS = 10


class Graph(NamedTuple):
    """Vertices and the paths between neighbours, in compressed rows.

    Attributes
    ----------
    starts : (n_vertices + 1,) int64
        Where each vertex's neighbours start.
    neighbors : (n_paths,) int32
        Places in the graph.
    lengths_mm : (n_paths,) float64
    vertices : (n_vertices,) int32
        Which vertex of the mesh stands at each place of the graph.
    """

    starts: Integers
    neighbors: NDArray[np.int32]
    lengths_mm: Floats
    vertices: NDArray[np.int32]


def surface_graph(
    coordinates_mm: ArrayLike, triangles: ArrayLike, vertices: ArrayLike | None = None
) -> Graph:
    """Connect vertices along edges, and across pairs of triangles that share an edge.

    Edges alone overestimate distances by some 10 % on any mesh, however fine. A pair of triangles
    that share an edge is unfolded into a plane; where the straight line between the two opposite
    vertices crosses the shared edge, it becomes a further path. Connectome Workbench measures
    distances in the same way (GeodesicHelper).

    Parameters
    ----------
    coordinates_mm : (n_vertices, 3) array_like
    triangles : (n_triangles, 3) array_like of int
    vertices : (n_chosen,) array_like of int, optional
        The vertices of the graph in their order, with all of the triangles among them; without it
        all of the mesh.

    Returns
    -------
    Graph

    Raises
    ------
    ValueError
        Arrays of other shapes, coordinates that are not finite, indices that are no vertices.
    """
    points, faces = _checked(coordinates_mm, triangles)
    edges, opposite = _edges_and_opposite(faces)
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    across, across_lengths = _unfolded(points, edges, lengths, opposite)
    chosen = np.arange(len(points)) if vertices is None else np.asarray(vertices, dtype=np.int64)
    place_of = np.full(len(points), -1, dtype=np.int64)
    place_of[chosen] = np.arange(len(chosen))
    pairs = place_of[np.concatenate([edges, across])]
    if pairs.size and pairs.min() < 0:
        raise ValueError("there are triangles of vertices that the graph does not have")
    starts, neighbors, both = _compress(
        pairs, np.concatenate([lengths, across_lengths]), len(chosen)
    )
    return Graph(starts, neighbors, both, chosen.astype(np.int32))


def reached_graph(
    coordinates_mm: ArrayLike, triangles: ArrayLike, centers: ArrayLike, radius_mm: float
) -> Graph:
    """Connect the vertices that paths up to a radius can reach, with near ones side by side.

    The same paths as in `surface_graph`, found faster, as less memory is visited.

    Parameters
    ----------
    coordinates_mm : (n_vertices, 3) array_like
    triangles : (n_triangles, 3) array_like of int
    centers : (n_centers,) array_like of int
    radius_mm : float

    Returns
    -------
    Graph
    """
    points, faces = _checked(coordinates_mm, triangles)
    sources = np.asarray(centers, dtype=np.int64)
    order = _side_by_side(points)
    if len(sources) > _FEW_CENTERS or not np.isfinite(radius_mm):
        return surface_graph(points, faces, order)
    near = np.zeros(len(points), dtype=bool)
    for center in sources:
        # no path is shorter than the straight line
        near |= np.linalg.norm(points - points[center], axis=1) <= radius_mm * (1 + _REACH)
    faces = faces[near[faces].any(axis=1)]
    near[faces] = True
    return surface_graph(points, faces, order[near[order]])


def _side_by_side(points: Floats) -> Integers:
    """Order points (n, 3) along Morton's curve, on which near ones lie near each other."""
    low, extent = points.min(axis=0, initial=0.0), np.ptp(points, axis=0).max(initial=0.0)
    cells = ((points - low) * ((2**_CURVE_BITS - 1) / max(extent, 1e-30))).astype(np.int64)
    key = np.zeros(len(points), dtype=np.int64)
    for bit in range(_CURVE_BITS):
        for axis in range(3):
            key |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(key, kind="stable")


def _checked(coordinates_mm: ArrayLike, triangles: ArrayLike) -> tuple[Floats, Integers]:
    """Check a mesh's arrays once."""
    points = np.asarray(coordinates_mm, dtype=np.float64)
    faces = np.asarray(triangles)
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ValueError(
            f"coordinates must be finite and (n_vertices, 3), not of shape {points.shape}"
        )
    if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
        raise ValueError(f"triangles must be whole numbers (n_triangles, 3), not {faces.shape}")
    if faces.size and (faces.min() < 0 or faces.max() >= len(points)):
        raise ValueError(
            f"triangles name vertices {faces.min()} to {faces.max()}; there are {len(points)}"
        )
    return points, faces.astype(np.int64)


def _edges_and_opposite(faces: Integers) -> tuple[Integers, Integers]:
    """List each edge once, and the vertices opposite of it in two triangles (-1 without a second).

    The order of triangles does not matter, nor do triangles that are listed twice or have the same
    corner twice. Of more than two opposite vertices, the first and the last are taken.
    """
    faces = faces[(np.diff(np.sort(faces, axis=1), axis=1) > 0).all(axis=1)]
    sides = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    third = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    sides = np.sort(sides, axis=1)
    keys = sides[:, 0] * (faces.max(initial=0) + 1) + sides[:, 1]
    order = np.argsort(keys, kind="stable")
    keys, third = keys[order], third[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1) != 0)
    opposite = np.column_stack(
        [np.minimum.reduceat(third, first), np.maximum.reduceat(third, first)]
    )
    opposite[opposite[:, 0] == opposite[:, 1], 1] = -1
    return sides[order[first]], opposite


def _unfolded(
    points: Floats, edges: Integers, lengths: Floats, opposite: Integers
) -> tuple[Integers, Floats]:
    """Straight lines across shared edges: pairs of vertices and lengths in mm."""
    inner = (opposite[:, 1] >= 0) & (lengths > 0)
    start, end = points[edges[inner, 0]], points[edges[inner, 1]]
    along = (end - start) / lengths[inner, None]
    places = []
    for side in (0, 1):
        offset = points[opposite[inner, side]] - start
        x = np.einsum("ij,ij->i", offset, along)
        y = np.sqrt(np.maximum(np.einsum("ij,ij->i", offset, offset) - x**2, 0.0))
        places.append((x, y))
    (x_c, y_c), (x_d, y_d) = places
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = x_c + (x_d - x_c) * y_c / (y_c + y_d)
    straight = (crossing > 0) & (crossing < lengths[inner])
    pairs = opposite[inner][straight]
    across = np.hypot(x_c - x_d, y_c + y_d)[straight]
    return pairs, across


def _compress(
    pairs: Integers, lengths: Floats, n_vertices: int
) -> tuple[Integers, NDArray[np.int32], Floats]:
    """Sort paths by vertex, both ways: starts, neighbours, lengths."""
    tails = np.concatenate([pairs[:, 0], pairs[:, 1]])
    heads = np.concatenate([pairs[:, 1], pairs[:, 0]])
    # one key is sorted ten times as fast as two columns
    order = np.argsort(tails * n_vertices + heads, kind="stable")
    starts = np.zeros(n_vertices + 1, dtype=np.int64)
    np.cumsum(np.bincount(tails, minlength=n_vertices), out=starts[1:])
    return starts, heads[order].astype(np.int32), np.concatenate([lengths, lengths])[order]


def neighbors_of(triangles: ArrayLike, n_vertices: int) -> tuple[Integers, NDArray[np.int32]]:
    """List the vertices that share an edge with each vertex.

    Parameters
    ----------
    triangles : (n_triangles, 3) array_like of int
    n_vertices : int

    Returns
    -------
    starts : (n_vertices + 1,) int64
    neighbors : (total,) int32
        Ascending for each vertex.
    """
    edges, _ = _edges_and_opposite(np.asarray(triangles, dtype=np.int64))
    starts, neighbors, _ = _compress(edges, np.zeros(len(edges)), n_vertices)
    return starts, neighbors


def vertex_areas(coordinates_mm: ArrayLike, triangles: ArrayLike) -> Floats:
    """Area of each vertex in mm2: a third of the triangles it belongs to, (n_vertices,)."""
    points, faces = _checked(coordinates_mm, triangles)
    a, b, c = (points[faces[:, k]] for k in range(3))
    thirds = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(faces.ravel(), np.repeat(thirds, 3), minlength=len(points)).astype(float)
