"""The largest TFCE value of each map of a null distribution; no enhanced map is written."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.memory import prefetch
from bids_rsa.core.engine.vectors import pointer_to
from bids_rsa.core.inference._sort import room_for_sorting, sort_positive
from bids_rsa.core.inference.adjacency import Adjacency, Near
from bids_rsa.core.inference.tfce import integrated, power_of_extent, root_halving

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]

_AHEAD = 6  # locations; any from 4 to 16 will do, measured


def tfce_maxima(maps: FloatArray, two_sided: bool, adjacency: Adjacency) -> FloatArray:
    """Compute the largest TFCE value of each of the (n_maps, n_locations) maps."""
    largest = np.empty(len(maps))
    powers = adjacency.extent_power, adjacency.height_power
    _write_maxima(maps, two_sided, adjacency.near, *powers, largest)
    return largest


@kernel
def _write_maxima(
    maps: FloatArray,
    two_sided: bool,
    near: Near,
    extent_power: float,
    height_power: float,
    out: FloatArray,
) -> None:
    """Write the largest TFCE value of each map into ``out``."""
    n_locations = maps.shape[1]
    room = room_for_sorting(n_locations)
    order = np.empty(n_locations, np.int32)
    parent = np.empty(near.n_places, np.int32)
    trees = np.empty((near.n_places, 4))
    for m in range(len(maps)):
        out[m] = 0.0
        for sign in (1.0, -1.0):
            if sign < 0 and not two_sided:
                continue
            n = sort_positive(maps[m], sign, room, order)
            best = _largest_integral(
                maps[m], order[:n], near, extent_power, height_power, parent, trees
            )
            out[m] = max(out[m], best)


@kernel
def _largest_integral(
    statistic: FloatArray,
    order: IndexArray,
    near: Near,
    extent_power: float,
    height_power: float,
    parent: IndexArray,
    trees: FloatArray,
) -> float:
    """As in `tfce`, but each cluster carries only the largest integral among its locations.

    ``parent`` (n_places,) and ``trees`` (n_places, 4) are of places on the grid, where there is
    one. A row of trees, half a cache line, holds at each root: extent, integrated power of the
    height at which the extent last changed, largest integral down to there.
    """
    parent[:] = -1
    on_grid = near.steps.size > 0
    values, parents, places = pointer_to(statistic), pointer_to(parent), pointer_to(near.places)
    starts, neighbors = pointer_to(near.starts), pointer_to(near.neighbors)
    for i in range(order.size):
        # ask for what the next locations need: they lie anywhere, and memory is slow
        if i + 2 * _AHEAD < order.size:
            soon, later = order[i + _AHEAD], order[i + 2 * _AHEAD]
            prefetch(values, later)
            if on_grid:
                prefetch(places, later)
                for k in range(near.steps.size):
                    prefetch(parents, places[soon] + near.steps[k])
            else:
                prefetch(starts, later)
                prefetch(neighbors, starts[soon])
        v = order[i]
        here = integrated(abs(statistic[v]), height_power)
        place = near.places[v] if on_grid else v
        first, end = (0, near.steps.size) if on_grid else (near.starts[v], near.starts[v + 1])
        root = -1
        for k in range(first, end):
            u = place + near.steps[k] if on_grid else near.neighbors[k]
            # most often the neighbour hangs below the root found before
            if parent[u] < 0 or parent[u] == root:
                continue
            other = root_halving(parent, u)
            if root < 0:
                root = other
                _lower(trees, root, here, extent_power)
            elif other != root:
                _lower(trees, other, here, extent_power)
                root = _join(parent, trees, root, other)
        size = 1.0 if on_grid else near.sizes[v]
        if root < 0:
            parent[place] = place
            trees[place, 0], trees[place, 1], trees[place, 2] = size, here, 0.0
        else:
            parent[place] = root
            trees[root, 0] += size
    return _largest_root(order, near, extent_power, parent, trees) / (height_power + 1.0)


@kernel
def _largest_root(
    order: IndexArray,
    near: Near,
    extent_power: float,
    parent: IndexArray,
    trees: FloatArray,
) -> float:
    """Integrate what is left of all clusters down to 0; return the largest integral."""
    best = 0.0
    for v in order:
        place = near.places[v] if near.steps.size > 0 else v
        if parent[place] == place:
            _lower(trees, place, 0.0, extent_power)
            best = max(best, trees[place, 2])
    return best


@kernel
def _lower(trees: FloatArray, root: int, here: float, extent_power: float) -> None:
    """Integrate a cluster down to the height whose integrated power is ``here``."""
    trees[root, 2] += power_of_extent(trees[root, 0], extent_power) * (trees[root, 1] - here)
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
