"""Designs and relabelings: what may be tested, and the draws under the null hypothesis."""

import math

import numpy as np
import pytest

from bids_rsa.core.inference.design import one_sample_design, slope_design, two_sample_design
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings, smallest_p


def test_sign_flips_are_all_listed_when_few():
    rel = draw_relabelings(one_sample_design(5), 10_000, seed=1)
    assert rel.exhaustive
    assert len({tuple(row) for row in rel.values}) == rel.n_draws == 32
    assert (rel.values[0] == 1).all()
    assert (rel.values == 1).all(axis=1).sum() == 1


def test_group_relabelings_are_the_distinct_memberships():
    design = two_sample_design([True, False, True, False, False, True, False])
    rel = draw_relabelings(design, 10_000, seed=1)
    members = {tuple(design.tested[row]) for row in rel.values}
    assert rel.exhaustive and rel.n_draws == len(members) == math.comb(7, 3)
    np.testing.assert_array_equal(design.tested[rel.values[0]], design.tested)


def test_slope_relabelings_with_ties_are_distinct_arrangements():
    design = slope_design([1.0, 1.0, 2.0, 3.0, 5.0])
    rel = draw_relabelings(design, 10_000, seed=1)
    assert rel.exhaustive and rel.n_draws == math.factorial(5) // 2
    assert len({tuple(design.tested[row]) for row in rel.values}) == 60


def test_covariates_tell_subjects_of_a_group_apart():
    design = two_sample_design([True, True, False, False], [1.0, 2.0, 3.0, 5.0])
    assert draw_relabelings(design, 100, seed=1).n_draws == 24


def test_random_draws_are_uniform_and_follow_the_seed():
    design = one_sample_design(16)
    rel = draw_relabelings(design, 20_000, seed=3)
    assert not rel.exhaustive and rel.n_draws == 20_000
    assert set(np.unique(rel.values)) == {-1, 1}
    # 20,000 coin tosses: five standard errors are .035
    assert np.abs(rel.values.mean(axis=0)).max() < 0.036
    again = draw_relabelings(design, 20_000, seed=3)
    other = draw_relabelings(design, 20_000, seed=4)
    np.testing.assert_array_equal(rel.values, again.values)
    assert (rel.values != other.values).any()


def test_random_rows_are_permutations():
    rel = draw_relabelings(slope_design(np.arange(12.0)), 500, seed=0)
    np.testing.assert_array_equal(np.sort(rel.values, axis=1), np.tile(np.arange(12), (500, 1)))


@pytest.mark.parametrize(
    ("design", "two_sided", "expected"),
    [
        (one_sample_design(5), False, 1 / 32),
        (one_sample_design(5), True, 2 / 32),
        (two_sample_design([1, 1, 1, 0, 0, 0]), True, 2 / 20),
        (two_sample_design([1, 1, 1, 1, 0, 0]), True, 1 / 15),
        (one_sample_design(20), False, 1 / 1001),
        (slope_design([20.1, 21.1, 22.1, 23.1]), True, 2 / 24),
        (slope_design([20.1, 21.1, 22.1, 23.1]), False, 1 / 24),
        (slope_design([20.0, 21.0, 22.0, 25.0]), True, 1 / 24),
        (slope_design([1.0, 2.0, 3.0, 4.0], [5.0, 7.0, 7.0, 5.0]), True, 2 / 24),
        (slope_design([1.0, 2.0, 3.0, 4.0], [5.0, 7.0, 7.5, 5.0]), True, 1 / 24),
    ],
)
def test_smallest_p(design, two_sided, expected):
    rel = draw_relabelings(design, 1000, seed=0)
    assert smallest_p(design, rel, two_sided) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: one_sample_design(1), "at least 2"),
        (lambda: one_sample_design(5, [[2.0]] * 5), "constant"),
        (lambda: one_sample_design(3, np.arange(6.0).reshape(3, 2)), "degree of freedom"),
        (lambda: one_sample_design(4, [1.0, 2.0]), "2 participants for 4"),
        (lambda: one_sample_design(4, [1.0, np.nan, 2.0, 3.0]), "finite"),
        (lambda: one_sample_design(6, np.column_stack([np.arange(6.0)] * 2)), "dependent"),
        (lambda: two_sample_design([1, 0, 0, 0]), "at least 2 participants each"),
        (lambda: two_sample_design([1, 1, 0, 0], [2.0, 2.0, 7.0, 7.0]), "dependent"),
        (lambda: slope_design([3.0, 3.0, 3.0]), "constant"),
        (lambda: draw_relabelings(one_sample_design(5), 0, 0), "at least one permutation"),
    ],
)
def test_designs_that_cannot_be_tested_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("covariate", [[5.0, 7.0, 9.0, 7.0, 5.0], [5.0, 7.0, 8.0, 9.0, 3.0]])
def test_the_smallest_p_is_reached_by_the_best_data(covariate):
    """Data equal to what is tested have the smallest p that any can have."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    design = slope_design(values, covariate)
    draws = draw_relabelings(design, 1000, seed=0)
    for tail in ("greater", "two-sided"):
        plan = prepare_test(design.residuals(values[:, None]), design, tail)
        p = permutation_null(plan, draws).counts[0] / draws.n_draws
        assert p == pytest.approx(smallest_p(design, draws, tail == "two-sided"))
