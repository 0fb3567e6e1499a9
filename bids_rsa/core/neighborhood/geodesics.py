"""Discs on a surface: the vertices within a distance along it of each centre."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.engine.jit import kernel, kernel_part
from bids_rsa.core.neighborhood.mesh import Graph
from bids_rsa.core.neighborhood.shortest_paths import BucketQueue, choose_buckets, visit

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
        Empty where they were not wanted.
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
    with_distances: bool = True,
    n_threads: int = 1,
) -> Discs:
    """Find the vertices within a distance along the surface of each centre.

    Shortest paths by Dijkstra's algorithm over the paths of a graph, with vertices in buckets of
    about the same distance.

    Parameters
    ----------
    graph : Graph
    centers : (n_centers,) array_like of int
        Vertices of the mesh.
    radius_mm : float
        Distances up to the radius count (relative tolerance 1e-6).
    members : (n_vertices,) array_like of bool, optional
        Vertices that discs may hold; paths run across the others.
    max_members : int, optional
        Only the nearest so many; of equally far ones those with the smaller index.
    with_distances : bool
        Return the distances too, which take twice the memory of the members.
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
    if not radius_mm > 0:
        raise ValueError(f"the radius must be a positive number of mm, not {radius_mm!r}")
    place_of = _places_of_vertices(graph)
    places = _places_of_centers(centers, place_of)
    allowed = np.ones(len(graph.vertices), dtype=bool)
    if members is not None:
        allowed = np.asarray(members, dtype=bool)[graph.vertices]
    limit = radius_mm * (1 + _RADIUS_TOLERANCE)
    most = len(allowed) if max_members is None else max_members
    if most < 1:
        raise ValueError(f"max_members must be at least 1, not {max_members}")

    per_mm, n_buckets = choose_buckets(graph)

    def some(begin: int) -> tuple[Any, Any, Any]:
        chosen = places[begin : begin + _CENTERS_PER_TASK]
        return _discs(
            graph, chosen, limit, allowed, most, per_mm, n_buckets, place_of, with_distances
        )

    with ThreadPoolExecutor(n_threads) as pool:
        parts = list(pool.map(some, range(0, len(places), _CENTERS_PER_TASK)))
    counts = [counts for counts, _, _ in parts]
    starts = np.zeros(len(places) + 1, dtype=np.int64)
    np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]), out=starts[1:])
    found = np.concatenate([np.empty(0, np.int32), *(found for _, found, _ in parts)])
    distances = np.concatenate([np.empty(0), *(distances for _, _, distances in parts)])
    return Discs(starts, found, distances)


def _places_of_vertices(graph: Graph) -> Integers:
    """Return the place of each vertex of the mesh in the graph, -1 for those it lacks."""
    place_of = np.full(int(graph.vertices.max(initial=-1)) + 1, -1, dtype=np.int64)
    place_of[graph.vertices] = np.arange(len(graph.vertices))
    return place_of


def _places_of_centers(centers: ArrayLike, place_of: Integers) -> Integers:
    """Return the places of the centres in the graph."""
    vertices = np.asarray(centers, dtype=np.int64)
    if vertices.size and (vertices.min() < 0 or vertices.max() >= len(place_of)):
        raise ValueError(f"centres must be vertices from 0 to {len(place_of) - 1}")
    places: Integers = place_of[vertices]
    if (places < 0).any():
        raise ValueError("there are centres that the graph does not have")
    return places


@kernel
def _discs(
    graph: Graph,
    centers: Integers,
    limit: float,
    allowed: NDArray[np.bool_],
    most: int,
    per_mm: float,
    n_buckets: int,
    place_of: Integers,
    with_distances: bool,
) -> tuple[Integers, NDArray[np.int32], Floats]:
    """Find the discs of some centres one after the other: sizes, members, distances."""
    n = graph.starts.size - 1
    queue = BucketQueue(
        np.full(n, np.inf),
        np.full(n_buckets, -1, np.int32),
        np.empty(n, np.int32),
        np.empty(n, np.int32),
        np.full(n, -1, np.int32),
    )
    reached = np.empty(n, np.int32)
    flags = np.zeros(place_of.size // 64 + 1, np.uint64)
    counts = np.empty(centers.size, np.int64)
    found = np.empty(_FIRST_ROOM * centers.size, np.int32)
    spans = np.empty(found.size if with_distances else 0)
    total = 0
    for k in range(centers.size):
        n_reached = visit(graph, centers[k], limit, allowed, most, per_mm, queue, reached)
        if total + n_reached > found.size:
            found = _grown(found, total, 2 * (total + n_reached))
            if with_distances:
                spans = _grown(spans, total, found.size)
        for r in range(n_reached):
            # those that still wait are farther away than enough others
            if allowed[reached[r]] and queue.bucket[reached[r]] < 0:
                vertex = graph.vertices[reached[r]]
                flags[vertex >> 6] |= np.uint64(1) << np.uint64(vertex & 63)
        size = _take_flags(flags, found[total:])
        if size > most:
            _keep_nearest(found[total : total + size], queue.distance, place_of, most)
        counts[k] = min(size, most)
        if with_distances:
            for r in range(total, total + counts[k]):
                spans[r] = queue.distance[place_of[found[r]]]
        total += counts[k]
        for r in range(n_reached):
            queue.distance[reached[r]] = np.inf
            queue.bucket[reached[r]] = -1
        queue.first[:] = -1
    return counts, found[:total].copy(), spans[: total * with_distances].copy()


@kernel
def _take_flags(flags: NDArray[np.uint64], found: NDArray[np.int32]) -> int:
    """Write the numbers of the bits that are set in ascending order, clear them, and count them."""
    count = 0
    for w in range(flags.size):
        word = flags[w]
        if word:
            flags[w] = np.uint64(0)
            while word:
                rest = word & (word - np.uint64(1))
                found[count] = (w << 6) + _count_bits((word ^ rest) - np.uint64(1))
                count += 1
                word = rest
    return count


@kernel_part
def _count_bits(word: Any) -> int:
    """Count the bits of a word that are 1."""
    pairs = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    fours = (pairs & np.uint64(0x3333333333333333)) + (
        (pairs >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    eights = (fours + (fours >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((eights * np.uint64(0x0101010101010101)) >> np.uint64(56))


@kernel
def _keep_nearest(
    found: NDArray[np.int32], distance: Floats, place_of: Integers, most: int
) -> None:
    """Move the nearest to the front, in ascending order; of equally far ones the smaller index."""
    spans = np.empty(found.size)
    for r in range(found.size):
        spans[r] = distance[place_of[found[r]]]
    nearest = np.sort(np.argsort(spans, kind="mergesort")[:most])
    for r in range(most):  # never from behind the place that is written
        found[r] = found[nearest[r]]


@kernel
def _grown(array: NDArray[Any], used: int, size: int) -> NDArray[Any]:
    """Copy the used part of an array into a larger one."""
    larger = np.empty(size, array.dtype)
    larger[:used] = array[:used]
    return larger
