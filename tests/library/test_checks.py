import numpy as np
import pytest

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.rdms import compute_rdm_cv
from bids_rsa.patterns import checks
from bids_rsa.patterns.stack_plan import StackPlan
from bids_rsa.records import ConditionImage


def plan(counts, n_folds=0):
    """A plan with so many images of each condition."""
    names = tuple(f"c{index}" for index in range(len(counts)))
    images, conditions = [], []
    for index, count in enumerate(counts):
        for run in range(count):
            images.append(ConditionImage("x.nii", "1", names[index], "effect", run=str(run)))
            conditions.append(index)
    labels = tuple(f"run-{fold}" for fold in range(n_folds))
    return StackPlan(
        tuple(images), names, tuple(conditions), (0,) * len(images), fold_labels=labels
    )


@pytest.mark.parametrize("dissimilarity", ["correlation", "euclidean", "sqeuclidean", "cosine"])
@pytest.mark.parametrize("n_folds", [0, 2])
@pytest.mark.parametrize("comparison", list(COMPARISONS))
@pytest.mark.parametrize("standardize", [False, True])
def test_unequal_counts_warn_unless_scores_are_linear_in_unbiased_distances(
    dissimilarity, n_folds, comparison, standardize
):
    """Regression on cross-validated squared distances alone is free: the others warn always."""
    free = (n_folds > 0, dissimilarity, comparison) == (True, "sqeuclidean", "regression")
    options = (dissimilarity, [comparison], standardize)
    warnings = checks.warn_unequal_counts(plan([3, 1, 2], n_folds), *options)
    assert len(warnings) == (0 if free and not standardize else 1)
    for warning in warnings:
        assert "c0 3, c1 1, c2 2" in warning
        assert "regression, not standardized" in warning
        assert (comparison in warning) or not (n_folds and dissimilarity == "sqeuclidean")
    assert not checks.warn_unequal_counts(plan([2, 2, 2], n_folds), *options)


@pytest.mark.parametrize("variances_given", [True, False])
def test_seuclidean_is_unbiased_where_its_variances_are_given(variances_given):
    """The mean distance of noise with 1 and 3 images a fold, and whether the app warns of it."""
    rng, params = np.random.default_rng(3), {"V": [1.0, 2.0, 4.0]} if variances_given else {}
    scale = 1 / np.sqrt([1, 3, 3])[:, None]  # of the mean of so many images
    noise = scale * rng.standard_normal((4000, 2, 3, 3)) * np.sqrt([1.0, 2.0, 4.0])
    rdms = np.array([compute_rdm_cv(folds, "seuclidean", **params) for folds in noise])
    error = rdms.std(axis=0) / np.sqrt(len(rdms))
    is_unbiased = (np.abs(rdms.mean(axis=0)) < 4 * error).all()
    assert is_unbiased == variances_given
    warnings = checks.warn_unequal_counts(
        plan([1, 3, 3], 2), "seuclidean", ["regression"], params=params
    )
    assert bool(warnings) != is_unbiased
    (warning,) = checks.warn_unequal_counts(
        plan([1, 3, 3], 2), "seuclidean", ["spearman"], params=params
    )
    assert ("0 on average" in warning) == is_unbiased


@pytest.mark.parametrize("dissimilarity", ["crossnobis", "sqeuclidean", "euclidean"])
@pytest.mark.parametrize("comparison", ["regression", "spearman"])
def test_unequal_counts_make_structure_where_folds_weigh_themselves(dissimilarity, comparison):
    """With noise pooled over folds, cross-validated distances are not 0 on average."""
    (warning,) = checks.warn_unequal_counts(
        plan([3, 1, 2], 3), dissimilarity, [comparison], pools_noise=True
    )
    assert "noise alone then creates structure" in warning
    assert "0 on average" not in warning
    assert "--noise-from images" in warning


@pytest.mark.parametrize(("n", "cells"), [(2, "1 cell,"), (3, "3 cells"), (4, "6 cells")])
def test_few_conditions_warn_with_the_number_of_cells(n, cells):
    (warning,) = checks.warn_few_conditions(n)
    assert cells in warning
    assert not checks.warn_few_conditions(5)


@pytest.mark.parametrize("strength", [0.0, 0.8, 1.3, 3.0])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_a_common_pattern_is_measured_as_the_median_correlation(strength, n_folds):
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(40_000, n_folds, 6)) + strength * rng.normal(size=(40_000, 1, 1))
    patterns += 1e4
    means = patterns.mean(axis=1)
    expected = np.median(np.corrcoef(means.T)[np.triu_indices(6, 1)])
    assert checks.common_pattern(patterns) == pytest.approx(expected, abs=1e-9)
    warnings = checks.warn_common_pattern(patterns, "cosine")
    assert len(warnings) == (expected > 0.5)
    if expected > 0.5:
        assert f"{expected:.2f}" in warnings[0]
        assert "cosine" in warnings[0]


@pytest.mark.parametrize(
    ("name", "warns"),
    [(name, True) for name in ("correlation", "cosine", "braycurtis", "canberra", "jensenshannon")]
    + [(name, False) for name in ("chebyshev", "cityblock", "euclidean", "mahalanobis", "minkowski",
                                  "seuclidean", "sqeuclidean")],
)  # fmt: skip
def test_differences_of_patterns_are_free_of_a_common_pattern(name, warns):
    patterns = np.random.default_rng(0).normal(size=(300, 1, 6)) + 3 * np.arange(300)[:, None, None]
    assert bool(checks.warn_common_pattern(patterns, name)) == warns


def test_voxels_with_missing_values_do_not_hide_a_common_pattern():
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(500, 1, 6)) + 3 * rng.normal(size=(500, 1, 1))
    patterns[::7, 0, 2] = np.nan
    expected = checks.common_pattern(patterns[np.isfinite(patterns).all(axis=(1, 2))])
    assert checks.common_pattern(patterns) == pytest.approx(expected, abs=1e-12)
    assert expected > 0.8


@pytest.mark.parametrize("dissimilarity", ["sqeuclidean", "cityblock", "euclidean", "canberra"])
def test_regression_with_a_sum_warns(dissimilarity):
    assert (
        "grow with the size" in checks.warn_sum_regression(["regression"], dissimilarity, False)[0]
    )
    assert not checks.warn_sum_regression(["regression"], dissimilarity, True)
    assert not checks.warn_sum_regression(["spearman"], dissimilarity, False)
    assert not checks.warn_sum_regression(["regression"], "correlation", False)


def test_crossnobis_without_a_noise_covariance_is_said_to_be_that():
    (warning,) = checks.warn_without_noise("crossnobis", "none")
    assert "--noise shrinkage" in warning
    assert not checks.warn_without_noise("crossnobis", "diagonal")
    assert not checks.warn_without_noise("sqeuclidean", "none")
