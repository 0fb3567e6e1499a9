"""Tests of few places at once, such as regions: t, p by sign flips, corrected over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.correct import count_p, false_discovery_q, familywise_p
from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.observed import scores_of
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import Tail, prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RegionTests:
    """One-sample tests of many columns.

    Attributes
    ----------
    n, df : (n_columns,) int64
        Subjects with a score, and degrees of freedom.
    t, p, p_fwe, q_fdr, d : (n_columns,) float64
        Student's t; p by sign flips; corrected by the maximum over the family; Benjamini and
        Hochberg's adjusted p; Cohen's d. NaN with fewer than two subjects.
    exhaustive : bool
        Whether all sign flips were counted.
    """

    n: npt.NDArray[np.int64]
    df: npt.NDArray[np.int64]
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
) -> RegionTests:
    """Test whether the mean over subjects differs from 0, in each column.

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
    """
    values = np.asarray(scores, dtype=np.float64)
    n = np.isfinite(values).sum(axis=0).astype(np.int64)
    testable = n >= 2
    t, p, p_fwe, q_fdr, d = np.full((5, values.shape[1]), np.nan)
    whole = False
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nanmean(values[:, testable], axis=0)
        sd = np.nanstd(values[:, testable], axis=0, ddof=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        d[testable] = np.where(mean == 0, 0.0, mean / sd)
    t[testable] = d[testable] * np.sqrt(n[testable])
    for family in families or [np.arange(values.shape[1])]:
        columns = np.asarray(family, dtype=np.int64)
        columns = columns[testable[columns]]
        if not len(columns):
            continue
        design = one_sample_design(len(values))
        plan = prepare_test(values[:, columns], design, tail)
        draws = draw_relabelings(design, n_permutations, seed)
        null = permutation_null(plan, draws, enhance=False)
        whole = draws.exhaustive
        found = scores_of(plan)[1]
        observed = np.abs(found) if plan.two_sided else found
        p[columns] = count_p(null.counts, draws.n_draws, whole)
        p_fwe[columns] = familywise_p(observed, null.maxima["t"], whole)
        q_fdr[columns] = false_discovery_q(p[columns])
    return RegionTests(n, np.maximum(n - 1, 0), t, p, p_fwe, q_fdr, d, whole)
