"""Tests of few places at once, such as regions: t, p by sign flips, corrected over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.correct import count_p, false_discovery_q, familywise_p
from bids_rsa.core.inference.design import Design, one_sample_design
from bids_rsa.core.inference.group_maps import cohens_d
from bids_rsa.core.inference.observed import (
    FLOAT32_TOLERANCE,
    degrees_of_freedom,
    scores_of,
    with_tolerance,
)
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import Plan, Tail, prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings, smallest_possible_p
from bids_rsa.core.plain_statistics import known_mean_and_sd

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegionTests:
    """One-sample tests of many columns.

    Attributes
    ----------
    n : (n_columns,) int64
        Subjects with a score.
    df : (n_columns,) float64
        Degrees of freedom of t; Welch and Satterthwaite's for two groups.
    t, p, p_fwe, q_fdr, d : (n_columns,) float64
        Student's t; p by sign flips; corrected by the maximum over the family; Benjamini and
        Hochberg's adjusted p; Cohen's d. NaN with fewer than two subjects.
    exhaustive : bool
        Whether all sign flips were counted.
    """

    n: npt.NDArray[np.int64]
    df: FloatArray
    t: FloatArray
    p: FloatArray
    p_fwe: FloatArray
    q_fdr: FloatArray
    d: FloatArray
    exhaustive: bool


def region_tests(
    scores: npt.ArrayLike,
    tail: Tail = "greater",
    n_permutations: int = 10_000,
    seed: int = 0,
    families: Sequence[npt.ArrayLike] | None = None,
    design: Design | None = None,
    resolution: npt.ArrayLike = 0.0,
) -> RegionTests:
    """Test whether the mean over subjects differs from 0, or another effect, in each column.

    Parameters
    ----------
    scores : (n_subjects, n_columns) array_like
        NaN is a subject without a score there.
    tail : {"greater", "less", "two-sided"}
    n_permutations : int
        Sign flips; all of them when there are no more.
    seed : int
    families : sequence of (n_members,) array_like of int, optional
        Columns that are corrected together; all of them without it.
    design : Design, optional
        Groups, a slope, or covariates; columns that lack a subject are then not tested. Without it
        the mean, of the subjects that a column has.
    resolution : (n_columns,) array_like
        How finely scores are known (see ``score_resolution``): no standard deviation over subjects
        is taken to be smaller.
    """
    values = np.asarray(scores, dtype=np.float64)
    n = np.isfinite(values).sum(axis=0).astype(np.int64)
    known = np.broadcast_to(np.nan_to_num(np.asarray(resolution, np.float64)), n.shape)
    if design is not None:
        return _by_design(values, n, design, tail, n_permutations, seed, families, known)
    testable = n >= 2
    t, p, p_fwe, q_fdr, d = np.full((5, values.shape[1]), np.nan)
    whole = False
    mean, sd = known_mean_and_sd(values[:, testable])
    sd = np.fmax(sd, known[testable])
    with np.errstate(invalid="ignore", divide="ignore"):
        d[testable] = np.where(mean == 0, 0.0, mean / sd)
    t[testable] = d[testable] * np.sqrt(n[testable])
    for family in families or [np.arange(values.shape[1])]:
        columns = np.asarray(family, dtype=np.int64)
        columns = columns[testable[columns]]
        if not len(columns):
            continue
        mean_only = one_sample_design(len(values))
        plan = prepare_test(values[:, columns], mean_only, tail, resolution=known[columns])
        p[columns], p_fwe[columns], whole = _permuted(plan, n_permutations, seed)
        q_fdr[columns] = false_discovery_q(p[columns])
    return RegionTests(n, np.maximum(n - 1.0, 0.0), t, p, p_fwe, q_fdr, d, whole)


def _permuted(plan: Plan, n_permutations: int, seed: int) -> tuple[FloatArray, FloatArray, bool]:
    """Give p, p corrected over all columns, and whether all relabelings were counted."""
    draws = draw_relabelings(plan.design, n_permutations, seed)
    null = permutation_null(plan, draws, enhance=False)
    found = scores_of(plan)[1]
    observed = np.abs(found) if plan.two_sided else found
    whole, smallest = draws.exhaustive, smallest_possible_p(plan.design, plan.two_sided)
    p = count_p(null.counts, draws.n_draws, whole, smallest)
    return p, familywise_p(observed, null.maxima["t"], whole, smallest=smallest), whole


def _by_design(
    values: FloatArray,
    n: npt.NDArray[np.int64],
    design: Design,
    tail: Tail,
    n_permutations: int,
    seed: int,
    families: Sequence[npt.ArrayLike] | None,
    known: FloatArray,
) -> RegionTests:
    """Test groups, a slope, or the mean with covariates."""
    t, p, p_fwe, q_fdr, d = np.full((5, values.shape[1]), np.nan)
    df = np.zeros(values.shape[1])
    is_first = design.tested.astype(bool) if design.exchange == "permute" else None
    of_groups = is_first is None or np.isin(design.tested, (0, 1)).all()
    whole = False
    for family in families or [np.arange(values.shape[1])]:
        columns = np.asarray(family, dtype=np.int64)
        columns = columns[n[columns] == len(values)]
        if not len(columns):
            continue
        plan = prepare_test(values[:, columns], design, tail, resolution=known[columns])
        t[columns] = plan.direction * scores_of(plan)[1]
        df[columns] = degrees_of_freedom(plan)
        p[columns], p_fwe[columns], whole = _permuted(plan, n_permutations, seed)
        q_fdr[columns] = false_discovery_q(p[columns])
        if of_groups:
            d[columns] = cohens_d(values[:, columns], is_first, known[columns])
    return RegionTests(n, df, t, p, p_fwe, q_fdr, d, whole)


def condition_region_tests(
    scores: npt.ArrayLike,
    nulls: npt.ArrayLike,
    tail: Tail = "greater",
    exhaustive: bool = False,
    families: Sequence[npt.ArrayLike] | None = None,
    resolution: npt.ArrayLike = 0.0,
) -> RegionTests:
    """Compare mean scores with those of models whose conditions were permuted.

    Parameters
    ----------
    scores : (n_subjects, n_columns) array_like
        NaN is a subject without a score there.
    nulls : (n_subjects, n_draws, n_columns) array_like
        In each draw the conditions are in the same order in all subjects and columns. They may
        have been rounded to float32, so a draw counts from 1e-6 of the scores' size below.
    tail : {"greater", "less", "two-sided"}
    exhaustive : bool
        The draws are all distinct relabelings, the identity among them once.
    families : sequence of (n_members,) array_like of int, optional
    resolution : (n_columns,) array_like
        As in ``region_tests``.

    Returns
    -------
    RegionTests
        t, df and d are those over subjects, and describe; p is that of the permutations.
    """
    values, draws = (np.asarray(one, dtype=np.float64) for one in (scores, nulls))
    described = region_tests(values, tail, n_permutations=1, resolution=resolution)
    there = np.isfinite(values)
    weights = there / np.maximum(there.sum(axis=0), 1)
    means = np.einsum("sc,sc->c", weights, np.where(there, values, 0.0))
    known = np.where(there[:, None], draws, 0.0)
    null_means = np.einsum("sc,sdc->dc", weights, known)
    sign = -1.0 if tail == "less" else 1.0
    observed, permuted = sign * means, sign * null_means
    if tail == "two-sided":
        observed, permuted = np.abs(observed), np.abs(permuted)
    p, p_fwe, q_fdr = np.full((3, values.shape[1]), np.nan)
    for family in families or [np.arange(values.shape[1])]:
        columns = np.asarray(family, dtype=np.int64)
        columns = columns[
            (described.n[columns] >= 2) & np.isfinite(permuted[:, columns]).all(axis=0)
        ]
        if len(columns):
            scale = float(np.sqrt(np.nanmean(values[:, columns] ** 2))) or 1.0
            found, own = observed[columns] / scale, permuted[:, columns] / scale
            counts = (own >= with_tolerance(found, FLOAT32_TOLERANCE)).sum(axis=0)
            p[columns] = count_p(counts, len(own), exhaustive)
            p_fwe[columns] = familywise_p(found, own.max(axis=1), exhaustive, FLOAT32_TOLERANCE)
            q_fdr[columns] = false_discovery_q(p[columns])
    return RegionTests(
        described.n, described.df, described.t, p, p_fwe, q_fdr, described.d, exhaustive
    )
