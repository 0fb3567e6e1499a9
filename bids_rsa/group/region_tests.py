"""Tests of regions across participants: models, their differences, and noise ceilings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.ceilings import subject_ceilings
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.inference.design import Design
from bids_rsa.core.inference.plan import Tail
from bids_rsa.core.inference.region_tests import (
    RegionTests,
    condition_region_tests,
    region_tests,
)
from bids_rsa.group.region_columns import tail_of
from bids_rsa.group.region_data import RegionData, transformer
from bids_rsa.settings import GroupSettings

Floats = NDArray[np.float64]
_FEWEST_OF_CEILING = 3


@dataclass(frozen=True, eq=False)
class ComparedRegions:
    """What is tested under one comparison.

    ``scores`` and ``transformed`` are (n_subjects, n_models, n_regions); ``pairs`` the models of
    each difference; ``tests``, ``differences`` and ``to_ceiling`` have one column for each model
    (or pair) and region, regions running fastest; ceilings are (n_regions,), NaN without any, and
    ``has_ceiling`` (n_models,) are the models that they are of.
    """

    models: tuple[str, ...]
    scores: Floats
    transformed: Floats
    tests: RegionTests
    pairs: tuple[tuple[int, int], ...]
    differences: RegionTests | None
    lower: Floats
    upper: Floats
    to_ceiling: RegionTests | None
    has_ceiling: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Tester:
    """Tests the scores of regions as the settings ask for it.

    Values are (n_subjects, n_sets, n_regions), a set being a model or a pair of models, and
    ``known`` (n_sets, n_regions) says how finely they are known.
    """

    settings: GroupSettings
    design: Design | None
    exhaustive: bool

    def families(self, values: Floats) -> list[NDArray[np.intp]]:
        """Correct over regions, and over models where asked for."""
        _, n_sets, n_regions = values.shape
        columns = np.arange(n_sets * n_regions).reshape(n_sets, n_regions)
        return [columns.ravel()] if self.settings.fwe_over == "models" else list(columns)

    def test(
        self, values: Floats, tail: Tail, known: Floats, draws: Floats | None = None
    ) -> RegionTests:
        """Test by the draws of a null of conditions if given, else by relabeling participants."""
        if draws is None:
            return self.relabel(values, tail, known, self.design)
        return condition_region_tests(
            values.reshape(len(values), -1), draws.reshape(*draws.shape[:2], -1), tail,
            self.exhaustive, self.families(values), known.ravel(),
        )  # fmt: skip

    def relabel(
        self, values: Floats, tail: Tail, known: Floats, design: Design | None
    ) -> RegionTests:
        """Test by relabeling participants; against 0 where there is no design."""
        return region_tests(
            values.reshape(len(values), -1), tail, self.settings.n_permutations,
            self.settings.random_seed, self.families(values), design, known.ravel(),
        )  # fmt: skip


def compare_regions(data: RegionData, comparison: str, settings: GroupSettings) -> ComparedRegions:
    """Test the scores of all models in all regions, their differences, and the noise ceiling."""
    scores = data.scores[comparison]
    n_subjects, n_models, n_regions = scores.shape
    rdms, transform = _used_cells(data, comparison, settings)
    transformed = data.transformed.get(comparison, transform(scores))
    nulls = data.nulls.get(comparison)
    known = data.resolution.get(comparison, np.zeros((n_models, n_regions)))
    design = data.people.design(n_subjects, "Regions")
    tester = _Tester(settings, design, data.exhaustive)
    tail: Any = tail_of(data.people, settings)
    pairs = tuple(itertools.combinations(range(n_models), 2))
    without = data.no_ceiling.get(comparison, {})
    has_ceiling = np.array([model not in without for model in data.models[comparison]])
    lower, upper, to_ceiling = np.full(n_regions, np.nan), np.full(n_regions, np.nan), None
    if ceilings_wanted(comparison, n_subjects, settings) and has_ceiling.any():
        by_subject, upper = ceilings_of_regions(rdms, comparison)
        lower = np.where(np.isfinite(by_subject).any(axis=0), mean_known(by_subject), np.nan)
        apart_from_it = transformed - transform(by_subject)[:, None]
        apart_from_it[:, ~has_ceiling] = np.nan
        to_ceiling = tester.relabel(apart_from_it, "two-sided", known, None)
    return ComparedRegions(
        data.models[comparison], scores, transformed,
        tester.test(transformed, tail, known, nulls),
        pairs, _test_differences(tester, transformed, known, nulls, pairs),
        lower, upper, to_ceiling, has_ceiling,
    )  # fmt: skip


def _used_cells(
    data: RegionData, comparison: str, settings: GroupSettings
) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Take the RDMs without the cells left out, and how scores of so many are transformed."""
    rdms, left_out = data.rdms, data.left_out
    if left_out is not None and left_out.any():
        rdms = np.where(left_out, np.nan, rdms)
    n_left_out = 0 if left_out is None else int(left_out.sum())
    return rdms, transformer(comparison, settings, rdms.shape[2] - n_left_out)


def _test_differences(
    tester: _Tester,
    transformed: Floats,
    known: Floats,
    nulls: Floats | None,
    pairs: Sequence[tuple[int, int]],
) -> RegionTests | None:
    """Test the differences of pairs of models; None where there is one model."""
    if not pairs:
        return None
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    apart = transformed[:, first] - transformed[:, second]
    draws = None if nulls is None else nulls[:, :, first] - nulls[:, :, second]
    return tester.test(apart, "two-sided", np.hypot(known[first], known[second]), draws)


def ceilings_wanted(comparison: str, n_subjects: int, settings: GroupSettings) -> bool:
    """Tell whether noise ceilings go with a comparison, the participants and the settings."""
    few = n_subjects < _FEWEST_OF_CEILING
    return bool(find_comparison(comparison).ceiling) and not (few or settings.average_sessions)


def ceilings_of_regions(rdms: Floats, comparison: str) -> tuple[Floats, Floats]:
    """Compute noise ceilings of each region, over the participants who have it.

    Parameters
    ----------
    rdms : (n_subjects, n_regions, n_cells) float64
    comparison : str

    Returns
    -------
    lower : (n_subjects, n_regions) float64
        Similarity of each participant's RDM with the mean RDM of the others.
    upper : (n_regions,) float64
    """
    n_subjects, n_regions, _ = rdms.shape
    lower, upper = np.full((n_subjects, n_regions), np.nan), np.full(n_regions, np.nan)
    there = np.isfinite(rdms).any(axis=2)
    for pattern in np.unique(there.T, axis=0):
        regions = np.flatnonzero((pattern == there.T).all(axis=1))
        subjects = np.flatnonzero(pattern)
        if len(subjects) > 2:
            own = rdms[np.ix_(subjects, regions)]
            lower[np.ix_(subjects, regions)], upper[regions] = subject_ceilings(own, comparison)
    return lower, upper


def mean_known(values: Floats) -> Floats:
    """Average over participants who have a value; NaN where no one has."""
    n = np.isfinite(values).sum(axis=0)
    return np.asarray(np.nansum(values, axis=0) / np.where(n > 0, n, np.nan))
