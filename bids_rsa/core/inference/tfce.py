"""Threshold-free cluster enhancement, integrated exactly by a sorted union-find."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference._sort import room_for_sorting, sort_positive
from bids_rsa.core.inference.adjacency import Adjacency, Near

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]


def tfce(statistic: FloatArray, adjacency: Adjacency) -> FloatArray:
    """Enhance a map: the integral over h of extent(h)^E h^H dh, from 0 to each location's value.

    Parameters
    ----------
    statistic : (n_locations,) float64
        t or z. Each sign is enhanced apart.
    adjacency : Adjacency
        Neighbours, sizes and the powers E and H.

    Returns
    -------
    (n_locations,) float64
        Enhanced values with the sign of the statistic. Extents are sums of sizes.

    Notes
    -----
    Smith and Nichols (2009), NeuroImage 44, 83-98, eq. 1, without their sum over steps: between
    two heights at which a cluster grows its extent is constant, and the integral is a difference
    of powers of height. Locations enter from the highest to the lowest. What a cluster gains
    until it next grows is kept at the location that entered last, and each location's integral is
    the sum from there down to 0. Only terms that are not negative are added, so that a huge value
    costs its surroundings no digit.
    """
    statistic = np.ascontiguousarray(statistic, dtype=np.float64)
    if adjacency.parts:
        together = np.empty(len(statistic))
        for own, part in adjacency.parts:
            together[own] = tfce(statistic[own], part)
        return together
    enhanced = np.zeros(len(statistic))
    for sign in (1.0, -1.0):
        _enhance(
            statistic,
            sign,
            adjacency.near,
            adjacency.extent_power,
            adjacency.height_power,
            enhanced,
        )
    return enhanced


@kernel
def _enhance(
    statistic: FloatArray,
    sign: float,
    near: Near,
    extent_power: float,
    height_power: float,
    out: FloatArray,
) -> None:
    """Write sign * TFCE of the locations with that sign into ``out``."""
    starts, neighbors, sizes = near.starts, near.neighbors, near.sizes
    n_locations = len(statistic)
    order = np.empty(n_locations, np.int32)
    n = sort_positive(statistic, sign, room_for_sorting(n_locations), order)
    parent = np.full(n_locations, -1, np.int32)
    extent = np.zeros(n_locations)  # of a root's cluster
    last = np.empty(n_locations, np.int32)  # the location that entered a root's cluster last
    below = np.full(n_locations, -1, np.int32)  # the next location to enter the same cluster
    gained = np.zeros(n_locations)  # the cluster's extent^E from a location's height down
    for i in range(n):
        v = order[i]
        root = v
        parent[v], extent[v] = v, sizes[v]
        for k in range(starts[v], starts[v + 1]):
            u = neighbors[k]
            if parent[u] < 0:
                continue
            other = root_halving(parent, u)
            if other == root:
                continue
            below[last[other]] = v
            if extent[root] < extent[other]:
                root, other = other, root
            parent[other] = root
            extent[root] += extent[other]
        last[root] = v
        gained[v] = power_of_extent(extent[root], extent_power)
    for i in range(n - 1, -1, -1):
        v = order[i]
        here = integrated(abs(statistic[v]), height_power)
        if below[v] < 0:
            gained[v] *= here
        else:
            there = integrated(abs(statistic[below[v]]), height_power)
            gained[v] = gained[below[v]] + gained[v] * (here - there)
        out[v] = sign * gained[v] / (height_power + 1.0)


@kernel
def power_of_extent(extent: float, extent_power: float) -> float:
    """Raise an extent to the power E; the usual ones without a logarithm."""
    if extent_power == 0.5:
        return float(np.sqrt(extent))
    if extent_power == 1.0:
        return extent
    return float(extent**extent_power)


@kernel
def integrated(height: float, height_power: float) -> float:
    """Integrate (H + 1) h^H from 0 to a height."""
    if height_power == 2.0:
        return height * height * height
    return float(height ** (height_power + 1.0))


@kernel
def root_halving(parent: IndexArray, v: int) -> int:
    """Follow a tree up and halve the path on the way."""
    while parent[v] != v:
        parent[v] = parent[parent[v]]
        v = parent[v]
    return v
