"""All maps of a group test from its permutations: estimates, statistics, corrected p, clusters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet, find_clusters
from bids_rsa.core.inference.correct import count_p, false_discovery_q, familywise_p
from bids_rsa.core.inference.observed import Observed
from bids_rsa.core.inference.parts import clusters_of_parts, corrected_by_part
from bids_rsa.core.inference.permute import Null
from bids_rsa.core.inference.plan import Plan, voxel_blocks
from bids_rsa.core.inference.relabel import Relabelings, smallest_possible_p
from bids_rsa.core.plain_statistics import known_mean_and_sd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# the map of p that decides, by the name of the primary method
PRIMARY_MAPS = {
    "tfce": "tfceFWEp",
    "maxt": "tFWEp",
    "cluster-mass": "clusterMassFWEp",
    "cluster-size": "clusterSizeFWEp",
    "fdr": "fdrq",
    "cluster-fdr": "clusterSizefdrq",
}
# the null distribution it is compared with
PRIMARY_MAXIMA = {
    "tfce": "tfce",
    "maxt": "t",
    "cluster-mass": "cluster_mass",
    "cluster-size": "cluster_size",
}
P_ROUNDING = 1e-12


@dataclass(frozen=True)
class Cluster:
    """A connected set of significant voxels of one sign.

    ``peak`` is the place of the largest statistic in the order of the mask's voxels; ``mass`` the
    sum of the statistic above the cluster-forming threshold, times the locations' sizes; ``p`` the
    smallest p of the primary method in it; ``share_above_0`` the share of subjects with a score
    above 0 at the peak.
    """

    peak: int
    voxels: npt.NDArray[np.int64]
    mass: float
    t: float
    p: float
    share_above_0: float


def p_maps(
    plan: Plan,
    observed: Observed,
    null: Null,
    relabelings: Relabelings,
    maxima: Mapping[str, FloatArray] | None = None,
    parts: Sequence[BoolArray] = (),
) -> dict[str, FloatArray]:
    """Compute p of every kind.

    Parameters
    ----------
    plan : Plan
    observed : Observed
    null : Null
        The whole null distribution.
    relabelings : Relabelings
    maxima : mapping, optional
        Maxima over several maps under the same relabelings, instead of this map's own.
    parts : sequence of (n_voxels,) bool
        Locations whose extents share no measure: corrected p of TFCE and clusters are those of
        each part by its own maxima, times the number of parts (Bonferroni).

    Returns
    -------
    dict of str to (n_voxels,) float64
        ``p`` (voxel-wise), ``tFWEp``, ``tfceFWEp``, ``clusterSizeFWEp``, ``clusterMassFWEp`` (1
        outside clusters), ``fdrq``.
    """
    maxima = null.maxima if maxima is None else maxima
    whole = relabelings.exhaustive
    smallest = smallest_possible_p(plan.design, plan.two_sided)

    def magnitude(values: FloatArray) -> FloatArray:
        """Positive in the tested direction, in both directions when two-sided."""
        return np.abs(values) if plan.two_sided else values

    clusters = observed.clusters
    of_voxels = list(parts) or [np.ones(len(observed.statistic), dtype=bool)]
    of_clusters = clusters_of_parts(clusters, of_voxels)

    def corrected(values: FloatArray, most: FloatArray) -> FloatArray:
        return familywise_p(values, most, whole, smallest=smallest)

    def by_part(values: FloatArray, name: str, chosen: Sequence[BoolArray]) -> FloatArray:
        return corrected_by_part(values, name, maxima, chosen, corrected)

    p = count_p(null.counts, relabelings.n_draws, whole, smallest)
    return {
        "p": p,
        "tFWEp": corrected(magnitude(observed.statistic), maxima["t"]),
        "tfceFWEp": by_part(magnitude(observed.tfce), "tfce", of_voxels),
        "clusterSizeFWEp": _to_voxels(
            clusters, by_part(clusters.sizes, "cluster_size", of_clusters)
        ),
        "clusterMassFWEp": _to_voxels(
            clusters, by_part(clusters.masses, "cluster_mass", of_clusters)
        ),
        "fdrq": false_discovery_q(p),
    }


def _to_voxels(clusters: ClusterSet, p: FloatArray) -> FloatArray:
    """Give each voxel its cluster's p, 1 outside clusters."""
    return np.concatenate([[1.0], p])[clusters.labels]


def significant(p: FloatArray, observed: Observed, plan: Plan, alpha: float) -> BoolArray:
    """Tell where p is at most alpha, on a tested side of 0."""
    tested = np.ones(len(p), bool) if plan.two_sided else observed.statistic > 0
    return np.asarray((p <= alpha + P_ROUNDING) & tested, dtype=bool)


def critical_value(
    maxima: FloatArray, alpha: float, exhaustive: bool, smallest: float = 0.0
) -> float:
    """Find the threshold: what lies above it has a family-wise p of at most alpha.

    ``smallest`` is that of `bids_rsa.core.inference.correct.count_p`.

    Returns
    -------
    float
        The largest maximum whose own p exceeds alpha; infinity when nothing observed can be above.
    """
    candidates = np.unique(maxima)
    p = familywise_p(candidates, maxima, exhaustive, smallest=smallest)
    critical = float(candidates[p > alpha + P_ROUNDING][-1])  # the smallest has p 1
    # of all relabelings the identity is one, so that nothing observed lies beyond their largest
    reached = p[-1] if exhaustive else max(smallest, 1 / (len(maxima) + 1))
    return critical if reached <= alpha + P_ROUNDING else float("inf")


def significant_clusters(
    where: BoolArray,
    p: FloatArray,
    observed: Observed,
    scores: FloatArray,
    adjacency: Adjacency,
    two_sided: bool,
) -> tuple[Cluster, ...]:
    """Part the significant voxels into connected clusters, the largest first.

    Parameters
    ----------
    where : (n_voxels,) bool
        The significant voxels.
    p : (n_voxels,) float64
        p of the primary method.
    observed : Observed
    scores : (n_subjects, n_voxels) float64
        The scores tested.
    adjacency : Adjacency
    two_sided : bool
        Whether both signs were tested; signs never mix in a cluster.

    Returns
    -------
    tuple of Cluster
    """
    shown = np.where(where, observed.statistic, 0.0)
    found = find_clusters(shown, adjacency, 0.0, two_sided)
    magnitude = np.abs(observed.statistic)
    clusters = []
    for number in range(1, len(found.sizes) + 1):
        voxels = np.flatnonzero(found.labels == number)
        peak = int(voxels[np.argmax(magnitude[voxels])])
        threshold = np.broadcast_to(observed.cluster_threshold, magnitude.shape)[voxels]
        excess = np.maximum(magnitude[voxels] - threshold, 0.0)
        at_peak = scores[np.isfinite(scores[:, peak]), peak]
        clusters.append(
            Cluster(
                peak=peak,
                voxels=voxels,
                mass=float(excess @ adjacency.sizes[voxels]),
                t=float(observed.t[peak]),
                p=float(p[voxels].min()),
                share_above_0=float((at_peak > 0).mean()),
            )
        )
    return tuple(sorted(clusters, key=lambda one: (-len(one.voxels), one.peak)))


def cohens_d(
    scores: FloatArray, is_first: BoolArray | None = None, resolution: npt.ArrayLike = 0.0
) -> FloatArray:
    """Compute Cohen's d: mean / sd, or the difference of two groups over their pooled sd.

    Parameters
    ----------
    scores : (n_subjects, n_voxels) float64
        NaN is a missing subject.
    is_first : (n_subjects,) bool, optional
        Who belongs to the first group.
    resolution : (n_voxels,) array_like
        The standard deviation is not taken below it.

    Returns
    -------
    (n_voxels,) float64
        0 where the difference is 0; infinite where only the sd and the resolution are; NaN where
        fewer than two participants have a score.
    """
    mean, sd = np.empty(scores.shape[1]), np.empty(scores.shape[1])
    for part in voxel_blocks(scores.shape[1]):
        mean[part], sd[part] = _mean_and_sd(scores[:, part], is_first)
    sd = np.maximum(sd, resolution)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(mean == 0, 0.0, mean / sd), dtype=np.float64)


def _mean_and_sd(scores: FloatArray, is_first: BoolArray | None) -> tuple[FloatArray, FloatArray]:
    """Give the mean, or the difference of two groups' means, and the (pooled) sd."""
    if is_first is None:
        return known_mean_and_sd(scores)
    a, b = scores[is_first], scores[~is_first]
    squares = a.var(axis=0, ddof=1) * (len(a) - 1) + b.var(axis=0, ddof=1) * (len(b) - 1)
    return a.mean(axis=0) - b.mean(axis=0), np.sqrt(squares / (len(scores) - 2))


def spread_ratio(scores: FloatArray, is_first: BoolArray) -> float:
    """Compare the spread of two groups: the first's standard deviation over the second's.

    Parameters
    ----------
    scores : (n_subjects, n_voxels) float64
    is_first : (n_subjects,) bool
        Who belongs to the first group.

    Returns
    -------
    float
        Root of the median ratio of variances over voxels, in units of the median that groups of
        these sizes have without a difference; 1 where no voxel varies.
    """
    a, b = (scores[rows].var(axis=0, ddof=1) for rows in (is_first, ~is_first))
    varies = (a > 0) | (b > 0)
    if not varies.any():
        return 1.0
    # variances of few subjects are skewed: their ratio has a median far from 1
    expected = special.fdtri(is_first.sum() - 1, (~is_first).sum() - 1, 0.5)
    with np.errstate(divide="ignore"):
        return float(np.sqrt(np.median(a[varies] / b[varies]) / expected))
