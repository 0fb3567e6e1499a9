"""Shortest paths from a vertex over a graph, with the vertices that wait in buckets by distance.

Dijkstra's algorithm; a bucket holds vertices of about the same distance.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.neighborhood.mesh import Graph

Floats = NDArray[np.float64]


def choose_buckets(graph: Graph) -> tuple[float, int]:
    """Choose buckets per mm, and how many (a power of two) reach farther than the longest path."""
    longest = float(graph.lengths_mm.max(initial=0.0))
    mean = float(graph.lengths_mm.mean()) if len(graph.lengths_mm) else 0.0
    per_mm = 1 / (max(mean / 4, longest / 1024) or 1.0)
    return per_mm, 1 << (int(longest * per_mm) + 3).bit_length()


class BucketQueue(NamedTuple):
    """Vertices to visit, in buckets by distance, each a list of vertices linked both ways."""

    distance: Floats
    first: NDArray[np.int32]
    following: NDArray[np.int32]
    leading: NDArray[np.int32]
    bucket: NDArray[np.int32]


@kernel
def visit(
    graph: Graph,
    center: int,
    limit: float,
    allowed: NDArray[np.bool_],
    most: int,
    per_mm: float,
    queue: BucketQueue,
    reached: NDArray[np.int32],
) -> int:
    """Visit vertices bucket by bucket until there are enough; count those reached.

    The distances of those in no bucket are final then. All must be set to infinity again.
    """
    # arrays, as those of a tuple are slower
    starts, neighbors, lengths = graph.starts, graph.neighbors, graph.lengths_mm
    distance, first, bucket_of = queue.distance, queue.first, queue.bucket
    following, leading = queue.following, queue.leading
    last = first.size - 1
    distance[center], bucket_of[center], following[center] = 0.0, 0, -1
    first[0], reached[0] = center, center
    n_reached, n_waiting, slot = 1, 1, 0
    while n_waiting:
        vertex = first[slot]
        if vertex < 0:
            if (
                n_reached - n_waiting >= most
                and _n_final(bucket_of, allowed, reached[:n_reached]) >= most
            ):
                break
            slot = (slot + 1) & last
            continue
        first[slot] = following[vertex]
        bucket_of[vertex] = -1
        n_waiting -= 1
        if following[vertex] >= 0:
            leading[following[vertex]] = -1
        for e in range(starts[vertex], starts[vertex + 1]):
            length = distance[vertex] + lengths[e]
            neighbor = neighbors[e]
            if length > limit or length >= distance[neighbor]:
                continue
            if distance[neighbor] == np.inf:
                reached[n_reached] = neighbor
                n_reached += 1
            distance[neighbor] = length
            # one that turns out to be nearer within its bucket comes again
            old, new = bucket_of[neighbor], int(length * per_mm) & last
            if old == new:
                continue
            n_waiting += old < 0
            _move(first, following, leading, neighbor, old, new)
            bucket_of[neighbor] = new
    return n_reached


@kernel
def _move(
    first: NDArray[np.int32],
    following: NDArray[np.int32],
    leading: NDArray[np.int32],
    vertex: int,
    old: int,
    new: int,
) -> None:
    """Move a vertex from its bucket, if it is in one (not -1), to another."""
    if old >= 0:
        if leading[vertex] >= 0:
            following[leading[vertex]] = following[vertex]
        else:
            first[old] = following[vertex]
        if following[vertex] >= 0:
            leading[following[vertex]] = leading[vertex]
    following[vertex], leading[vertex] = first[new], -1
    if first[new] >= 0:
        leading[first[new]] = vertex
    first[new] = vertex


@kernel
def _n_final(
    bucket_of: NDArray[np.int32], allowed: NDArray[np.bool_], reached: NDArray[np.int32]
) -> int:
    """Count the vertices that discs may hold and that wait no more."""
    count = 0
    for vertex in reached:
        count += allowed[vertex] and bucket_of[vertex] < 0
    return count
