"""From null distributions to the maps of a test, its threshold and its significant voxels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference import (
    Null,
    count_p,
    false_discovery_q,
    familywise_p,
    smallest_p,
    voxels_needed_at_floor,
)
from bids_rsa.group_level.compute import Prepared
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.scores import GroupScores, back_transformed

FloatArray = npt.NDArray[np.float64]

# primary method -> label of its p map, and the statistic whose maximum it looks at
PRIMARY = {
    "maxt": ("tFWEp", "t"),
    "tfce": ("tfceFWEp", "tfce"),
    "cluster-size": ("clusterSizeFWEp", "cluster_size"),
    "cluster-mass": ("clusterMassFWEp", "cluster_mass"),
    "fdr": ("fdrq", ""),
}
P_LABELS = ("p", "tFWEp", "tfceFWEp", "clusterSizeFWEp", "clusterMassFWEp", "fdrq")


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The maps of a test over its voxels, by their labels, and what was decided.

    Attributes
    ----------
    maps : dict of str to (n_voxels,) float64
        By the label that stands after ``stat-`` in the file name.
    significant : (n_voxels,) bool
        Voxels at or below alpha by the primary method.
    thresholds : dict of str to float
        For each maximum statistic the value that must be exceeded; infinite where none can be.
    smallest_p : float
        The smallest p the draws can give.
    voxels_needed_fdr : int
        Voxels that must have the smallest p before any is significant by FDR.
    cluster_threshold : float
        Forming threshold of clusters.
    """

    maps: dict[str, FloatArray]
    significant: npt.NDArray[np.bool_]
    thresholds: dict[str, float]
    smallest_p: float
    voxels_needed_fdr: int
    cluster_threshold: float


def make_result(
    test: GroupTest, data: GroupScores, ready: Prepared, null: Null, family: dict[str, FloatArray]
) -> GroupResult:
    """Make all maps of a test.

    Parameters
    ----------
    test, data, ready
        The test.
    null : Null
        Its own null distributions.
    family : dict of str to (n_draws,) float64
        The maxima that p is computed from: the test's own, or those over all maps of a call.
    """
    exhaustive = ready.relabelings.exhaustive
    maps = _descriptive(test, data, ready)
    p = count_p(null.counts, null.n_done, exhaustive)
    maps["p"] = p
    maps |= _corrected(ready, family, exhaustive)
    maps["fdrq"] = false_discovery_q(p)
    maps |= {f"neglog10{name}": np.log10(1 / maps[name]) for name in P_LABELS}
    significant = maps[PRIMARY[test.settings.primary][0]] <= test.settings.alpha
    maps["tThr"] = np.where(significant, maps["t"], 0.0)
    floor = smallest_p(ready.plan.design, ready.relabelings, ready.plan.two_sided)
    return GroupResult(
        maps=maps,
        significant=significant,
        thresholds={
            name: critical_value(maxima, test.settings.alpha, exhaustive)
            for name, maxima in family.items()
        },
        smallest_p=floor,
        voxels_needed_fdr=voxels_needed_at_floor(len(p), floor, test.settings.alpha),
        cluster_threshold=ready.observed.cluster_threshold,
    )


def _descriptive(test: GroupTest, data: GroupScores, ready: Prepared) -> dict[str, FloatArray]:
    """Means, statistics and effect sizes."""
    scores, first = data.scores, np.array(test.in_first_group, dtype=bool)
    mean = np.nanmean(scores, axis=0)
    if test.groups:
        mean = scores[first].mean(axis=0) - scores[~first].mean(axis=0)
    maps = {"mean": mean}
    if test.kind == "one-sample":
        maps["meanBacktransformed"] = back_transformed(mean, test.transform)
    maps |= {"t": ready.observed.t, "z": ready.observed.z}
    if test.kind != "slope":
        spread = np.nanstd(scores, axis=0, ddof=1)
        if test.groups:
            squares = [
                scores[rows].var(axis=0, ddof=1) * (rows.sum() - 1) for rows in (first, ~first)
            ]
            spread = np.sqrt(sum(squares) / (len(scores) - 2))
        maps["cohensd"] = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0)
    maps["nsubjects"] = np.isfinite(scores).sum(axis=0).astype(np.float64)
    maps["tfce"] = ready.plan.direction * ready.observed.tfce
    return maps


def _corrected(
    ready: Prepared, family: dict[str, FloatArray], exhaustive: bool
) -> dict[str, FloatArray]:
    """Family-wise p of voxels and clusters; outside clusters their p is 1."""
    observed, fold = ready.observed, np.abs if ready.plan.two_sided else np.asarray
    found = {
        "tFWEp": familywise_p(fold(observed.statistic), family["t"], exhaustive),
        "tfceFWEp": familywise_p(fold(observed.tfce), family["tfce"], exhaustive),
    }
    clusters = observed.clusters
    for label, values, name in (
        ("clusterSizeFWEp", clusters.sizes, "cluster_size"),
        ("clusterMassFWEp", clusters.masses, "cluster_mass"),
    ):
        p = np.concatenate([[1.0], familywise_p(values, family[name], exhaustive)])
        found[label] = p[clusters.labels]
    return found


def critical_value(maxima: FloatArray, alpha: float, exhaustive: bool) -> float:
    """Value that an observed one must exceed for p <= alpha; infinite when none can."""
    n = len(maxima)
    allowed = int(
        np.floor(alpha * n + 1e-9) if exhaustive else np.floor(alpha * (n + 1) + 1e-9) - 1
    )
    if allowed < (1 if exhaustive else 0):
        return float("inf")
    return float(np.sort(maxima)[::-1][allowed]) if allowed < n else float("-inf")


def family_maxima(nulls: list[Null]) -> dict[str, FloatArray]:
    """Take, per statistic and draw, the maximum over all maps of a call."""
    return {name: np.max([null.maxima[name] for null in nulls], axis=0) for name in nulls[0].maxima}
