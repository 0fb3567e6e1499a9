"""Comparisons against the plain computation, other programs' numbers, and their own rules."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from plain_comparison import near_tie_ranks, plain_compare
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from bids_rsa.core.comparison.blocks import cut_into_blocks
from bids_rsa.core.comparison.plans import compare, dependent_models, prepare
from bids_rsa.core.comparison.table import COMPARISONS, single_model_comparisons
from bids_rsa.core.measures import ModelScores

SHARED = Path(os.environ.get("BIDS_RSA_SHARED", Path(__file__).parents[2] / ".." / "shared"))
ORACLES = SHARED / "oracles"
needs_oracles = pytest.mark.skipif(not ORACLES.is_dir(), reason="no oracles here")
SIZES = [3, 4, 6, 10, 28, 45, 66, 276, 435, 4186]
WHITENED = [entry.name for entry in COMPARISONS.values() if entry.whitened]
WEIGHTS = [entry.name for entry in COMPARISONS.values() if entry.weights]
# a constant RDM has a cosine; every other comparison takes the mean or ranks
OF_CONSTANT = ["cosine", "whitened-cosine"]


def agree(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def block(n_rdms, n_cells, seed=0, kind="smooth"):
    rng = np.random.default_rng(seed)
    rdms = rng.normal(1.0, 0.2, (n_rdms, n_cells))
    if kind == "ties":
        rdms = np.round(rdms, 1)
    if kind == "binary":
        rdms = (rdms > 1).astype(float)
    if kind == "skewed":
        rdms = np.exp(8 * (rdms - 1) / 0.2)
    if kind == "offset":
        rdms = 1e6 + rdms
    if kind == "outlier":
        rdms[:, 0] = 1e9
    if kind == "signed":
        rdms = 1e-300 * (rdms - 1)
    if kind == "huge":
        rdms = 1e300 * (rdms - 1)
    if kind == "near ties":
        rdms = np.round(rdms, 1) * (1 + rng.integers(-3, 4, rdms.shape) * 4e-13)
    if kind == "sorted":
        rdms.sort(axis=1)
    return rdms


KINDS = ["smooth", "ties", "binary", "skewed", "offset", "outlier", "signed", "huge", "near ties",
         "sorted"]  # fmt: skip


def some_models(n_models, n_cells, seed=1):
    rng = np.random.default_rng(seed)
    models = rng.normal(size=(n_models, n_cells))
    models[-1] = np.arange(n_cells) % 2  # a category model
    if n_models > 2:
        models[1] = np.round(2 * models[1])
    return models


def score(rdms, models, comparison, **kwargs):
    prepared = prepare(models, comparison, **kwargs)
    out = np.full((prepared.n_scores, len(rdms)), -9.0)
    prepared.score(rdms, out)
    return out


def rdm_size(n_cells, comparison):
    """The number of cells of a whole RDM at least as large, where a comparison needs one."""
    n = int(np.ceil((1 + np.sqrt(1 + 8 * n_cells)) / 2 - 1e-9))
    return n * (n - 1) // 2 if comparison in WHITENED else n_cells


def plain(rdms, models, comparison, standardize=False, covariance=None):
    return np.array([plain_compare(r, models, comparison, standardize, covariance) for r in rdms]).T


@pytest.mark.filterwarnings("ignore:.*linearly dependent")
@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("n_cells", SIZES)
def test_agrees_with_the_plain_computation(comparison, n_cells):
    n_cells = rdm_size(n_cells, comparison)
    n_rdms = 5 if comparison not in WHITENED or n_cells < 1000 else 1  # 4186 equations to solve
    rdms, models = block(n_rdms, n_cells), some_models(3, n_cells)
    agree(score(rdms, models, comparison), plain(rdms, models, comparison))


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_cells", [28, 276])
def test_agrees_on_hard_data(comparison, kind, n_cells):
    rdms, models = block(4, n_cells, kind=kind), some_models(4, n_cells)
    scale = np.abs(rdms).max() if comparison in WEIGHTS else 1.0
    agree(
        score(rdms, models, comparison) / scale,
        plain(rdms / scale, models, comparison) if scale != 1 else plain(rdms, models, comparison),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_ranks_of_many_cells_are_exact(kind):
    rdms, models = block(3, 4186, kind=kind), some_models(2, 4186)
    agree(score(rdms, models, "spearman"), plain(rdms, models, "spearman"))


@pytest.mark.parametrize("kind", ["smooth", "skewed", "near ties"])
@pytest.mark.parametrize("n_conditions", [300, 500])
def test_cells_of_hundreds_of_conditions(n_conditions, kind):
    n_cells = n_conditions * (n_conditions - 1) // 2
    rdms, models = block(1, n_cells, kind=kind), some_models(2, n_cells)
    agree(score(rdms, models, "spearman"), plain(rdms, models, "spearman"))


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-20, 1e20, 1e200, 1e307])
@pytest.mark.parametrize("comparison", ["spearman", "pearson", "kendall-tau-a", "partial"])
def test_scale_of_the_data_does_not_matter(comparison, scale):
    rdms, models = np.round(block(3, 66), 2), some_models(3, 66)
    rtol = 1e-10 if scale > 1e-300 else 1e-7  # numbers below 2e-308 have few bits
    np.testing.assert_allclose(
        score(rdms * scale, models, comparison), score(rdms, models, comparison), rtol, 1e-10
    )


def test_near_ties_chain_from_neighbor_to_neighbor():
    rdm = np.array([1.0, 1 + 0.9e-12, 1 + 1.8e-12, 1 + 2.7e-12, 0.2, 0.4, 1 - 1e-9])
    np.testing.assert_array_equal(near_tie_ranks(rdm), [5.5, 5.5, 5.5, 5.5, 1, 2, 3])
    model = np.arange(7.0)
    ranks = [5.5, 5.5, 5.5, 5.5, 1, 2, 3]
    agree(compare(rdm, model, "spearman"), np.corrcoef(ranks, model)[0, 1])


def test_a_gap_just_above_the_near_tie_limit_is_none():
    rdm = np.array([0.5, 0.5 + 0.9e-12, 0.1, 0.1 + 1.1e-12, 1.0])
    model = np.array([3.0, 1.0, 5.0, 2.0, 4.0])
    agree(compare(rdm, model), np.corrcoef([3.5, 3.5, 1, 2, 5], [3, 1, 5, 2, 4])[0, 1])


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_nan_cells_of_models_and_data_are_left_out(comparison):
    rng = np.random.default_rng(5)
    rdms, models = block(12, 66, kind="ties"), some_models(4, 66)
    models[0, :9] = np.nan
    models[2, 40:50] = np.nan
    rdms[3, rng.integers(0, 66, 20)] = np.nan
    rdms[4] = np.nan
    rdms[5, 2:] = np.nan
    rdms[6:9, 11:15] = np.nan
    found = score(rdms, models, comparison)
    agree(found, plain(rdms, models, comparison))
    assert np.isnan(found[:, [4, 5]]).all()
    assert np.isfinite(found[:, [0, 1, 2, 3, 6, 7, 8, 9]]).all()


@pytest.mark.filterwarnings("ignore:.*linearly dependent")
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_undefined_is_nan_and_never_an_error(comparison):
    models = some_models(2, 10)
    rdms = np.stack([np.zeros(10), np.full(10, np.nan), np.full(10, 0.1), 1 + 1e-15 * models[0]])
    found = score(rdms, models, comparison)
    assert np.isnan(found[:, :2]).all()
    assert np.isfinite(found[:, 2:]).all() == (comparison in OF_CONSTANT)
    assert np.isnan(found[:, 2:]).any() == (comparison not in OF_CONSTANT)
    assert np.isnan(score(block(3, 2), models[:, :2], comparison)).all()
    assert np.isnan(score(block(3, 1), models[:, :1], comparison)).all()


@pytest.mark.parametrize("comparison", ["spearman", "pearson", "kendall-tau-a", "partial",
                                        "partial-spearman"])  # fmt: skip
def test_a_constant_model_has_no_score_and_spoils_no_other(comparison):
    models = some_models(3, 28)
    models[1] = 0.3
    found = score(block(3, 28), models, comparison)
    assert np.isnan(found[1]).all()
    agree(found[[0, 2]], score(block(3, 28), models[[0, 2]], comparison))


@pytest.mark.parametrize("comparison", ["partial", "partial-spearman"])
def test_partial_is_undefined_where_nothing_is_left(comparison):
    models = some_models(3, 28)
    same = np.vstack([models, models[:1]])
    found = score(block(2, 28), same, comparison)
    assert np.isnan(found[[0, 3]]).all() and np.isfinite(found[[1, 2]]).all()
    # data equal to model 0: nothing is left of them for the others, all of it for model 0
    exact = compare(models[0], models, comparison)
    agree(exact, [1.0, np.nan, np.nan])
    assert np.isnan(score(block(2, 4), models[:, :4], comparison)).all()
    assert np.isfinite(score(block(2, 5), models[:, :5] + 0.01 * block(3, 5, 9), comparison)).all()


def test_partial_keeps_its_digits_where_little_is_left():
    rng = np.random.default_rng(3)
    models = rng.normal(size=(3, 66))
    noise = rng.normal(size=66)
    for left in (1e-1, 1e-2, 1e-4, 1e-6):
        rdm = models[0] + 2 * models[1] + left * noise
        expected = plain_compare(rdm, models, "partial")[2]
        # the data's own rounding is 1e-16 of the whole, 1e-16 / left of what is left
        assert compare(rdm, models, "partial")[2] == pytest.approx(expected, abs=1e-14 / left)


def test_regression_recovers_planted_weights_and_takes_the_shortest_when_dependent():
    models = some_models(3, 28)
    agree(compare(5 + [2, -1, 0.5] @ models, models, "regression"), [2, -1, 0.5])
    twice = np.vstack([models, models[0] + models[1]])
    with pytest.warns(UserWarning, match="linearly dependent"):
        found = compare([2, -1, 0.5] @ models, twice, "regression")
    agree(found, plain_compare([2, -1, 0.5] @ models, twice, "regression"))


def test_regression_weights_at_any_scale():
    rdms, models = block(2, 28), some_models(3, 28)
    weights = score(rdms, models, "regression")
    for scale in (1e-250, 1e250):
        agree(score(rdms * scale, models, "regression") / scale, weights)
        agree(score(rdms, models * scale, "regression") * scale, weights)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_standardize_changes_weights_alone(comparison):
    rdms, models = block(4, 45), some_models(3, 45)
    models[0, 3] = np.nan
    found = score(rdms, models, comparison, standardize=True)
    if comparison in WEIGHTS:
        agree(found, plain(rdms, models, comparison, standardize=True))
        agree(found, score(7 * rdms + 3, 2 * models - 1, comparison, standardize=True))
    else:
        np.testing.assert_array_equal(found, score(rdms, models, comparison))


@pytest.mark.parametrize("n_cells", [28, 276])
def test_rows_do_not_depend_on_their_block_or_on_company(n_cells):
    rdms, models = block(20, n_cells), some_models(3, n_cells)
    rdms[7, 5] = np.nan
    together = ModelScores(models, tuple(COMPARISONS))
    together.start(20, n_cells)
    for part in cut_into_blocks(rdms, np.arange(20)):
        together.take(part)
    for name, whole in together.scores.items():
        plan = prepare(models, name)
        halves = np.empty((20, plan.n_scores)).T  # other strides, too
        plan.score(rdms[:9].copy(), halves[:, :9])
        plan.score(rdms[9:].copy(), halves[:, 9:])
        assert halves.tobytes() == whole.tobytes() or np.array_equal(halves, whole, equal_nan=True)


@pytest.mark.parametrize("comparison", single_model_comparisons())
@pytest.mark.parametrize("n_cells", [28, 276])
def test_scores_of_many_models_do_not_depend_on_the_number_of_rdms(comparison, n_cells):
    rdms, models = block(40, n_cells), some_models(70, n_cells)
    whole = score(rdms, models, comparison)
    agree(whole[:, :2], plain(rdms[:2], models, comparison))
    for n_rdms in (1, 2, 13):
        np.testing.assert_array_equal(
            score(rdms[:n_rdms].copy(), models, comparison), whole[:, :n_rdms]
        )


def test_infinite_distances_rank_last_and_tie():
    rdm = np.array([1.0, np.inf, 2.0, np.inf, 3.0])
    agree(compare(rdm, np.arange(5.0)), np.corrcoef([1, 4.5, 2, 4.5, 3], np.arange(5))[0, 1])
    assert np.isnan(compare(rdm, np.arange(5.0), "pearson")).all()


@pytest.mark.parametrize(
    ("models", "comparison", "words"),
    [
        (np.ones((2, 3)), "spaerman", "known: spearman"),
        (np.ones((1, 3)), "partial", "at least 2 models"),
        ([[1.0, np.inf, 2.0]], "pearson", "infinite"),
        (np.ones((0, 3)), "pearson", "shape"),
        (np.ones((2, 3, 3)), "pearson", "shape"),
    ],
)
def test_bad_models_are_named(models, comparison, words):
    with pytest.raises(ValueError, match=words):
        prepare(models, comparison)


def test_another_number_of_cells_is_an_error():
    with pytest.raises(ValueError, match="6 cells"):
        compare(np.ones(10), np.arange(6.0), "pearson")


def test_dependent_models_are_found():
    models = some_models(4, 28)
    assert dependent_models(models) == ()
    assert dependent_models(np.vstack([models, 3 * models[1] - models[2] + 7])) == (1, 2, 4)
    assert dependent_models(np.vstack([models, np.full(28, 2.0)])) == (4,)
    assert dependent_models(models[:, :3]) == (0, 1, 2, 3)


@needs_oracles
def test_cases_of_mne_rsa_wikipedia_and_matlab():
    for case in json.loads((ORACLES / "comparison_small.json").read_text())["cases"]:
        found = compare(case["data"], case["models"], case["metric"])
        np.testing.assert_allclose(found, case["expected"], atol=1e-6, err_msg=str(case))


@needs_oracles
def test_numbers_of_cosmomvpa_rsatoolbox_and_mne_rsa():
    case = json.loads((ORACLES / "cosmomvpa.json").read_text())
    rdm = pdist(case["patterns"], "correlation")
    both = np.array([case["model"], case["model_reversed"]], dtype=float)
    expected = case["expected"]

    def first(name):
        return next(value for key, value in expected.items() if key.startswith(name))

    def close(found, value, atol=1e-9):
        np.testing.assert_allclose(found, value, rtol=0, atol=atol)

    close(compare(rdm, both[0], "pearson"), first("pearson, correlation"), 1e-4)
    close(compare(pdist(case["patterns"]), both[0], "pearson"), first("pearson, euclidean"), 1e-4)
    close(compare(rdm, both[0], "spearman"), first("spearman, correlation"), 1e-4)
    close(compare(rdm, both, "partial")[0], first("partial (model given"), 1e-4)
    close(compare(rdm, both[0], "kendall-tau-a"), first("kendall-tau-a"))
    close(compare(rdm, both, "partial"), first("partial, both"))
    close(compare(rdm, both, "partial-spearman"), first("partial-spearman, both"))
    close(compare(rdm, both, "regression"), first("regression, both"))


@needs_oracles
def test_numbers_of_pymvpa():
    case = json.loads((ORACLES / "pymvpa.json").read_text())
    rdm, distance = pdist(case["patterns"], "correlation"), pdist(case["patterns"])
    expected = list(case["expected"].values())
    found = [
        compare(rdm, case["model"], "pearson")[0],
        compare(distance, case["model"], "pearson")[0],
        compare(rdm, case["model"], "spearman")[0],
    ]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock"])
@pytest.mark.parametrize("factor", [1e-6, 1e6, 1e8])
def test_one_image_of_another_scale_makes_no_ties(metric, factor):
    """Ranks are scipy's own where no two cells are equal but for rounding."""
    patterns = np.random.default_rng(4).standard_normal((8, 30))
    patterns[2] *= factor
    rdm, model = pdist(patterns, metric), np.random.default_rng(5).random(28)
    expected = spearmanr(rdm, model).statistic
    assert compare(rdm, model)[0] == pytest.approx(expected, abs=1e-10)


def test_rounding_still_makes_ties():
    """Cells that are equal but for the last digits tie, also beside cells of another scale."""
    cells = np.array([0.0, 2e-16, 0.7, 0.7 * (1 + 4e-16), 1.1, 1.3])
    model = np.arange(6.0)
    tied = spearmanr([1.5, 1.5, 3.5, 3.5, 5, 6], model).statistic
    assert compare(cells, model)[0] == pytest.approx(tied, abs=1e-12)
    scaled = np.array([3.0, 3.0 * (1 + 4e-16), 5.0, 1e13, 1e13 * (1 + 4e-16), 2e13])
    tied = spearmanr([1.5, 1.5, 3, 4.5, 4.5, 6], model).statistic
    assert compare(scaled, model)[0] == pytest.approx(tied, abs=1e-12)


def test_models_of_many_conditions_with_their_own_missing_cells():
    rng = np.random.default_rng(6)
    rdm, models = rng.random(4950), rng.integers(0, 4, (4, 4950)).astype(float)
    models[1, :100] = models[2, :100] = models[3, 7] = np.nan
    for name in ("spearman", "kendall-tau-a"):
        for model, found in zip(models, compare(rdm, models, name), strict=True):
            kept = np.isfinite(model)
            agree(found, compare(rdm[kept], model[kept], name)[0])
