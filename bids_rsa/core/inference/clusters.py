"""Clusters of voxels above a threshold: their extent and mass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ClusterSet:
    """Clusters of a map.

    Attributes
    ----------
    labels : (n_voxels,) int32
        0 outside clusters, else the number of the cluster, from 1.
    signs : (n_clusters,) float64
        1 where the statistic is above the threshold, -1 where it is below minus the threshold.
    sizes : (n_clusters,) int64
        Extent in voxels.
    masses : (n_clusters,) float64
        Sum of the statistic's magnitude minus the threshold.
    """

    labels: IndexArray
    signs: FloatArray
    sizes: npt.NDArray[np.int64]
    masses: FloatArray


def find_clusters(
    statistic: FloatArray, neighbors: IndexArray, threshold: float, two_sided: bool = False
) -> ClusterSet:
    """Find the clusters of a map.

    Parameters
    ----------
    statistic : (n_voxels,) float64
        t or z.
    neighbors : (n_voxels, connectivity) int32
        See ``neighbor_table``.
    threshold : float
        A voxel belongs to a cluster when its value is above it.
    two_sided : bool
        Also clusters below minus the threshold; signs never mix in a cluster.

    Returns
    -------
    ClusterSet
    """
    statistic = np.ascontiguousarray(statistic, dtype=np.float64)
    labels = np.zeros(len(statistic), np.int32)
    stack = np.empty(len(statistic), np.int32)
    n_up = label_clusters(statistic, 1.0, threshold, neighbors, labels, stack, 0)
    n = n_up
    if two_sided:
        n = label_clusters(statistic, -1.0, threshold, neighbors, labels, stack, n_up)
    sizes = np.bincount(labels, minlength=n + 1)[1:]
    excess = np.where(labels > 0, np.abs(statistic) - threshold, 0.0)
    masses = np.asarray(np.bincount(labels, weights=excess, minlength=n + 1)[1:], np.float64)
    signs = np.where(np.arange(n) < n_up, 1.0, -1.0)
    return ClusterSet(labels, signs, sizes.astype(np.int64), masses)


@kernel
def label_clusters(
    statistic: FloatArray,
    sign: float,
    threshold: float,
    neighbors: IndexArray,
    labels: IndexArray,
    stack: IndexArray,
    n_before: int,
) -> int:
    """Flood-fill the clusters of one sign with numbers; return how many there are in all."""
    n_clusters = n_before
    for seed in range(len(statistic)):
        if labels[seed] or sign * statistic[seed] <= threshold:
            continue
        n_clusters += 1
        labels[seed] = n_clusters
        stack[0] = seed
        depth = 1
        while depth:
            depth -= 1
            for u in neighbors[stack[depth]]:
                if u >= 0 and labels[u] == 0 and sign * statistic[u] > threshold:
                    labels[u] = n_clusters
                    stack[depth] = u
                    depth += 1
    return n_clusters


@kernel
def cluster_maxima(
    maps: FloatArray,
    two_sided: bool,
    threshold: float,
    neighbors: IndexArray,
    sizes: FloatArray,
    masses: FloatArray,
) -> None:
    """Write the largest extent and the largest mass of each (n_maps, n_voxels) map; 0 if none."""
    n_voxels = maps.shape[1]
    labels = np.empty(n_voxels, np.int32)
    stack = np.empty(n_voxels, np.int32)
    for m in range(len(maps)):
        labels[:] = 0
        n = label_clusters(maps[m], 1.0, threshold, neighbors, labels, stack, 0)
        if two_sided:
            n = label_clusters(maps[m], -1.0, threshold, neighbors, labels, stack, n)
        size = np.zeros(n + 1)
        mass = np.zeros(n + 1)
        for v in range(n_voxels):
            if labels[v]:
                size[labels[v]] += 1.0
                mass[labels[v]] += abs(maps[m, v]) - threshold
        sizes[m] = size.max()
        masses[m] = mass.max()
