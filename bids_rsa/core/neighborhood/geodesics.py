"""Discs on a surface: the vertices within a distance along it of each centre."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.neighborhood.mesh import Graph

# vertices at exactly the radius belong to the disc, whatever the rounding of the coordinates
_RADIUS_TOLERANCE = 1e-6
_CENTERS_PER_TASK = 512
_FIRST_ROOM = 64  # members of a disc, before the lists grow

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Discs(NamedTuple):
    """Vertices within a distance of each centre, in compressed rows.

    Attributes
    ----------
    starts : (n_centers + 1,) int64
    members : (total,) int32
        Vertices of each disc in ascending order.
    distances_mm : (total,) float64
    """

    starts: Integers
    members: NDArray[np.int32]
    distances_mm: Floats


def geodesic_discs(
    graph: Graph,
    centers: ArrayLike,
    radius_mm: float,
    *,
    members: ArrayLike | None = None,
    max_members: int | None = None,
    n_threads: int = 1,
) -> Discs:
    """Find the vertices within a distance along the surface of each centre.

    Shortest paths by Dijkstra's algorithm over the paths of `surface_graph`.

    Parameters
    ----------
    graph : Graph
    centers : (n_centers,) array_like of int
        Vertices.
    radius_mm : float
        Distances up to the radius count (relative tolerance 1e-6).
    members : (n_vertices,) array_like of bool, optional
        Vertices that discs may hold; paths run across the others.
    max_members : int, optional
        Only the nearest so many; of equally far ones those with the smaller index.
    n_threads : int
        Changes nothing in the result.

    Returns
    -------
    Discs

    Raises
    ------
    ValueError
        A radius that is not positive, no members allowed, centres that are no vertices.
    """
    n_vertices = len(graph.starts) - 1
    sources = np.asarray(centers, dtype=np.int64)
    if not radius_mm > 0:
        raise ValueError(f"the radius must be a positive number of mm, not {radius_mm!r}")
    if sources.size and (sources.min() < 0 or sources.max() >= n_vertices):
        raise ValueError(f"centres must be vertices from 0 to {n_vertices - 1}")
    allowed = np.ones(n_vertices, bool) if members is None else np.asarray(members, dtype=bool)
    limit = radius_mm * (1 + _RADIUS_TOLERANCE)
    most = n_vertices if max_members is None else max_members
    if most < 1:
        raise ValueError(f"max_members must be at least 1, not {max_members}")

    def some(begin: int) -> tuple[Any, Any, Any]:
        return _discs(graph, sources[begin : begin + _CENTERS_PER_TASK], limit, allowed, most)

    with ThreadPoolExecutor(n_threads) as pool:
        parts = list(pool.map(some, range(0, len(sources), _CENTERS_PER_TASK)))
    counts = [counts for counts, _, _ in parts]
    starts = np.zeros(len(sources) + 1, dtype=np.int64)
    np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]), out=starts[1:])
    found = np.concatenate([np.empty(0, np.int32), *(found for _, found, _ in parts)])
    distances = np.concatenate([np.empty(0), *(distances for _, _, distances in parts)])
    return Discs(starts, found, distances)


class _Heap(NamedTuple):
    """Vertices to visit, the nearest first, equally near ones by index; and where each stands."""

    vertices: NDArray[np.int32]
    place: NDArray[np.int32]
    distance: Floats


@kernel
def _discs(
    graph: Graph, centers: Integers, limit: float, allowed: NDArray[np.bool_], most: int
) -> tuple[Integers, NDArray[np.int32], Floats]:
    """Find the discs of some centres one after the other: sizes, members, distances."""
    n_vertices = graph.starts.size - 1
    heap = _Heap(
        np.empty(n_vertices, np.int32),
        np.full(n_vertices, -1, np.int32),
        np.full(n_vertices, np.inf),
    )
    visited, kept = np.empty(n_vertices, np.int32), np.empty(n_vertices, np.int32)
    counts = np.empty(centers.size, np.int64)
    found = np.empty(_FIRST_ROOM * centers.size, np.int32)
    spans = np.empty(found.size)
    total = 0
    for k in range(centers.size):
        n_visited, n_kept = _visit(graph, centers[k], limit, allowed, most, heap, visited, kept)
        disc = np.sort(kept[:n_kept])
        if total + n_kept > found.size:
            found = _grown(found, total, 2 * (total + n_kept))
            spans = _grown(spans, total, found.size)
        for r in range(n_kept):
            found[total + r] = disc[r]
            spans[total + r] = heap.distance[disc[r]]
        for r in range(n_visited):
            heap.distance[visited[r]] = np.inf
        counts[k] = n_kept
        total += n_kept
    return counts, found[:total].copy(), spans[:total].copy()


@kernel
def _grown(array: NDArray[Any], used: int, size: int) -> NDArray[Any]:
    """Copy the used part of an array into a larger one."""
    larger = np.empty(size, array.dtype)
    larger[:used] = array[:used]
    return larger


@kernel
def _visit(
    graph: Graph,
    center: int,
    limit: float,
    allowed: NDArray[np.bool_],
    most: int,
    heap: _Heap,
    visited: NDArray[np.int32],
    kept: NDArray[np.int32],
) -> tuple[int, int]:
    """Visit vertices in the order of distance and index; count those visited, and those kept.

    The distances of those visited stand in the heap afterwards, all others are infinite.
    """
    n_visited, n_kept, n_waiting = 0, 0, 1
    heap.distance[center] = 0.0
    heap.vertices[0] = center
    heap.place[center] = 0
    while n_waiting and n_kept < most:
        vertex = heap.vertices[0]
        n_waiting -= 1
        heap.place[vertex] = -1
        if n_waiting:
            heap.vertices[0] = heap.vertices[n_waiting]
            _sink(heap, 0, n_waiting)
        visited[n_visited] = vertex
        n_visited += 1
        if allowed[vertex]:
            kept[n_kept] = vertex
            n_kept += 1
        for e in range(graph.starts[vertex], graph.starts[vertex + 1]):
            length = heap.distance[vertex] + graph.lengths_mm[e]
            neighbor = graph.neighbors[e]
            if length <= limit and length < heap.distance[neighbor]:
                heap.distance[neighbor] = length
                if heap.place[neighbor] < 0:
                    heap.place[neighbor] = n_waiting
                    heap.vertices[n_waiting] = neighbor
                    n_waiting += 1
                _rise(heap, heap.place[neighbor])
    for k in range(n_waiting):
        heap.distance[heap.vertices[k]] = np.inf
        heap.place[heap.vertices[k]] = -1
    return n_visited, n_kept


@kernel
def _before(heap: _Heap, a: int, b: int) -> bool:
    """Tell whether one vertex is visited before another."""
    near, far = heap.distance[a], heap.distance[b]
    return near < far or (near == far and a < b)


@kernel
def _rise(heap: _Heap, k: int) -> None:
    """Move a vertex towards the top until it stands below a nearer one."""
    vertex = heap.vertices[k]
    while k > 0:
        parent = (k - 1) // 2
        above = heap.vertices[parent]
        if _before(heap, above, vertex):
            break
        heap.vertices[k] = above
        heap.place[above] = k
        k = parent
    heap.vertices[k] = vertex
    heap.place[vertex] = k


@kernel
def _sink(heap: _Heap, k: int, n: int) -> None:
    """Move a vertex away from the top until it stands above farther ones."""
    vertex = heap.vertices[k]
    while 2 * k + 1 < n:
        child = 2 * k + 1
        if child + 1 < n and _before(heap, heap.vertices[child + 1], heap.vertices[child]):
            child += 1
        below = heap.vertices[child]
        if _before(heap, vertex, below):
            break
        heap.vertices[k] = below
        heap.place[below] = k
        k = child
    heap.vertices[k] = vertex
    heap.place[vertex] = k
