"""Everything that comes out of a group test, as arrays."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.condition_null import ConditionTest
from bids_rsa.core.inference.correct import voxels_needed_at_floor
from bids_rsa.core.inference.group_maps import (
    PRIMARY_MAPS,
    PRIMARY_MAXIMA,
    Cluster,
    cohens_d,
    critical_value,
    p_maps,
    significant,
    significant_clusters,
)
from bids_rsa.core.inference.observed import Observed, little_spread, observe
from bids_rsa.core.inference.parts import clusters_of_parts, masks_of_parts
from bids_rsa.core.inference.permute import Null
from bids_rsa.core.inference.stelzer import StelzerTest
from bids_rsa.group.limits import corrections, warnings_of
from bids_rsa.group.load import GroupScores
from bids_rsa.group.names import say_degrees_of_freedom, stats_of
from bids_rsa.group.null_maps import find_draws
from bids_rsa.group.permutation_run import Prepared
from bids_rsa.group.records import GroupTest
from bids_rsa.group.spread import resolution_warnings, spread_warnings

LOGGER = logging.getLogger(__name__)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupResult:
    """The maps of a test, its clusters, and what its sidecars say about them.

    ``maxima`` is the null distribution that the primary method looks at, ``critical`` the
    threshold above which a value is significant; both None for the FDR. ``largest`` is the
    observed maximum. Both are of the first part where parts are corrected apart.
    """

    maps: dict[str, Floats]
    clusters: tuple[Cluster, ...]
    found: dict[str, Any]
    maxima: Floats | None
    critical: float | None
    largest: float


def joint_maxima(nulls: Sequence[Null]) -> dict[str, Floats]:
    """Take, per statistic and draw, the maximum over the maps of several tests."""
    return {name: np.max([null.maxima[name] for null in nulls], axis=0) for name in nulls[0].maxima}


@dataclass(frozen=True, eq=False)
class _Compared:
    """Observed statistics with their p, and what they were compared with, for the sidecar.

    ``sizes`` are those of all null clusters (of the first part), where clusters are compared with
    all of them.
    """

    observed: Observed
    p: dict[str, Floats]
    exhaustive: bool
    draws: dict[str, Any]
    sizes: Floats | None = None


def make_result(
    test: GroupTest,
    scores: GroupScores,
    ready: Prepared,
    null: Null,
    maxima: dict[str, Floats],
    by_null_maps: ConditionTest | StelzerTest | None = None,
) -> GroupResult:
    """Turn a null distribution into maps, clusters and numbers for the sidecar.

    ``by_null_maps`` is what the participants' null maps say, where these are used.
    """
    group = test.settings
    compared = _compare(test, ready, null, maxima, by_null_maps)
    observed, p = compared.observed, compared.p
    primary = p[PRIMARY_MAPS[group.primary]]
    where = significant(primary, observed, ready.plan, group.alpha)
    clusters = significant_clusters(
        where, primary, observed, scores.scores, ready.adjacency, ready.plan.two_sided
    )
    name = PRIMARY_MAXIMA.get(group.primary)
    critical = None
    if name:
        smallest = compared.draws["SmallestP"]
        critical = critical_value(maxima[name], group.alpha, compared.exhaustive, smallest)
    if ready.adjacency.parts and name != "t":  # each part has one of its own
        critical = None
    maps = estimates(test, scores, ready)
    maps |= {"t": observed.t, "z": observed.z, "tfce": ready.plan.direction * observed.tfce}
    maps |= p | {f"neglog10{key}": -np.log10(values) for key, values in p.items()}
    maps["tThr"] = np.where(where, observed.t, 0.0)
    return GroupResult(
        maps={stat: maps[stat] for stat in stats_of(test)},
        clusters=clusters,
        found=_found(test, scores, ready, compared, where, critical),
        maxima=maxima[name] if name else compared.sizes,
        critical=critical,
        largest=_largest(observed, group.primary, ready),
    )


def _largest(observed: Observed, primary: str, ready: Prepared) -> float:
    """Give the observed maximum that the primary method compares with its null distribution."""
    clusters, own = observed.clusters, masks_of_parts(ready.adjacency)[0]
    if primary.startswith("cluster"):
        (first,) = clusters_of_parts(clusters, [own])
        values = clusters.masses if primary == "cluster-mass" else clusters.sizes
        return float(np.max(values[first], initial=0.0))
    values = observed.tfce[own] if primary == "tfce" else observed.statistic
    return float(np.max(np.abs(values) if ready.plan.two_sided else values))


def estimates(test: GroupTest, scores: GroupScores, ready: Prepared) -> dict[str, Floats]:
    """Estimate means, Cohen's d and slopes, and count participants."""
    data = scores.scores
    first = np.array([name == test.groups[0] for name in test.group_of]) if test.groups else None
    maps = {"nsubjects": np.isfinite(data).sum(axis=0).astype(np.float64)}
    if test.kind == "slope":
        maps["slope"] = _slope(test, data)
    else:
        maps["cohensd"] = cohens_d(data, first, scores.resolution)
    fisher = test.transform == "fisher"
    means = _means(test, scores, first)
    own = [np.tanh(mean) if fisher else mean for mean in means]
    maps["meanFisherz"] = means[0] - means[1] if len(means) == 2 else means[0]
    maps["mean"] = own[0] - own[1] if len(own) == 2 else own[0]
    return maps


def _means(test: GroupTest, scores: GroupScores, first: Any) -> list[Floats]:
    """Give the transformed means: one, or the two whose difference is tested."""
    if test.kind == "paired":
        return list(scores.model_means)
    if first is not None:
        return [scores.scores[first].mean(axis=0), scores.scores[~first].mean(axis=0)]
    return [scores.model_means[0]]


def _slope(test: GroupTest, data: Floats) -> Floats:
    """Fit the slope on the tested variable beside intercept and covariates."""
    columns = [values for _, values in (*test.tested, *test.covariates)]
    x = np.column_stack([*columns, np.ones(len(data))])
    return np.asarray(np.linalg.lstsq(x, data, rcond=None)[0][0], dtype=np.float64)


def _compare(
    test: GroupTest,
    ready: Prepared,
    null: Null,
    maxima: dict[str, Floats],
    by_null_maps: ConditionTest | StelzerTest | None,
) -> _Compared:
    """Compare the observed statistics with their null; say what was relabelled how often."""
    # t and z are those over participants; with null maps they only describe, as the mean is tested
    over_subjects = observe(ready.plan, ready.adjacency, test.settings.cluster_p)
    if isinstance(by_null_maps, StelzerTest):
        return _by_stelzer(test, ready, over_subjects, by_null_maps)
    parts = [own for own, _ in ready.adjacency.parts]
    if by_null_maps is not None:
        draws = find_draws(test)
        found = {
            "RelabelingsUsed": draws.n_draws,
            "RelabelingsExhaustive": draws.exhaustive,
            "SmallestP": draws.smallest_p,
            "Statistic": (
                "mean over participants, in units of its root mean square over relabelings"
            ),
        }
        observed = replace(by_null_maps.observed, t=over_subjects.t, z=over_subjects.z)
        p = by_null_maps.p_maps(maxima, parts)
        return _Compared(observed, p, by_null_maps.exhaustive, found)
    found = {
        "RelabelingsUsed": ready.relabelings.n_draws,
        "RelabelingsExhaustive": ready.relabelings.exhaustive,
        "SmallestP": ready.smallest_p,
        "Statistic": f"z of each {test.words[0]}'s own df" if ready.plan.as_z else "t",
    }
    p = p_maps(ready.plan, over_subjects, null, ready.relabelings, maxima, parts)
    return _Compared(over_subjects, p, ready.relabelings.exhaustive, found)


def _by_stelzer(
    test: GroupTest, ready: Prepared, over_subjects: Observed, found: StelzerTest
) -> _Compared:
    """Take the clusters of null maps that were combined at random."""
    limits = found.thresholds
    observed = replace(
        over_subjects,
        statistic=ready.plan.direction * found.means,
        clusters=found.clusters,
        cluster_threshold=np.where(found.means > 0, limits[0], limits[-1]),
    )
    draws = {
        "RelabelingsUsed": found.n_draws,
        "RelabelingsExhaustive": False,
        "NullMapsPerMap": find_draws(test).n_draws,
        "NullClusters": len(found.null_sizes),
        "SmallestP": len(limits) / (found.n_draws + 1),
        "Statistic": "mean over participants",
    }
    first = found.null_sizes[found.null_parts == 0]
    return _Compared(observed, found.p_maps(), False, draws, first)


def _found(
    test: GroupTest,
    scores: GroupScores,
    ready: Prepared,
    compared: _Compared,
    where: NDArray[np.bool_],
    critical: float | None,
) -> dict[str, Any]:
    """Gather what came out on the way, for the sidecar."""
    n_voxels, group = int(scores.mask.sum()), test.settings
    n_parts = max(1, len(ready.adjacency.parts))
    n_little = int(little_spread(ready.plan).sum())
    limited = resolution_warnings(n_little, n_voxels, test.words[1])
    for warning in limited:
        LOGGER.warning("%s: %s", test.title, warning)
    draws, threshold = compared.draws, compared.observed.cluster_threshold
    needed = voxels_needed_at_floor(n_voxels, draws["SmallestP"], group.alpha)
    return {
        "Locations": test.words[1],
        "VoxelsTested": n_voxels,
        "VoxelsSignificant": int(where.sum()),
        "VoxelsLostAlone": {
            f"sub-{s}": int(n) for s, n in zip(test.subjects, scores.lost_alone, strict=True) if n
        },
        "PerfectCorrelationsLimited": scores.n_limited,
        "VoxelsWithLittleSpread": n_little,
        "LeftOut": {f"sub-{subject}": why for subject, why in test.left_out},
        **draws,
        "VoxelsNeededForFDR": needed,
        **_said_of_parts(test, draws["SmallestP"], n_parts),
        "DegreesOfFreedom": say_degrees_of_freedom(ready.plan.design, test.words[0]),
        "ClusterFormingThreshold": threshold if np.ndim(threshold) == 0 else None,
        "CriticalValue": None if critical is None or np.isinf(critical) else critical,
        "Warnings": [*spread_warnings(test, scores.scores), *limited, *warnings_of(test, n_parts)],
    }


def _said_of_parts(test: GroupTest, smallest: float, n_parts: int) -> dict[str, Any]:
    """Say how many parts are corrected for, and how small a corrected p can be then."""
    if n_parts == 1:
        return {}
    found: dict[str, Any] = {"PartsCorrectedFor": n_parts}
    if test.settings.null != "stelzer":  # its clusters have a false discovery rate
        found["SmallestCorrectedP"] = min(1.0, corrections(test, n_parts) * smallest)
    return found
