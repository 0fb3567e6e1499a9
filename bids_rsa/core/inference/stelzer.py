"""Cluster sizes of group maps that take a random null map of each subject (Stelzer et al. 2013)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet, find_clusters
from bids_rsa.core.inference.correct import count_p, false_discovery_q
from bids_rsa.core.inference.plan import Tail

FloatArray = npt.NDArray[np.float64]

BLOCK_BYTES = 2**26


@dataclass(frozen=True)
class StelzerTest:
    """Clusters of a group's mean map, and how large those of null maps are.

    Attributes
    ----------
    means : (n_locations,) float64
        Mean over subjects.
    thresholds : (n_signs, n_locations) float64
        What a mean must exceed at each location, in the direction of each sign.
    clusters : ClusterSet
        Clusters of the locations that do.
    p, q : (n_clusters,) float64
        p of each cluster's size, and the same adjusted for the false discovery rate.
    n_null_clusters : int
        Clusters of all draws, with which sizes were compared.
    """

    means: FloatArray
    thresholds: FloatArray
    clusters: ClusterSet
    p: FloatArray
    q: FloatArray
    n_null_clusters: int


def stelzer_test(
    scores: FloatArray,
    nulls: npt.NDArray[np.float32],
    adjacency: Adjacency,
    n_draws: int = 100_000,
    seed: int = 0,
    tail: Tail = "greater",
    voxel_p: float = 0.001,
) -> StelzerTest:
    """Test the sizes of clusters against those of randomly combined null maps.

    Parameters
    ----------
    scores : (n_subjects, n_locations) float64
        Transformed scores of the model.
    nulls : (n_subjects, n_maps, n_locations) float32
        Each subject's scores of the model with its conditions permuted.
    adjacency : Adjacency
    n_draws : int
        Draws of one null map per subject.
    seed : int
        Seed of numpy's PCG64.
    tail : {"greater", "less", "two-sided"}
        Two-sided: each sign at half of ``voxel_p``.
    voxel_p : float
        A location belongs to a cluster where its p by all draws is at most this.

    Returns
    -------
    StelzerTest

    Raises
    ------
    ValueError
        Shapes that do not fit, or too few draws for ``voxel_p``.

    Notes
    -----
    Stelzer, Chen and Turner (2013), NeuroImage 65, 69-82. p of a cluster is the share of all
    null clusters that are at least as large, itself counted among them. Null maps are drawn for
    each subject apart, so what all subjects share through the same conditions is not kept.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if nulls.ndim != 3 or (len(nulls), nulls.shape[2]) != scores.shape:
        raise ValueError(f"null maps {nulls.shape} do not fit scores {scores.shape}")
    signs = {"greater": (1.0,), "less": (-1.0,), "two-sided": (1.0, -1.0)}[tail]
    rank = int(np.floor(voxel_p / len(signs) * (n_draws + 1) + 1e-9))
    if rank < 1:
        raise ValueError(
            f"{n_draws} draws cannot give p of {voxel_p / len(signs):g}: at least "
            f"{int(np.ceil(len(signs) / voxel_p)) - 1} are needed"
        )
    picks = np.random.default_rng(seed).integers(0, nulls.shape[1], (n_draws, len(nulls)))
    means = scores.mean(axis=0)
    thresholds = _thresholds(nulls, picks, signs, rank)
    sizes = _null_sizes(nulls, picks, signs, thresholds, adjacency)
    above = np.zeros(len(means))
    for sign, limits in zip(signs, thresholds, strict=True):
        above[sign * means > limits] = sign
    clusters = find_clusters(above, adjacency, 0.5, len(signs) == 2)
    if tail == "less":
        clusters = find_clusters(-above, adjacency, 0.5)
    ordered = np.sort(sizes)
    reach = len(ordered) - np.searchsorted(ordered, clusters.sizes * (1 - 1e-9), side="left")
    p = count_p(reach, len(ordered), exhaustive=False)
    return StelzerTest(means, thresholds, clusters, p, false_discovery_q(p), len(ordered))


def _thresholds(
    nulls: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    signs: tuple[float, ...],
    rank: int,
) -> FloatArray:
    """Find the rank-th largest mean of all draws at each location, for each sign."""
    n_draws, n_locations = len(picks), nulls.shape[2]
    step = max(1, BLOCK_BYTES // (8 * n_draws))
    thresholds = np.empty((len(signs), n_locations))
    for start in range(0, n_locations, step):
        stop = min(start + step, n_locations)
        drawn = np.empty((n_draws, stop - start))
        _mean_of_picked(nulls, picks, start, stop, drawn)
        for row, sign in zip(thresholds, signs, strict=True):
            row[start:stop] = np.partition(sign * drawn, n_draws - rank, axis=0)[n_draws - rank]
    return thresholds


def _null_sizes(
    nulls: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    signs: tuple[float, ...],
    thresholds: FloatArray,
    adjacency: Adjacency,
) -> FloatArray:
    """List the sizes of the clusters of all draws."""
    n_locations = nulls.shape[2]
    step = max(1, BLOCK_BYTES // (8 * n_locations))
    found = []
    for start in range(0, len(picks), step):
        some = picks[start : start + step]
        drawn = np.empty((len(some), n_locations))
        _mean_of_picked(nulls, some, 0, n_locations, drawn)
        for sign, limits in zip(signs, thresholds, strict=True):
            for above in (sign * drawn >= limits).astype(np.float64):
                found.append(find_clusters(above, adjacency, 0.5).sizes)
    return np.concatenate(found)


@kernel
def _mean_of_picked(
    nulls: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    start: int,
    stop: int,
    out: FloatArray,
) -> None:
    """Write each draw's mean over subjects of one null map each into (n_draws, stop - start)."""
    n_subjects = picks.shape[1]
    for d in range(len(picks)):
        row = out[d]
        row[:] = 0.0
        for s in range(n_subjects):
            picked = nulls[s, picks[d, s], start:stop]
            for v in range(stop - start):
                row[v] += picked[v]
        for v in range(stop - start):
            row[v] /= n_subjects
