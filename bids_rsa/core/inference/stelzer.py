"""Cluster sizes of group maps that take a random null map of each subject (Stelzer et al. 2013)."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet, find_clusters
from bids_rsa.core.inference.correct import count_p, false_discovery_q
from bids_rsa.core.inference.observed import FLOAT32_TOLERANCE, with_tolerance
from bids_rsa.core.inference.parts import clusters_of_parts, masks_of_parts
from bids_rsa.core.inference.plan import Tail

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]

# means of all draws that a thread holds at once
BLOCK_BYTES = 2**26
# locations whose null maps a thread reads at once
LOCATIONS_AT_ONCE = 2048
# draws above a location's threshold, beside those there are without ties
MOST_TIES = 8
SIGNS = {"greater": (1.0,), "less": (-1.0,), "two-sided": (1.0, -1.0)}


@dataclass(frozen=True)
class StelzerTest:
    """Clusters of a group's mean map, and how large those of null maps are.

    Attributes
    ----------
    means : (n_locations,) float64
        Mean over subjects.
    counts : (n_signs, n_locations) int64
        Draws whose mean is at least as far in the direction of each sign.
    thresholds : (n_signs, n_locations) float64
        What a mean must exceed at each location, in the direction of each sign.
    clusters : ClusterSet
        Clusters of the locations that do.
    p, q : (n_clusters,) float64
        p of each cluster's size, and the same adjusted for the false discovery rate.
    null_sizes : (n_null_clusters,) float64
        Sizes of the clusters of all draws, in increasing order within each part.
    null_parts : (n_null_clusters,) int64
        The part of the locations that each lies in, from 0.
    n_draws : int
    """

    means: FloatArray
    counts: npt.NDArray[np.int64]
    thresholds: FloatArray
    clusters: ClusterSet
    p: FloatArray
    q: FloatArray
    null_sizes: FloatArray
    null_parts: npt.NDArray[np.int64]
    n_draws: int

    def p_maps(self) -> dict[str, FloatArray]:
        """Give p of each location, two-sided twice the smaller one, and of its cluster, else 1."""
        one_sided = count_p(self.counts, self.n_draws, exhaustive=False)
        p = np.minimum(one_sided.min(axis=0) * len(self.counts), 1.0)
        return {
            "p": p,
            "fdrq": false_discovery_q(p),
            "clusterSizep": np.concatenate([[1.0], self.p])[self.clusters.labels],
            "clusterSizefdrq": np.concatenate([[1.0], self.q])[self.clusters.labels],
        }


def draws_needed(voxel_p: float, tail: Tail) -> int:
    """Count the draws without which no location can have a p of ``voxel_p``."""
    return int(np.ceil(len(SIGNS[tail]) / voxel_p - 1e-9)) - 1


def stelzer_test(
    scores: FloatArray,
    nulls: npt.NDArray[np.float32],
    adjacency: Adjacency,
    n_draws: int = 100_000,
    seed: int = 0,
    tail: Tail = "greater",
    voxel_p: float = 0.001,
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> StelzerTest:
    """Test the sizes of clusters against those of randomly combined null maps.

    Parameters
    ----------
    scores : (n_subjects, n_locations) float64
        Transformed scores of the model.
    nulls : (n_subjects, n_maps, n_locations) float32
        Each subject's scores of the model with its conditions permuted; may be a memory map.
    adjacency : Adjacency
    n_draws : int
        Draws of one null map per subject.
    seed : int
        Seed of numpy's PCG64.
    tail : {"greater", "less", "two-sided"}
        Two-sided: each sign at half of ``voxel_p``.
    voxel_p : float
        A location belongs to a cluster where its p by all draws is at most this.
    n_threads : int
        Threads; the result is the same for any number.
    on_progress : callable, optional
        Takes the number of locations finished since the last call.

    Returns
    -------
    StelzerTest

    Raises
    ------
    ValueError
        Shapes that do not fit, too few draws for ``voxel_p``, or null maps so few or so alike
        that many draws tie at the threshold.

    Notes
    -----
    Stelzer, Chen and Turner (2013), NeuroImage 65, 69-82. p of a cluster is the share of all
    null clusters that are at least as large, itself counted among them. Where parts of the
    locations share no measure, it is compared with the null clusters of its own part. Null maps
    are drawn for each subject apart, so what all subjects share through the same conditions is
    not kept.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if nulls.ndim != 3 or (len(nulls), nulls.shape[2]) != scores.shape:
        raise ValueError(f"null maps {nulls.shape} do not fit scores {scores.shape}")
    signs = SIGNS[tail]
    rank = int(np.floor(voxel_p / len(signs) * (n_draws + 1) + 1e-9))
    if rank < 1:
        raise ValueError(
            f"{n_draws} draws cannot give p of {voxel_p / len(signs):g}: at least "
            f"{draws_needed(voxel_p, tail)} are needed"
        )
    picks = np.random.default_rng(seed).integers(0, nulls.shape[1], (n_draws, len(nulls)))
    means = scores.mean(axis=0)
    scale = float(np.sqrt(np.mean(scores**2))) or 1.0  # of the scores, whatever their unit
    bounds = np.array(
        [scale * with_tolerance(sign * means / scale, FLOAT32_TOLERANCE) for sign in signs]
    )
    search = partial(_search, nulls, picks, signs, rank, bounds)
    parts = []
    with ThreadPoolExecutor(n_threads) as pool:
        for part in pool.map(search, range(0, len(means), LOCATIONS_AT_ONCE)):
            parts.append(part)
            if on_progress is not None:
                on_progress(part.thresholds.shape[1])
    thresholds = np.concatenate([part.thresholds for part in parts], axis=1)
    above = np.zeros(len(means))
    for sign, limits, bound in zip(signs, thresholds, bounds, strict=True):
        above[bound > limits] = sign
    clusters = find_clusters(above, adjacency, 0.5, len(signs) == 2)
    if tail == "less":
        clusters = find_clusters(-above, adjacency, 0.5)
    sizes, places = _null_clusters(parts, n_draws, adjacency)
    p = _size_p(clusters, sizes, places, adjacency)
    counts = np.concatenate([part.counts for part in parts], axis=1)
    q = false_discovery_q(p)
    return StelzerTest(means, counts, thresholds, clusters, p, q, sizes, places, n_draws)


def _null_clusters(
    parts: "list[_Part]", n_draws: int, adjacency: Adjacency
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


def _size_p(
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


@dataclass(frozen=True)
class _Part:
    """What the draws say about some locations; for each sign the (draws, locations) above."""

    thresholds: FloatArray
    counts: npt.NDArray[np.int64]
    above: list[tuple[IndexArray, IndexArray]]


def _search(
    nulls: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    signs: tuple[float, ...],
    rank: int,
    bounds: FloatArray,
    first: int,
) -> _Part:
    """Compute all draws at some locations: thresholds, counts, and what lies above."""
    last = min(first + LOCATIONS_AT_ONCE, nulls.shape[2])
    maps = np.ascontiguousarray(nulls[:, :, first:last])
    n, n_draws = last - first, len(picks)
    thresholds, counts = np.empty((len(signs), n)), np.empty((len(signs), n), np.int64)
    found: list[list[IndexArray]] = [[] for _ in signs]
    step = max(1, min(n, BLOCK_BYTES // (8 * n_draws)))
    drawn = np.empty((step, n_draws))
    for start in range(0, n, step):
        stop = min(start + step, n)
        _mean_of_picked(maps, picks, start, stop, drawn)
        for v in range(start, stop):
            for s, sign in enumerate(signs):
                row = sign * drawn[v - start]
                thresholds[s, v], draws = _largest(row, rank)
                counts[s, v] = np.count_nonzero(row >= bounds[s, first + v])
                found[s].append(draws)
    above = []
    for lists in found:
        draws = np.concatenate(lists)
        if len(draws) > MOST_TIES * rank * n:
            raise ValueError(
                "the null maps are so few or so alike that many draws have the same mean, and no "
                "threshold leaves the wanted share of them"
            )
        lengths = [len(one) for one in lists]
        above.append((draws, np.repeat(np.arange(first, last, dtype=np.int32), lengths)))
    return _Part(thresholds, counts, above)


def _largest(row: FloatArray, rank: int) -> tuple[float, IndexArray]:
    """Find the rank-th largest value, and the draws that reach it."""
    # a part of the draws gives a bound that few others exceed
    some = row[: max(1000, len(row) // 16)]
    guess = min(len(some), int(2 * rank * len(some) / len(row)) + 4)
    bound = np.partition(some, len(some) - guess)[len(some) - guess]
    places = np.flatnonzero(row >= bound)
    if len(places) < rank:
        places = np.arange(len(row))
    values = row[places]
    limit = np.partition(values, len(values) - rank)[len(values) - rank]
    return float(limit), places[values >= limit].astype(np.int32)


def _null_sizes(
    parts: list[_Part], n_draws: int, adjacency: Adjacency
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


@kernel
def _mean_of_picked(
    maps: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    start: int,
    stop: int,
    out: FloatArray,
) -> None:
    """Write each draw's mean over subjects of one null map each into (stop - start, n_draws)."""
    n_subjects = picks.shape[1]
    sums = np.empty(stop - start)
    for d in range(len(picks)):
        sums[:] = 0.0
        for s in range(n_subjects):
            picked = maps[s, picks[d, s], start:stop]
            for v in range(stop - start):
                sums[v] += picked[v]
        for v in range(stop - start):
            out[v, d] = sums[v] / n_subjects
