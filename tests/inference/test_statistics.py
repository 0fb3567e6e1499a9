"""t and its null distribution: other programs' numbers, and the plain computation."""

import tracemalloc
import warnings

import numpy as np
import pytest
from nilearn.mass_univariate import permuted_ols
from scipy import stats

from bids_rsa.core.inference import plan
from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.correct import count_p, familywise_p
from bids_rsa.core.inference.design import one_sample_design, slope_design, two_sample_design
from bids_rsa.core.inference.group_maps import cohens_d
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.observed import observe
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import Relabelings, draw_relabelings
from bids_rsa.core.inference.zscore import t_to_z
from bids_rsa.core.plain_statistics import known_mean_and_sd

N, V = 9, 700
MASK = np.ones((10, 10, 7), bool)
ADJACENCY = grid_adjacency(MASK)
APART = Adjacency(np.zeros(41, np.int64), np.empty(0, np.int32), np.ones(40))


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, V)) * rng.uniform(0.5, 3, V) + rng.normal(0.3, 0.3, V)


def nilearn_flips(seed, n_draws, n):
    """The signs nilearn draws from a seed; it flips the data it has flipped before."""
    chunk = np.random.RandomState(seed).randint(1, np.iinfo(np.int32).max - 1)
    rng = np.random.RandomState(chunk)
    steps = [rng.randint(2, size=(n, 1))[:, 0] * 2 - 1 for _ in range(n_draws)]
    return np.cumprod(steps, axis=0).astype(np.int8)


def nilearn_rows(seed, n_draws, n):
    """The row orders nilearn draws from a seed, as orders of the data's contrast."""
    chunk = np.random.RandomState(seed).randint(1, np.iinfo(np.int32).max - 1)
    rng = np.random.RandomState(chunk)
    order, rows = np.arange(n), []
    for _ in range(n_draws):
        order = order[rng.permutation(n)]
        rows.append(order)
    return np.array(rows, dtype=np.int32)


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize("with_covariate", [False, True])
def test_one_sample_equals_nilearn_for_the_same_flips(data, rng, two_sided, with_covariate):
    age = rng.normal(30, 8, N)
    confound = (age - age.mean())[:, None] if with_covariate else None
    theirs = permuted_ols(
        np.ones((N, 1)),
        data,
        confounding_vars=confound,
        model_intercept=False,
        n_perm=300,
        two_sided_test=two_sided,
        random_state=5,
        output_type="dict",
    )
    design = one_sample_design(N, age if with_covariate else None)
    plan = prepare_test(data, design, "two-sided" if two_sided else "greater")
    draws = Relabelings(nilearn_flips(5, 300, N), "flip", exhaustive=False)
    null = permutation_null(plan, draws)
    observed = observe(plan, ADJACENCY)
    np.testing.assert_allclose(observed.t, theirs["t"][0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(null.maxima["t"], theirs["h0_max_t"][0], rtol=1e-9)
    tested = np.abs(observed.t) if two_sided else observed.t
    p = familywise_p(tested, null.maxima["t"], exhaustive=False)
    # nilearn counts a tie with the observed value by rounding; none is near here
    np.testing.assert_allclose(-np.log10(p), theirs["logp_max_t"][0], atol=1e-9)


@pytest.mark.parametrize("with_covariate", [False, True])
def test_slope_equals_nilearn_for_the_same_orders(data, rng, with_covariate):
    score, age = rng.normal(size=N), rng.normal(30, 8, N)
    theirs = permuted_ols(
        score[:, None],
        data,
        confounding_vars=age[:, None] if with_covariate else None,
        model_intercept=True,
        n_perm=300,
        two_sided_test=True,
        random_state=5,
        output_type="dict",
    )
    design = slope_design(score, age if with_covariate else None)
    plan = prepare_test(data, design, "two-sided")
    draws = Relabelings(nilearn_rows(5, 300, N), "permute", exhaustive=False)
    null = permutation_null(plan, draws)
    np.testing.assert_allclose(observe(plan, ADJACENCY).t, theirs["t"][0], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(null.maxima["t"], theirs["h0_max_t"][0], rtol=1e-9)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_one_sample_p_equals_scipys_exhaustive_test(data, alternative):
    few = data[:, :40]
    theirs = stats.permutation_test(
        (few,),
        lambda x, axis: stats.ttest_1samp(x, 0, axis=axis).statistic,
        permutation_type="samples",
        alternative=alternative,
        n_resamples=np.inf,
        vectorized=True,
        axis=0,
    )
    design = one_sample_design(N)
    plan = prepare_test(few, design, alternative)
    draws = draw_relabelings(design, 10_000, 0)
    p = count_p(permutation_null(plan, draws).counts, draws.n_draws, draws.exhaustive)
    assert draws.exhaustive
    np.testing.assert_allclose(
        plan.direction * observe(plan, APART).statistic,
        theirs.statistic,
        rtol=1e-9,
    )
    np.testing.assert_allclose(p, np.minimum(theirs.pvalue, 1), rtol=1e-12)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_welch_p_equals_scipys_exhaustive_test(data, alternative):
    first = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1], bool)
    few = data[:, :40]

    def welch(a, b, axis):
        t = stats.ttest_ind(a, b, axis=axis, equal_var=False).statistic
        return np.abs(t) if alternative == "two-sided" else t

    theirs = stats.permutation_test(
        (few[first], few[~first]),
        welch,
        permutation_type="independent",
        alternative="greater" if alternative == "two-sided" else alternative,
        n_resamples=np.inf,
        vectorized=True,
        axis=0,
    )
    design = two_sample_design(first)
    plan = prepare_test(few, design, alternative)
    draws = draw_relabelings(design, 10_000, 0)
    p = count_p(permutation_null(plan, draws).counts, draws.n_draws, draws.exhaustive)
    t = stats.ttest_ind(few[first], few[~first], equal_var=False).statistic
    observed = observe(plan, APART)
    np.testing.assert_allclose(observed.t, t, rtol=1e-9)
    np.testing.assert_allclose(p, theirs.pvalue, rtol=1e-12)
    df = stats.ttest_ind(few[first], few[~first], equal_var=False).df
    np.testing.assert_allclose(observed.z, t_to_z(t, df), rtol=1e-9)


def test_the_identity_counts_everywhere(rng):
    """Rounding must not lose the observed labelling itself among all relabelings."""
    data = rng.standard_normal((8, 3000)) * 10.0 ** rng.uniform(-6, 6, 3000) + 0.1
    design = one_sample_design(8)
    draws = draw_relabelings(design, 256, 0)
    only_identity = Relabelings(draws.values[:1], "flip", exhaustive=True)
    for tail in ("greater", "less", "two-sided"):
        plan = prepare_test(data, design, tail)
        assert (permutation_null(plan, only_identity).counts == 1).all()


def test_freedman_lane_by_hand(data, rng):
    """Residuals on Z are flipped or permuted, and the full model is fitted again."""
    age = rng.normal(30, 8, N)
    first = np.arange(N) % 2 == 0
    centred = (age - age.mean())[:, None]
    cases = [
        (one_sample_design(N, age), np.ones(N), centred),
        (two_sample_design(first, age), first * 1.0, np.column_stack([np.ones(N), centred])),
    ]
    for design, tested, nuisance in cases:
        draws = draw_relabelings(design, 40, 7)
        null = permutation_null(prepare_test(data, design, "greater"), draws)
        hat = nuisance @ np.linalg.pinv(nuisance)
        residuals = data - hat @ data
        expected = []
        for draw in draws.values:
            if design.exchange == "flip":
                again = residuals * draw[:, None] + hat @ data
            else:
                again = residuals[np.argsort(draw)] + hat @ data
            expected.append(ols_t(again, tested, nuisance).max())
        np.testing.assert_allclose(null.maxima["t"], expected, rtol=1e-9)


def ols_t(y, tested, nuisance):
    """Ordinary least squares t of the tested column."""
    x = np.column_stack([tested, nuisance])
    beta = np.linalg.pinv(x) @ y
    df = len(y) - np.linalg.matrix_rank(x)
    variance = ((y - x @ beta) ** 2).sum(axis=0) / df
    return beta[0] / np.sqrt(variance * np.linalg.inv(x.T @ x)[0, 0])


def test_less_is_greater_of_the_negated_data(data):
    design = one_sample_design(N)
    draws = draw_relabelings(design, 100, 1)
    less = permutation_null(prepare_test(data, design, "less"), draws, ADJACENCY, 2.0)
    negated = permutation_null(prepare_test(-data, design, "greater"), draws, ADJACENCY, 2.0)
    for name, values in less.maxima.items():
        np.testing.assert_array_equal(values, negated.maxima[name])
    np.testing.assert_array_equal(less.counts, negated.counts)


def test_voxels_with_fewer_subjects_are_compared_as_z(data, rng):
    data[rng.random(data.shape) < 0.1] = np.nan
    design = one_sample_design(N)
    plan = prepare_test(data, design, "two-sided")
    draws = draw_relabelings(design, 200, 3)
    null = permutation_null(plan, draws, ADJACENCY, plan.cluster_threshold(0.05))
    t = stats.ttest_1samp(data, 0, nan_policy="omit").statistic.data
    n = np.isfinite(data).sum(axis=0)
    observed = observe(plan, ADJACENCY)
    np.testing.assert_allclose(observed.t, t, rtol=1e-9)
    z = stats.norm.isf(stats.t.sf(np.abs(t), n - 1)) * np.sign(t)
    np.testing.assert_allclose(observed.z, z, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(observed.statistic, z, rtol=1e-7, atol=1e-8)
    expected = []
    for signs in draws.values:
        t = stats.ttest_1samp(data * signs[:, None], 0, nan_policy="omit").statistic.data
        expected.append(stats.norm.isf(stats.t.sf(np.abs(t), n - 1)).max())
    np.testing.assert_allclose(null.maxima["t"], expected, rtol=1e-7)
    assert plan.cluster_threshold(0.05) == pytest.approx(stats.norm.isf(0.025))


@pytest.mark.parametrize("df", [1, 2, 5, 19, 300])
def test_t_to_z_has_the_same_tail(df):
    t = np.array([-30.0, -3.0, -1e-6, 0.0, 0.5, 2.0, 8.0])
    z = t_to_z(t, df)
    np.testing.assert_allclose(stats.norm.sf(z), stats.t.sf(t, df), rtol=1e-9)
    assert np.isfinite(t_to_z([1e6, 1e300], df)).all()


def test_voxels_without_variation_have_no_effect_of_their_own(data):
    data[:, 3] = 0.0
    first = np.arange(N) < 4
    data[:, 5] = 2.5
    for design in (two_sample_design(first), slope_design(np.arange(N))):
        plan = prepare_test(data, design, "two-sided")
        draws = draw_relabelings(design, 99, 0)
        null = permutation_null(plan, draws)
        assert (null.counts[[3, 5]] == 99).all()
        assert np.isfinite(null.maxima["t"]).all()
    plan = prepare_test(data, one_sample_design(N), "greater")
    assert observe(plan, ADJACENCY).t[3] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d[:5], "data must be"),
        (lambda d: d[:, :0], "data must be"),
        (lambda d: np.where(d > 2, np.inf, d), "infinite"),
        (lambda d: np.where(np.arange(N)[:, None] > 0, np.nan, d), "fewer than 2"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, change, message):
    with pytest.raises(ValueError, match=message):
        prepare_test(change(data), one_sample_design(N))


def test_missing_values_are_for_one_sample_tests(data):
    data[0, 0] = np.nan
    with pytest.raises(ValueError, match="one-sample"):
        prepare_test(data, slope_design(np.arange(N)))
    with pytest.raises(ValueError, match="one-sample"):
        prepare_test(data, one_sample_design(N, np.arange(N)))


@pytest.mark.parametrize("kind", ["mean", "missing", "groups", "slope"])
def test_a_test_is_prepared_alike_in_blocks_of_any_size(rng, monkeypatch, kind):
    values = rng.standard_normal((N, 701)) + 0.2
    design = {
        "groups": two_sample_design(np.arange(N) < 4),
        "slope": slope_design(rng.normal(size=N)),
    }.get(kind, one_sample_design(N))
    if kind == "missing":
        values[2, ::3] = np.nan
    first = np.arange(N) < 4 if kind == "groups" else None
    whole, d = prepare_test(values, design), cohens_d(values, first)
    for size in (3, 100):
        monkeypatch.setattr(plan, "VOXELS_AT_ONCE", size)
        parts = prepare_test(values, design)
        for name in ("unit", "rows", "df", "least"):
            np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
        np.testing.assert_array_equal(cohens_d(values, first), d)


def test_columns_without_scores_have_no_effect_size_and_give_no_warning(rng):
    values = rng.standard_normal((N, 5)) + 1
    values[:, 1] = np.nan
    values[1:, 3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        d = cohens_d(values)
        mean, sd = known_mean_and_sd(values)
    kept = [0, 2, 4]
    np.testing.assert_array_equal(np.isnan(d), [False, True, False, True, False])
    np.testing.assert_array_equal(d[kept], cohens_d(values[:, kept]))
    np.testing.assert_allclose(mean[kept], values[:, kept].mean(axis=0))
    np.testing.assert_array_equal(mean[[1, 3]], [np.nan, values[0, 3]])
    np.testing.assert_allclose(sd[kept], values[:, kept].std(axis=0, ddof=1))
    assert np.isnan(sd[[1, 3]]).all()


def test_preparing_a_test_takes_little_more_memory_than_its_data():
    values = np.random.default_rng(1).standard_normal((60, 100_000))
    tracemalloc.start()
    prepare_test(values, one_sample_design(60))
    cohens_d(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.7 * values.nbytes
