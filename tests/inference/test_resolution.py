"""Scores that spread less than they can tell apart: a smallest variance, the same in every draw."""

import numpy as np
import pytest
from scipy import ndimage, stats

from bids_rsa.core.comparison.table import COMPARISONS, find_comparison
from bids_rsa.core.inference.correct import familywise_p
from bids_rsa.core.inference.design import one_sample_design, slope_design, two_sample_design
from bids_rsa.core.inference.group_maps import cohens_d
from bids_rsa.core.inference.group_scores import fisher_z
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import little_spread, observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import Relabelings, draw_relabelings
from bids_rsa.core.inference.resolution import score_resolution

N = 9
MASK = np.ones((8, 7, 6), bool)
ADJACENCY = grid_adjacency(MASK)
AGES = np.array([20.0, 31, 25, 44, 27, 38, 52, 29, 33])
FIRST = np.arange(N) < 4


def rank_scores(rng, n_subjects, n_cells, n_voxels, effect=0.0):
    """Spearman's rho of noise with a model without ties, plus an effect on the cells."""
    model = np.arange(n_cells, dtype=float)
    cells = rng.standard_normal((n_subjects, n_voxels, n_cells)) + effect * model
    ranks = stats.rankdata(cells, axis=2)
    return np.array([[stats.pearsonr(r, model)[0] for r in rows] for rows in ranks])


def reference_t(y, tested, nuisance, resolution):
    """Least-squares t of the tested column, the residual sd never below the resolution."""
    x = np.column_stack([tested, nuisance])
    beta = np.linalg.pinv(x) @ y
    df = len(y) - x.shape[1]
    variance = np.maximum(((y - x @ beta) ** 2).sum(axis=0) / df, resolution**2)
    return beta[0] / np.sqrt(variance * np.linalg.inv(x.T @ x)[0, 0])


def reference_welch(y, first, resolution):
    """Welch's t, no group's sd below the resolution."""
    a, b = y[first], y[~first]
    errors = [np.maximum(g.var(axis=0, ddof=1), resolution**2) / len(g) for g in (a, b)]
    return (a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(errors[0] + errors[1])


CASES = {
    "one sample": (one_sample_design(N), np.ones(N), np.empty((N, 0))),
    "with covariate": (one_sample_design(N, AGES), np.ones(N), (AGES - AGES.mean())[:, None]),
    "slope": (slope_design(AGES), AGES - AGES.mean(), np.ones((N, 1))),
    "welch": (two_sample_design(FIRST), FIRST * 1.0, np.ones((N, 1))),
    "groups with covariate": (
        two_sample_design(FIRST, AGES),
        FIRST * 1.0,
        np.column_stack([np.ones(N), AGES - AGES.mean()]),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("tail", ["greater", "two-sided"])
def test_observed_and_permuted_t_have_the_same_smallest_sd(case, tail):
    design, tested, nuisance = CASES[case]
    rng = np.random.default_rng(1)
    data = rng.standard_normal((N, MASK.sum())) * rng.uniform(0.01, 2, MASK.sum()) + 0.3
    data[:, :20] = 0.8
    resolution = rng.uniform(0.05, 0.8, MASK.sum())

    def t_of(y):
        if design.welch:
            return reference_welch(y, FIRST, resolution)
        return reference_t(y, tested, nuisance, resolution)

    plan = prepare_test(data, design, tail, resolution=resolution)
    expected = t_of(data)
    np.testing.assert_allclose(observe(plan, ADJACENCY).t, expected, rtol=1e-7, atol=1e-9)
    draws = draw_relabelings(design, 60, 4)
    null = permutation_null(plan, draws)
    pick = np.abs if tail == "two-sided" else np.asarray
    hat = nuisance @ np.linalg.pinv(nuisance) if nuisance.size else np.zeros((N, N))
    residuals = data - hat @ data
    counts = np.zeros(MASK.sum(), int)
    for k, draw in enumerate(draws.values):
        again = residuals * draw[:, None] if design.exchange == "flip" else residuals
        if design.exchange == "permute":
            again = residuals[np.argsort(draw)]
        t = pick(t_of(again + hat @ data))
        assert null.maxima["t"][k] == pytest.approx(t.max(), rel=1e-7)
        counts += t >= pick(expected) - 1e-8 * np.maximum(1, np.abs(expected))
    np.testing.assert_array_equal(null.counts, counts)
    plain = prepare_test(data, design, tail)
    change = np.abs(observe(plain, ADJACENCY).t - expected)
    touched = change > 1e-6 * np.maximum(1e-3, np.abs(expected))
    assert 50 < touched.sum() < MASK.sum()
    known = little_spread(plan)
    np.testing.assert_array_equal(known | ~touched, True)


def test_a_wide_spread_is_left_as_it_is():
    rng = np.random.default_rng(2)
    data = rng.standard_normal((N, MASK.sum()))
    draws = draw_relabelings(one_sample_design(N), 80, 0)
    plain, limited = (
        prepare_test(data, one_sample_design(N), resolution=r) for r in (None, np.full(336, 1e-4))
    )
    assert not little_spread(limited).any()
    one, other = (permutation_null(p, draws, ADJACENCY, 2.0) for p in (plain, limited))
    for name, values in one.maxima.items():
        assert values.tobytes() == other.maxima[name].tobytes()


def test_voxels_with_fewer_subjects_have_it_too():
    rng = np.random.default_rng(3)
    data = rng.standard_normal((N, MASK.sum())) * 0.2 + 0.4
    data[rng.random(data.shape) < 0.1] = np.nan
    resolution = np.full(MASK.sum(), 0.25)
    plan = prepare_test(data, one_sample_design(N), resolution=resolution)
    n = np.isfinite(data).sum(axis=0)
    sd = np.maximum(np.nanstd(data, axis=0, ddof=1), resolution)
    t = np.nanmean(data, axis=0) / sd * np.sqrt(n)
    found = observe(plan, ADJACENCY)
    np.testing.assert_allclose(found.t, t, rtol=1e-9)
    np.testing.assert_allclose(found.statistic, stats.norm.isf(stats.t.sf(t, n - 1)), rtol=1e-6)
    np.testing.assert_array_equal(little_spread(plan), np.nanstd(data, 0, ddof=1) < resolution)


@pytest.mark.parametrize("n_cells", [3, 6, 10, 15])
def test_the_resolution_of_a_rank_score_is_half_a_step_in_z(n_cells):
    """Against the smallest difference between two of all attainable scores."""
    rng = np.random.default_rng(0)
    model = np.arange(n_cells)
    orders = np.array([rng.permutation(n_cells) for _ in range(20_000)])
    rho = stats.pearsonr(orders, np.tile(model, (len(orders), 1)), axis=1)[0]
    steps = np.diff(np.unique(np.round(rho, 9)))
    step = find_comparison("spearman").score_step(n_cells)
    assert steps.min() == pytest.approx(step, rel=1e-5)
    scores = np.array([0.5, 0.0, -0.5, 1.0, -1.0, np.nan])
    known = score_resolution(scores, n_cells, step)
    inside = np.arctanh(0.5) - np.arctanh(0.5 - step / 2)
    at_one = np.arctanh(1 - step / 2) - np.arctanh(1 - step)
    expected = [inside, np.arctanh(step / 2), inside, at_one, at_one, np.nan]
    np.testing.assert_allclose(known, expected, rtol=1e-6)


def test_the_step_of_a_model_with_ties_is_seen_in_the_scores():
    """Two categories of four: 28 cells, and the scores move in wider steps than ranks could."""
    rng = np.random.default_rng(5)
    half = np.arange(8) // 4
    model = (half[:, None] != half)[np.triu_indices(8, 1)].astype(float)
    ranks = np.array([rng.permutation(28) for _ in range(3000)])
    rho = stats.pearsonr(ranks, np.tile(model, (3000, 1)), axis=1)[0].astype(np.float32)
    steps = np.diff(np.unique(np.round(rho.astype(float), 5)))
    known = score_resolution(rho, 28, find_comparison("spearman").score_step(28), fisher=False)
    assert known.min() == pytest.approx(steps.min() / 2, rel=0.01)
    few = score_resolution(rho[:50], 28, 5e-4, fisher=False)  # most are unique: nothing is seen
    assert few[np.argmin(np.abs(rho[:50]))] == pytest.approx(2.5e-4, rel=1e-6)
    np.testing.assert_array_equal(score_resolution(-rho, 28, 5e-4), score_resolution(rho, 28, 5e-4))


@pytest.mark.parametrize("name", ["spearman", "kendall-tau-a"])
def test_steps_of_the_table_are_those_of_all_orders(name):
    from itertools import permutations

    from bids_rsa.core.comparison.plans import compare

    scores = [compare(np.array(p, float), np.arange(5.0), name)[0] for p in permutations(range(5))]
    smallest = np.diff(np.unique(np.round(scores, 9))).min()
    assert find_comparison(name).score_step(5) == pytest.approx(smallest)


def test_rank_comparisons_have_a_step_and_others_none():
    for entry in COMPARISONS.values():
        assert (entry.score_step(28) > 0) == entry.ranked


def test_equal_scores_of_a_continuous_comparison_have_a_finite_t():
    rng = np.random.default_rng(6)
    scores = rng.uniform(-0.5, 0.5, (3, MASK.sum()))
    scores[:, :5] = 0.4
    scores[:, 5] = 1.0
    z = fisher_z(scores, 28)[0]
    known = np.sqrt(np.mean([score_resolution(s, 28) ** 2 for s in scores], axis=0))
    t = observe(prepare_test(z, one_sample_design(3), resolution=known), ADJACENCY).t
    np.testing.assert_allclose(t[:5], np.sqrt(3) * 1e3, rtol=1e-6)
    assert 5 < t[5] < 100
    d = cohens_d(z, resolution=known)
    np.testing.assert_allclose(d * np.sqrt(3), t, rtol=1e-6)


def ceiling_group(rng, n_cells, n_subjects, effect):
    """Rank scores of smooth noise, a core at the ceiling, and a weaker effect around it."""
    shape = (14, 14, 14)
    core, around = np.zeros(shape, bool), np.zeros(shape, bool)
    core[5:8, 5:8, 5:8] = True
    around[3:10, 3:10, 3:10] = True
    model = np.arange(n_cells, dtype=float)
    noise = rng.standard_normal((n_subjects, n_cells, *shape))
    noise = ndimage.gaussian_filter(noise, (0, 0, 1, 1, 1), mode="wrap")
    noise /= noise.std()
    cells = noise + model[:, None, None, None] * (30.0 * core + effect * (around & ~core))
    ranks = stats.rankdata(cells, axis=1) - (n_cells + 1) / 2
    rho = np.tensordot(ranks, model - model.mean(), (1, 0)) * 12 / (n_cells**3 - n_cells)
    return rho.reshape(n_subjects, -1), core.ravel(), (around & ~core).ravel()


@pytest.mark.parametrize(
    ("n_cells", "n_subjects", "effect"), [(3, 12, 2.5), (6, 8, 1.0), (28, 8, 0.2)]
)
def test_an_effect_at_the_ceiling_is_found_with_its_surroundings(n_cells, n_subjects, effect):
    rho, core, around = ceiling_group(np.random.default_rng(8), n_cells, n_subjects, effect)
    z = fisher_z(rho, n_cells)[0]
    assert (z[:, core] == z.max()).all()
    step = find_comparison("spearman").score_step(n_cells)
    known = np.sqrt(np.mean([score_resolution(s, n_cells, step) ** 2 for s in rho], axis=0))
    plan = prepare_test(z, one_sample_design(n_subjects), resolution=known)
    adjacency = grid_adjacency(np.ones((14, 14, 14), bool))
    draws = draw_relabelings(plan.design, 399, 1)
    null = permutation_null(plan, draws, adjacency, plan.cluster_threshold(0.01))
    found = observe(plan, adjacency, 0.01)
    assert little_spread(plan)[core].all()
    assert np.abs(found.t).max() < 200
    p = familywise_p(found.tfce, null.maxima["tfce"], draws.exhaustive)
    assert (p[core] <= 0.05).all()
    assert (p[around] <= 0.05).mean() > 0.9
    assert (p[~(core | around)] <= 0.05).mean() < 0.05


def test_the_resolution_is_the_same_under_every_flip():
    """Exchangeability: the statistic of flipped data is the flipped statistic of the data."""
    rng = np.random.default_rng(4)
    rho = rank_scores(rng, 6, 3, 60)

    def plan_of(scores):
        known = np.sqrt(np.mean([score_resolution(s, 3, 0.5) ** 2 for s in scores], axis=0))
        return prepare_test(fisher_z(scores, 3)[0], one_sample_design(6), resolution=known)

    row = grid_adjacency(np.ones((60, 1, 1), bool))
    for _ in range(20):
        signs = rng.choice([-1, 1], 6)
        draw = Relabelings(signs[None, :].astype(np.int8), "flip", exhaustive=False)
        null = permutation_null(plan_of(rho), draw, row)
        flipped = observe(plan_of(rho * signs[:, None]), row)
        assert null.maxima["t"][0] == pytest.approx(flipped.statistic.max(), rel=1e-9)
        assert null.maxima["tfce"][0] == pytest.approx(flipped.tfce.max(), rel=1e-9)


@pytest.mark.parametrize("n_cells", [3, 6, 28, 300])
def test_fishers_z_grows_with_the_correlation_up_to_a_perfect_one(n_cells):
    """With ties in a model rank correlations lie nearer to 1 than a step of untied ones."""
    scores = np.array([0.0, 0.5, 0.8, 0.866, 0.99, 1 - 1e-7, 1 - 1e-13, 1.0])
    z, limited = fisher_z(scores, n_cells)
    assert (np.diff(z) >= 0).all()
    assert limited == (scores > 1 - 6 / (n_cells**3 - n_cells)).sum() > 0
    np.testing.assert_allclose(z[:2], np.arctanh(scores[:2]), rtol=1e-15)
    np.testing.assert_array_equal(fisher_z(-scores, n_cells)[0], -z)
