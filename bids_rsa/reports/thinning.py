"""A dense mesh shown by fewer of its vertices, without holes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

Integers = NDArray[np.int64]


def thin_mesh(
    coordinates_mm: NDArray[np.float64], triangles: NDArray[Any], n_kept: int
) -> tuple[Integers, Integers]:
    """Choose vertices all over a mesh, and connect them as the mesh connects what is near them.

    Each vertex goes to the chosen one that is nearest along edges. A triangle whose corners go to
    three different vertices becomes a triangle of these; all others collapse. As neighbours go to
    the same vertex or to neighbours, the result has a hole only where the mesh has one.

    Parameters
    ----------
    coordinates_mm : (n_vertices, 3)
    triangles : (n_triangles, 3)
    n_kept : int

    Returns
    -------
    vertices : (n_kept,) int64
        Ascending; the same for the same mesh.
    triangles : (n, 3) int64
        Of positions in ``vertices``.
    """
    n_vertices = len(coordinates_mm)
    edges = np.unique(
        np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0
    )
    vertices = np.sort(_spread(edges, n_vertices)[:n_kept])
    lengths = np.linalg.norm(np.subtract(*coordinates_mm[edges.T]), axis=1)
    # an edge of length 0 would be no edge
    weights = np.maximum(lengths, 1e-6)
    graph = coo_array((weights, tuple(edges.T)), shape=(n_vertices, n_vertices)).tocsr()
    *_, nearest = dijkstra(
        graph, directed=False, indices=vertices, min_only=True, return_predecessors=True
    )
    position = np.full(n_vertices + 1, -1)
    position[vertices] = np.arange(len(vertices))
    corners = position[np.where(nearest < 0, n_vertices, nearest)][triangles]  # -1: unconnected
    a, b, c = corners.T
    kept = (a != b) & (b != c) & (c != a) & (corners >= 0).all(axis=1)
    return vertices, np.unique(corners[kept], axis=0)


def _spread(edges: Integers, n_vertices: int) -> Integers:
    """Order vertices: first some that are all over the mesh and no neighbours, then the others."""
    order = np.random.default_rng(0).permutation(n_vertices)
    rank = np.empty(n_vertices, np.int64)
    rank[order] = np.arange(n_vertices)
    chosen, left = np.zeros((2, n_vertices), dtype=bool)
    left[:] = True
    while left.any():
        lowest = np.where(left, rank, n_vertices)
        around = lowest.copy()
        for here, there in (edges.T, edges.T[::-1]):
            np.minimum.at(around, here, lowest[there])
        new = left & (rank <= around)
        chosen |= new
        left &= ~new
        for here, there in (edges.T, edges.T[::-1]):
            left[here[new[there]]] = False
    return np.concatenate([order[chosen[order]], order[~chosen[order]]])
