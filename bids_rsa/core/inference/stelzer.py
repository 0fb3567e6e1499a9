"""Cluster sizes of group maps that take a random null map of each subject (Stelzer et al. 2013)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet, find_clusters
from bids_rsa.core.inference.correct import count_p, false_discovery_q
from bids_rsa.core.inference.null_clusters import null_clusters, size_p
from bids_rsa.core.inference.null_draws import draw_means
from bids_rsa.core.inference.observed import FLOAT32_TOLERANCE, with_tolerance
from bids_rsa.core.inference.plan import Tail

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]

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
    parts = draw_means(nulls, picks, signs, rank, bounds, n_threads, on_progress)
    thresholds = np.concatenate([part.thresholds for part in parts], axis=1)
    above = np.zeros(len(means))
    for sign, limits, bound in zip(signs, thresholds, bounds, strict=True):
        above[bound > limits] = sign
    clusters = find_clusters(above, adjacency, 0.5, len(signs) == 2)
    if tail == "less":
        clusters = find_clusters(-above, adjacency, 0.5)
    sizes, places = null_clusters(parts, n_draws, adjacency)
    p = size_p(clusters, sizes, places, adjacency)
    counts = np.concatenate([part.counts for part in parts], axis=1)
    q = false_discovery_q(p)
    return StelzerTest(means, counts, thresholds, clusters, p, q, sizes, places, n_draws)
