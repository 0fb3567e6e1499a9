"""The observed maps of a test, before any permutation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference._score_kernels import Draws, Tally, score_block
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet, find_clusters
from bids_rsa.core.inference.plan import Plan
from bids_rsa.core.inference.relabel import Relabelings
from bids_rsa.core.inference.tfce import tfce
from bids_rsa.core.inference.zscore import t_to_z

FloatArray = npt.NDArray[np.float64]

# A permuted value counts when it reaches the observed one up to rounding
TOLERANCE = 1e-9
# null maps and tables are files of float32: equal relabelings differ by its rounding
FLOAT32_TOLERANCE = 1e-6
# rounding of a correlation near 1, where the tolerance on t is finer than float64
CORRELATION_ROUNDING = 1e-13


@dataclass(frozen=True)
class Observed:
    """Observed statistics; signs are the data's own, whatever the tail.

    Attributes
    ----------
    t : (n_voxels,) float64
        Student's (or Welch's) t.
    z : (n_voxels,) float64
        z with the tail probability of t.
    statistic : (n_voxels,) float64
        What the permutations compare, positive in the tested direction: t, or z where voxels
        differ in their number of subjects.
    tfce : (n_voxels,) float64
        Enhanced ``statistic``.
    clusters : ClusterSet
        Clusters of ``statistic``.
    cluster_threshold : float or (n_voxels,) float64
        Their forming threshold, where it differs between voxels that of each.
    """

    t: FloatArray
    z: FloatArray
    statistic: FloatArray
    tfce: FloatArray
    clusters: ClusterSet
    cluster_threshold: float | FloatArray


def scores_of(plan: Plan) -> tuple[FloatArray, FloatArray]:
    """Score and statistic of the identity: what every draw is compared with."""
    n = plan.design.n_subjects
    identity = np.ones(n) if plan.design.exchange == "flip" else np.arange(n)
    alone = Relabelings(identity[None, :].astype(np.int32), plan.design.exchange, exhaustive=False)
    kept = np.empty((1, plan.n_voxels))
    draws = Draws(alone.codes(0, 1), plan.rows, alone.weights(plan.rows, 0, 1))
    counts = np.zeros(plan.n_voxels, np.int32)
    score_block(plan.scored, draws, Tally(np.zeros(plan.n_voxels), counts, np.empty(1), kept))
    statistic = kept[0]
    if plan.as_z or plan.design.welch:
        return statistic, statistic
    return _correlation(statistic, plan.df), statistic


def with_tolerance(observed: npt.ArrayLike, tolerance: float = TOLERANCE) -> FloatArray:
    """Lower observed values by 1e-9 max(1, |observed|): the bound a permuted value must reach."""
    observed = np.asarray(observed, dtype=np.float64)
    return np.asarray(observed - tolerance * np.maximum(1.0, np.abs(observed)), np.float64)


def score_thresholds(plan: Plan) -> FloatArray:
    """(n_voxels,) bounds that a draw's score must reach to count against the observed one."""
    score, statistic = scores_of(plan)
    if plan.two_sided:
        score, statistic = np.abs(score), np.abs(statistic)
    bound = with_tolerance(statistic)
    if plan.as_z or plan.design.welch:
        return bound
    return np.minimum(_correlation(bound, plan.df), score - CORRELATION_ROUNDING)


def observe(plan: Plan, adjacency: Adjacency, cluster_p: float = 0.001) -> Observed:
    """Compute the observed maps of a test.

    Parameters
    ----------
    plan : Plan
        The prepared test.
    adjacency : Adjacency
        Neighbours and sizes.
    cluster_p : float
        Upper-tail p of the cluster-forming threshold (halved for each sign when two-sided).

    Returns
    -------
    Observed
    """
    statistic = scores_of(plan)[1]
    threshold = plan.cluster_threshold(cluster_p)
    t = plan.direction * (_t_of_z(plan) if plan.as_z else statistic)
    return Observed(
        t=t,
        z=t_to_z(t, degrees_of_freedom(plan)),
        statistic=statistic,
        tfce=tfce(statistic, adjacency),
        clusters=find_clusters(statistic, adjacency, threshold, plan.two_sided),
        cluster_threshold=threshold,
    )


def little_spread(plan: Plan) -> npt.NDArray[np.bool_]:
    """Tell at which voxels scores spread less than their resolution, (n_voxels,)."""
    n = plan.design.n_subjects
    if plan.design.welch:
        first = plan.design.tested.astype(bool)
        variances = [plan.unit[:n][rows].var(axis=0, ddof=1) for rows in (first, ~first)]
        found = np.min(variances, axis=0) < plan.least
    else:
        # residuals on the nuisance variables have no part in them before they are relabelled
        found = 1.0 - (plan.rows[0] @ plan.unit) ** 2 < plan.least
    return np.asarray(found & plan.unit[:n].any(axis=0), dtype=bool)


def _correlation(t: FloatArray, df: FloatArray) -> FloatArray:
    """Correlation that belongs to t."""
    return np.asarray(t / np.sqrt(df + t**2), dtype=np.float64)


def _t_of_z(plan: Plan) -> FloatArray:
    """T of the identity, in the tested direction, where the statistic is z."""
    score = plan.direction * (plan.rows[0] @ plan.unit)
    remainder = np.maximum(1.0 - score**2, np.maximum(plan.least, 1e-14))
    return np.asarray(score * np.sqrt(plan.df / remainder), dtype=np.float64)


def degrees_of_freedom(plan: Plan) -> FloatArray:
    """Degrees of freedom of t, (n_voxels,): Welch and Satterthwaite's for two groups."""
    if not plan.design.welch:
        return plan.df
    n = plan.design.n_subjects
    first = plan.design.tested.astype(bool)
    errors = [
        (np.maximum(plan.unit[:n][rows].var(axis=0, ddof=1), plan.least) / rows.sum(), rows.sum())
        for rows in (first, ~first)
    ]
    total = errors[0][0] + errors[1][0]
    parts = sum(error**2 / (count - 1) for error, count in errors)
    with np.errstate(invalid="ignore", divide="ignore"):
        df = total**2 / parts
    return np.where(np.isfinite(df), df, plan.df)
