"""Clusters of the draws of null maps, and the size of a cluster compared with theirs."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet
from bids_rsa.core.inference.correct import count_p
from bids_rsa.core.inference.null_draws import DrawnPart
from bids_rsa.core.inference.parts import clusters_of_parts, masks_of_parts

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]


def null_clusters(
    parts: Sequence[DrawnPart], n_draws: int, adjacency: Adjacency
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """List the sizes of the clusters of all draws, and the part of the locations of each."""
    part_of = np.zeros(adjacency.n_locations, np.int64)
    for k, own in enumerate(masks_of_parts(adjacency)):
        part_of[own] = k
    found = [*_null_sizes(parts, n_draws, adjacency)]
    sizes = np.concatenate([own for own, _ in found])
    places = part_of[np.concatenate([first for _, first in found])]
    order = np.lexsort((sizes, places))
    return sizes[order], places[order]


def size_p(
    clusters: ClusterSet,
    null_sizes: FloatArray,
    null_parts: npt.NDArray[np.int64],
    adjacency: Adjacency,
) -> FloatArray:
    """Compare the size of each cluster with the null clusters of its part of the locations."""
    p = np.ones(len(clusters.sizes))
    for k, own in enumerate(clusters_of_parts(clusters, masks_of_parts(adjacency))):
        sizes = null_sizes[null_parts == k]
        bounds = clusters.sizes[own] * (1 - 1e-9)
        reach = len(sizes) - np.searchsorted(sizes, bounds, side="left")
        p[own] = count_p(reach, len(sizes), exhaustive=False)
    return p


def _null_sizes(
    parts: Sequence[DrawnPart], n_draws: int, adjacency: Adjacency
) -> Iterator[tuple[FloatArray, IndexArray]]:
    """List the sizes of the clusters of all draws, sign by sign, and a location of each."""
    for s in range(len(parts[0].above)):
        draws = np.concatenate([part.above[s][0] for part in parts])
        locations = np.concatenate([part.above[s][1] for part in parts])
        locations = locations[np.argsort(draws, kind="stable")]
        ends = np.cumsum(np.bincount(draws, minlength=n_draws))
        sizes, firsts = np.empty(len(locations)), np.empty(len(locations), np.int32)
        lists = (adjacency.starts, adjacency.neighbors, adjacency.sizes)
        n = _cluster_sizes(ends, locations, *lists, sizes, firsts)
        yield sizes[:n], firsts[:n]


@kernel
def _cluster_sizes(
    ends: npt.NDArray[np.int64],
    locations: IndexArray,
    starts: npt.NDArray[np.int64],
    neighbors: IndexArray,
    sizes: FloatArray,
    out: FloatArray,
    firsts: IndexArray,
) -> int:
    """Write sizes of the clusters of each draw's locations, and a location; return their number."""
    waiting = np.zeros(len(sizes), np.bool_)
    stack = np.empty(len(sizes), np.int32)
    n, begin = 0, 0
    for end in ends:
        for i in range(begin, end):
            waiting[locations[i]] = True
        for i in range(begin, end):
            if not waiting[locations[i]]:
                continue
            waiting[locations[i]] = False
            stack[0] = locations[i]
            depth = 1
            extent = 0.0
            while depth:
                depth -= 1
                v = stack[depth]
                extent += sizes[v]
                for k in range(starts[v], starts[v + 1]):
                    u = neighbors[k]
                    if waiting[u]:
                        waiting[u] = False
                        stack[depth] = u
                        depth += 1
            out[n] = extent
            firsts[n] = locations[i]
            n += 1
        begin = end
    return n
