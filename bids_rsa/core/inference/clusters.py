"""Clusters of locations above a threshold: their extent and mass."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference.adjacency import Adjacency, Near

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ClusterSet:
    """Clusters of a map.

    Attributes
    ----------
    labels : (n_locations,) int32
        0 outside clusters, else the number of the cluster, from 1.
    signs : (n_clusters,) float64
        1 where the statistic is above the threshold, -1 where it is below minus the threshold.
    sizes : (n_clusters,) float64
        Extent: the sum of its locations' sizes.
    masses : (n_clusters,) float64
        Sum of the statistic's magnitude minus the threshold, times the size.
    """

    labels: IndexArray
    signs: FloatArray
    sizes: FloatArray
    masses: FloatArray


def find_clusters(
    statistic: FloatArray, adjacency: Adjacency, threshold: float, two_sided: bool = False
) -> ClusterSet:
    """Find the clusters of a map.

    Parameters
    ----------
    statistic : (n_locations,) float64
        t or z.
    adjacency : Adjacency
        Neighbours and sizes.
    threshold : float
        A location belongs to a cluster when its value is above it.
    two_sided : bool
        Also clusters below minus the threshold; signs never mix in a cluster.

    Returns
    -------
    ClusterSet
    """
    statistic = np.ascontiguousarray(statistic, dtype=np.float64)
    filling = room_for_filling(len(statistic))
    labels = filling.labels
    everywhere = np.arange(len(statistic), dtype=np.int32)
    n_up = label_clusters(statistic, 1.0, threshold, everywhere, adjacency.near, filling, 0)
    n = n_up
    if two_sided:
        n = label_clusters(statistic, -1.0, threshold, everywhere, adjacency.near, filling, n_up)
    excess = np.where(labels > 0, np.abs(statistic) - threshold, 0.0) * adjacency.sizes
    sizes, masses = (
        np.asarray(np.bincount(labels, weights=values, minlength=n + 1)[1:], np.float64)
        for values in (adjacency.sizes, excess)
    )
    signs = np.where(np.arange(n) < n_up, 1.0, -1.0)
    return ClusterSet(labels, signs, sizes, masses)


class Filling(NamedTuple):
    """Room to flood-fill clusters: the number of each location's cluster (0: none), and a stack."""

    labels: IndexArray
    stack: IndexArray


@kernel
def room_for_filling(n_locations: int) -> Filling:
    """Make room for so many locations, none of them in a cluster."""
    return Filling(np.zeros(n_locations, np.int32), np.empty(n_locations, np.int32))


@kernel
def label_clusters(
    statistic: FloatArray,
    sign: float,
    threshold: float,
    seeds: IndexArray,
    near: Near,
    filling: Filling,
    n_before: int,
) -> int:
    """Flood-fill the clusters of one sign with numbers; return how many there are in all."""
    labels, stack = filling.labels, filling.stack
    starts, neighbors = near.starts, near.neighbors
    n_clusters = n_before
    for seed in seeds:
        if labels[seed] or sign * statistic[seed] <= threshold:
            continue
        n_clusters += 1
        labels[seed] = n_clusters
        stack[0] = seed
        depth = 1
        while depth:
            depth -= 1
            v = stack[depth]
            for k in range(starts[v], starts[v + 1]):
                u = neighbors[k]
                if labels[u] == 0 and sign * statistic[u] > threshold:
                    labels[u] = n_clusters
                    stack[depth] = u
                    depth += 1
    return n_clusters


@kernel
def _find_above(statistic: FloatArray, sign: float, threshold: float, found: IndexArray) -> int:
    """Write the locations above the threshold; return how many there are."""
    n = 0
    for v in range(len(statistic)):
        found[n] = v
        n += int(sign * statistic[v] > threshold)
    return n


def cluster_maxima(
    maps: FloatArray, two_sided: bool, threshold: float, adjacency: Adjacency
) -> tuple[FloatArray, FloatArray]:
    """Compute the largest extent and mass of each (n_maps, n_locations) map; 0 if none."""
    extents, masses = np.empty(len(maps)), np.empty(len(maps))
    _write_maxima(maps, two_sided, threshold, adjacency.near, extents, masses)
    return extents, masses


@kernel
def _write_maxima(
    maps: FloatArray,
    two_sided: bool,
    threshold: float,
    near: Near,
    extents: FloatArray,
    masses: FloatArray,
) -> None:
    """Write the largest extent and mass of each map."""
    filling, sizes = room_for_filling(maps.shape[1]), near.sizes
    labels = filling.labels
    above = np.empty(maps.shape[1], np.int32)
    for m in range(len(maps)):
        extents[m] = masses[m] = 0.0
        for sign in (1.0, -1.0):
            if sign < 0 and not two_sided:
                continue
            seeds = above[: _find_above(maps[m], sign, threshold, above)]
            n = label_clusters(maps[m], sign, threshold, seeds, near, filling, 0)
            extent = np.zeros(n + 1)
            mass = np.zeros(n + 1)
            for v in seeds:
                extent[labels[v]] += sizes[v]
                mass[labels[v]] += (abs(maps[m, v]) - threshold) * sizes[v]
                labels[v] = 0
            extents[m] = max(extents[m], extent.max())
            masses[m] = max(masses[m], mass.max())
