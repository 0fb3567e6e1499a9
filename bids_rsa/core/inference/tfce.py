"""Threshold-free cluster enhancement, integrated exactly by a sorted union-find."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference._sort import sort_positive

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]


def tfce(statistic: FloatArray, neighbors: IndexArray) -> FloatArray:
    """Enhance a map: the integral over h of extent(h)^0.5 h^2 dh, from 0 to each voxel's value.

    Parameters
    ----------
    statistic : (n_voxels,) float64
        t or z. Each sign is enhanced apart.
    neighbors : (n_voxels, connectivity) int32
        See ``neighbor_table``.

    Returns
    -------
    (n_voxels,) float64
        Enhanced values with the sign of the statistic. Extents are counted in voxels.

    Notes
    -----
    Smith and Nichols (2009), NeuroImage 44, 83-98, eq. 1, without their sum over steps: between
    two heights at which a cluster grows its extent is constant, and the integral is a difference
    of cubes. Voxels enter from the highest to the lowest; each cluster is a tree of a union-find
    that carries its integral so far.
    """
    statistic = np.ascontiguousarray(statistic, dtype=np.float64)
    enhanced = np.zeros(len(statistic))
    _enhance(statistic, 1.0, neighbors, enhanced)
    _enhance(statistic, -1.0, neighbors, enhanced)
    return enhanced


@kernel
def _enhance(statistic: FloatArray, sign: float, neighbors: IndexArray, out: FloatArray) -> None:
    """Write sign * TFCE of the voxels with that sign into ``out``."""
    n_voxels = len(statistic)
    order = np.empty(n_voxels, np.int32)
    n = sort_positive(
        statistic,
        sign,
        np.empty(n_voxels, np.uint64),
        order,
        np.empty(n_voxels, np.uint64),
        np.empty(n_voxels, np.int32),
    )
    parent = np.full(n_voxels, -1, np.int32)
    size = np.zeros(n_voxels)
    cube = np.zeros(n_voxels)
    # a voxel's integral is the sum of ``gained`` from itself up to its root
    gained = np.zeros(n_voxels)
    for i in range(n):
        v = order[i]
        here = abs(statistic[v]) ** 3
        parent[v], size[v], cube[v] = v, 1.0, here
        for u in neighbors[v]:
            if u < 0 or parent[u] < 0:
                continue
            a, b = _root(parent, v), _root(parent, u)
            if a == b:
                continue
            if size[a] > size[b]:
                a, b = b, a
            gained[a] += np.sqrt(size[a]) * (cube[a] - here)
            gained[b] += np.sqrt(size[b]) * (cube[b] - here)
            gained[a] -= gained[b]
            parent[a] = b
            size[b] += size[a]
            cube[b] = here
    for i in range(n):
        v = order[i]
        if parent[v] == v:
            gained[v] += np.sqrt(size[v]) * cube[v]
    for i in range(n):
        v = order[i]
        total = gained[v]
        while parent[v] != v:
            v = parent[v]
            total += gained[v]
        out[order[i]] = sign * total / 3.0


@kernel
def _root(parent: IndexArray, v: int) -> int:
    """Follow a tree up; its depth is at most log2 of its size."""
    while parent[v] != v:
        v = parent[v]
    return v


@kernel
def _root_halving(parent: IndexArray, v: int) -> int:
    """Follow a tree up and halve the path on the way."""
    while parent[v] != v:
        parent[v] = parent[parent[v]]
        v = parent[v]
    return v


@kernel
def tfce_maxima(maps: FloatArray, two_sided: bool, neighbors: IndexArray, out: FloatArray) -> None:
    """Write the largest TFCE value of each of the (n_maps, n_voxels) maps into ``out``."""
    n_voxels = maps.shape[1]
    keys, spare_keys = np.empty(n_voxels, np.uint64), np.empty(n_voxels, np.uint64)
    order, spare_order = np.empty(n_voxels, np.int32), np.empty(n_voxels, np.int32)
    parent = np.empty(n_voxels, np.int32)
    trees = np.empty((n_voxels, 4))
    for m in range(len(maps)):
        out[m] = 0.0
        for sign in (1.0, -1.0):
            if sign < 0 and not two_sided:
                continue
            n = sort_positive(maps[m], sign, keys, order, spare_keys, spare_order)
            best = _largest_integral(maps[m], order[:n], neighbors, parent, trees)
            out[m] = max(out[m], best)


@kernel
def _largest_integral(
    statistic: FloatArray,
    order: IndexArray,
    neighbors: IndexArray,
    parent: IndexArray,
    trees: FloatArray,
) -> float:
    """As ``_enhance``, but each cluster carries only the largest integral among its voxels.

    ``trees`` (n_voxels, 4) holds at each root: extent, cube of the height at which the extent
    last changed, largest integral down to there (a row is half a cache line).
    """
    parent[:] = -1
    for v in order:
        here = abs(statistic[v])
        here = here * here * here
        root = -1
        for k in range(neighbors.shape[1]):
            u = neighbors[v, k]
            # most often the neighbour hangs below the root found before
            if u < 0 or parent[u] < 0 or parent[u] == root:
                continue
            other = _root_halving(parent, u)
            if root < 0:
                root = other
                _lower(trees, root, here)
            elif other != root:
                _lower(trees, other, here)
                root = _join(parent, trees, root, other)
        if root < 0:
            parent[v] = v
            trees[v, 0], trees[v, 1], trees[v, 2] = 1.0, here, 0.0
        else:
            parent[v] = root
            trees[root, 0] += 1.0
    best = 0.0
    for v in order:
        if parent[v] == v:
            _lower(trees, v, 0.0)
            best = max(best, trees[v, 2])
    return best / 3.0


@kernel
def _lower(trees: FloatArray, root: int, here: float) -> None:
    """Integrate a cluster down to the height whose cube is ``here``."""
    trees[root, 2] += np.sqrt(trees[root, 0]) * (trees[root, 1] - here)
    trees[root, 1] = here


@kernel
def _join(parent: IndexArray, trees: FloatArray, root: int, other: int) -> int:
    """Join two clusters that were integrated down to the same height; return the new root."""
    if trees[root, 0] < trees[other, 0]:
        root, other = other, root
    parent[other] = root
    trees[root, 0] += trees[other, 0]
    trees[root, 2] = max(trees[root, 2], trees[other, 2])
    return root
