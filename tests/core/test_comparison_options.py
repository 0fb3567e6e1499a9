"""Nuisance models, the covariance of condition estimates, and rsatoolbox's numbers."""

import numpy as np
import pytest
from plain_comparison import cell_covariance, plain_compare
from rsatoolbox.rdm import RDMs
from rsatoolbox.rdm import compare as compare_with_rsatoolbox

from bids_rsa.core.comparison.fit import Fit, Options
from bids_rsa.core.comparison.plans import compare, prepare
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.comparison.whitening import cell_weights

THEIRS = {
    "cosine": "cosine",
    "pearson": "corr",
    "spearman": "spearman",
    "rho-a": "rho-a",
    "kendall-tau-a": "tau-a",
    "kendall-tau-b": "tau-b",
    "whitened-cosine": "cosine_cov",
    "whitened-pearson": "corr_cov",
}
WHITENED = [entry.name for entry in COMPARISONS.values() if entry.whitened]
JOINT = [entry.name for entry in COMPARISONS.values() if entry.joint]


def covariance_of(n, seed=0):
    """Correlated condition estimates of unequal variance."""
    draws = np.random.default_rng(seed).standard_normal((3 * n, n)) * np.linspace(0.7, 1.5, n)
    return draws.T @ draws / (3 * n) + 0.1


def cells(n_conditions, n_rdms=4, seed=0):
    """RDMs with values of both signs, as crossnobis gives, the last with ties."""
    rng = np.random.default_rng(seed)
    rdms = rng.normal(0.3, 1.0, (n_rdms, n_conditions * (n_conditions - 1) // 2))
    rdms[-1] = np.round(rdms[-1])
    return rdms


@pytest.mark.parametrize("n_conditions", [4, 8, 24])
@pytest.mark.parametrize("name", THEIRS)
def test_numbers_of_rsatoolbox(name, n_conditions):
    rdms, models = cells(n_conditions), cells(n_conditions, 3, seed=1)
    expected = compare_with_rsatoolbox(RDMs(rdms), RDMs(models), THEIRS[name])
    found = np.array([compare(rdm, models, name) for rdm in rdms])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", WHITENED)
def test_numbers_of_rsatoolbox_with_a_covariance_of_conditions(name):
    rdms, models, covariance = cells(8), cells(8, 3, seed=1), covariance_of(8)
    expected = compare_with_rsatoolbox(RDMs(rdms), RDMs(models), THEIRS[name], sigma_k=covariance)
    found = np.array([compare(rdm, models, name, condition_covariance=covariance) for rdm in rdms])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)  # its solver's tolerance


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("missing", [0, 1, 4, 20])
@pytest.mark.parametrize("name", WHITENED)
def test_whitening_by_the_definition_whatever_cells_are_left_out(name, missing, given):
    covariance = covariance_of(8) if given else None
    rdms, models = cells(8), cells(8, 3, seed=1)
    rng = np.random.default_rng(missing)
    models[0, rng.permutation(28)[:missing]] = np.nan
    rdms[1, rng.permutation(28)[: missing // 2]] = np.nan
    found = [compare(rdm, models, name, condition_covariance=covariance) for rdm in rdms]
    expected = [plain_compare(rdm, models, name, covariance=covariance) for rdm in rdms]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("given", [False, True])
def test_weights_of_cells_are_the_inverse_of_their_covariance(given):
    covariance = covariance_of(6) if given else np.eye(6)
    options = Options(condition_covariance=covariance if given else None)
    some = np.array([0, 2, 3, 7, 11, 14])
    for used in (None, some):
        n = 15 if used is None else len(used)
        weights = cell_weights(Fit(np.ones((1, n)), 0, False, options, used, 15))
        matrix = cell_covariance(6, covariance)
        matrix = matrix if used is None else matrix[np.ix_(used, used)]
        product = weights.weigh(np.eye(n)) @ matrix
        np.testing.assert_allclose(product / product[0, 0], np.eye(n), atol=1e-12)


@pytest.mark.parametrize("name", JOINT)
def test_nuisance_models_take_part_in_the_fit_and_get_no_score(name):
    rdms, models, nuisance = cells(8), cells(8, 2, seed=1), cells(8, 2, seed=2)
    for rdm in rdms:
        together = compare(rdm, np.vstack([models, nuisance]), name)
        found = compare(rdm, models, name, nuisance=nuisance)
        n_scores = COMPARISONS[name].n_scores(2)
        assert found.shape == (n_scores,)
        np.testing.assert_array_equal(found, together[:n_scores])


def test_one_model_beside_nuisance_is_enough_for_a_partial_correlation():
    rdm, model, nuisance = cells(8)[0], cells(8, 1, seed=1), cells(8, 1, seed=2)
    expected = plain_compare(rdm, np.vstack([model, nuisance]), "partial")[0]
    assert compare(rdm, model, "partial", nuisance=nuisance)[0] == pytest.approx(expected)


def test_other_comparisons_leave_nuisance_models_out():
    rdm, models = cells(8)[0], cells(8, 2, seed=1)
    with_nuisance = compare(rdm, models, "spearman", nuisance=np.full((1, 28), np.nan))
    np.testing.assert_array_equal(with_nuisance, compare(rdm, models, "spearman"))


@pytest.mark.parametrize("n_models", [1, 3, 8, 9, 12])
def test_weights_at_or_above_zero_for_any_number_of_models(n_models):
    rng = np.random.default_rng(n_models)
    models = rng.random((n_models, 66))
    planted = np.maximum(rng.normal(size=n_models), 0)
    planted[0] = 1.0
    for noise in (0.0, 0.5):
        rdm = 3 + planted @ models + noise * rng.standard_normal(66)
        found = compare(rdm, models, "regression-nonneg")
        expected = plain_compare(rdm, models, "regression-nonneg")
        np.testing.assert_allclose(found, expected, atol=1e-9)
        if not noise:
            np.testing.assert_allclose(found, planted, atol=1e-9)


def test_shares_of_variance_add_up_for_orthogonal_models():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(np.column_stack([np.ones(28), rng.standard_normal((28, 3))]))[0].T[1:]
    rdm = 2 + [3, 1, 0] @ basis + 0.1 * rng.standard_normal(28)
    parts, whole = compare(rdm, basis, "unique-variance"), compare(rdm, basis, "r2")
    assert parts.sum() == pytest.approx(whole[0], rel=1e-12)
    assert parts[0] > 0.8 and parts[2] < 0.01


def test_a_model_that_the_others_explain_has_no_variance_of_its_own():
    models = cells(8, 3, seed=1)
    twice = np.vstack([models, models[:1] * 2 + 1, np.full((1, 28), 4.0)])
    rdm = cells(8)[0]
    found = compare(rdm, twice, "unique-variance")
    np.testing.assert_array_equal(found[[0, 3, 4]], 0.0)
    assert (found[[1, 2]] > 0).all()
    assert compare(rdm, twice, "r2") == pytest.approx(compare(rdm, models, "r2"), abs=1e-12)


@pytest.mark.parametrize(
    ("covariance", "words"),
    [
        (np.eye(7), "8 conditions"),
        (np.full((8, 8), np.nan), "finite and symmetric"),
        (np.triu(np.ones((8, 8))), "finite and symmetric"),
        (np.ones((8, 8)), "positive definite"),
    ],
)
def test_a_covariance_of_conditions_that_is_none(covariance, words):
    with pytest.raises(ValueError, match=words):
        prepare(cells(8, 2), "whitened-cosine", condition_covariance=covariance)


def test_whitened_comparisons_need_the_cells_of_an_rdm():
    with pytest.raises(ValueError, match="7 cells"):
        compare(np.arange(7.0), np.arange(7.0), "whitened-cosine")
    with pytest.raises(ValueError, match="28 cells"):
        prepare(cells(8, 2), "partial", nuisance=np.ones((1, 27)))
