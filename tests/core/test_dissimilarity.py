"""RDMs of arrays against scipy and against the wording of the definitions."""

import numpy as np
import pytest
from plain_searchlight import plain_cv_rdm
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import nan_euclidean_distances

from bids_rsa.core.dissimilarity.rdms import compute_rdm, compute_rdm_cv, patch_rdm
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES

LEFT_OUT = (
    "correlation",
    "cosine",
    "cityblock",
    "chebyshev",
    "canberra",
    "braycurtis",
    "minkowski",
)


def patterns(n_items=9, n_voxels=6, seed=0):
    return np.abs(np.random.default_rng(seed).standard_normal((n_items, n_voxels)))


@pytest.mark.parametrize("name", [n for n, d in DISSIMILARITIES.items() if not d.needs_folds])
def test_every_metric_and_alias_equals_pdist(name):
    items = patterns()
    for alias in (name, *DISSIMILARITIES[name].aliases):
        np.testing.assert_allclose(compute_rdm(items, alias), pdist(items, name), atol=1e-12)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("seuclidean", {"V": np.arange(1.0, 7)}),
        ("mahalanobis", {"VI": np.diag(np.arange(1.0, 7))}),
        ("minkowski", {"p": 3.5}),
        ("correlation", {"w": np.arange(1.0, 7)}),
    ],
)
def test_parameters_are_those_of_pdist(name, params):
    items = patterns()
    expected = pdist(items, name, **params)
    np.testing.assert_allclose(compute_rdm(items, name, **params), expected, atol=1e-12)
    with pytest.raises(ValueError, match=r"voxel|not of shape"):
        wrong = {k: np.ones(3) if np.ndim(v) else v for k, v in params.items()}
        compute_rdm(items, name, **(wrong if name != "minkowski" else {"w": np.ones(3)}))


def test_unknown_metrics_and_parameters_are_named():
    with pytest.raises(ValueError, match=r"unknown dissimilarity 'corelation'; known: .*canberra"):
        compute_rdm(patterns(), "corelation")
    with pytest.raises(ValueError, match="correlation takes w; given: p"):
        compute_rdm(patterns(), "correlation", p=2)


def test_a_callable_gets_pairs_of_patterns():
    items = patterns()
    found = compute_rdm(items, lambda a, b: float(np.abs(a - b).max()))
    np.testing.assert_allclose(found, pdist(items, "chebyshev"))


def test_missing_voxels_are_scaled_as_in_scikit_learn():
    items = patterns(seed=1)
    items[2, 3] = items[5, 0] = items[5, 4] = np.nan
    i, j = np.triu_indices(len(items), 1)
    expected = nan_euclidean_distances(items)[i, j]
    np.testing.assert_allclose(compute_rdm(items, "euclidean", ignore_nan=True), expected)
    plain = compute_rdm(items, "euclidean")
    assert np.array_equal(np.isnan(plain), np.isin(i, (2, 5)) | np.isin(j, (2, 5)))


@pytest.mark.parametrize("name", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("at_once", [2**22, 60])
def test_unbiased_distances_are_means_of_products_over_pairs_of_folds(name, at_once, monkeypatch):
    monkeypatch.setattr("bids_rsa.core.dissimilarity.definition._MAX_DIFFERENCES", at_once)
    folds = np.random.default_rng(2).standard_normal((4, 5, 7))
    np.testing.assert_allclose(compute_rdm_cv(folds, name), plain_cv_rdm(folds, name), atol=1e-12)
    identity = compute_rdm_cv(folds, "mahalanobis", VI=np.eye(7))
    np.testing.assert_allclose(identity, compute_rdm_cv(folds, "sqeuclidean"), atol=1e-12)


@pytest.mark.parametrize("metric", ["sqeuclidean", "mahalanobis", "seuclidean"])
def test_an_unbiased_distance_has_the_true_value_on_average(metric):
    """Two conditions whose squared distance, in units of the noise, is 20."""
    rng = np.random.default_rng(7)
    n_folds, n_voxels, n = 4, 10, 4000
    root = rng.normal(size=(n_voxels, n_voxels)) if metric == "mahalanobis" else np.eye(n_voxels)
    if metric == "seuclidean":
        root = np.diag(np.sqrt(np.arange(1.0, n_voxels + 1)))
    covariance = root @ root.T
    params = {
        "sqeuclidean": {},
        "mahalanobis": {"VI": np.linalg.inv(covariance)},
        "seuclidean": {"V": np.diag(covariance)},
    }[metric]
    difference = root @ rng.normal(size=n_voxels)
    difference *= np.sqrt(20 / (difference @ np.linalg.inv(covariance) @ difference))
    signal = np.stack([np.zeros(n_voxels), difference])
    noise = rng.normal(size=(n, n_folds, 2, n_voxels)) @ root.T
    found = [compute_rdm_cv(signal + noise[k], metric, **params)[0] for k in range(n)]
    assert np.mean(found) == pytest.approx(20, abs=4 * np.std(found) / np.sqrt(n))
    assert np.std(found) / np.sqrt(n) < 0.2


@pytest.mark.parametrize("ignore_nan", [False, True])
def test_variances_are_a_diagonal_covariance(ignore_nan):
    folds = np.random.default_rng(8).standard_normal((3, 4, 6))
    variances = np.arange(1.0, 7.0)
    np.testing.assert_allclose(
        compute_rdm_cv(folds, "seuclidean", ignore_nan, V=variances),
        compute_rdm_cv(folds, "mahalanobis", ignore_nan, VI=np.diag(1 / variances)),
        rtol=1e-12,
    )


def test_the_unbiased_distance_of_noise_is_zero_on_average():
    rng = np.random.default_rng(3)
    cells = [compute_rdm_cv(rng.standard_normal((3, 4, 10)), "sqeuclidean") for _ in range(2000)]
    error = np.std(cells) / np.sqrt(np.size(cells) / 6)
    assert abs(np.mean(cells)) < 4 * error


@pytest.mark.parametrize("name", LEFT_OUT)
def test_other_cross_validated_metrics_leave_each_fold_out_in_both_directions(name):
    folds = np.abs(np.random.default_rng(4).standard_normal((4, 5, 7)))
    expected = np.zeros(10)
    i, j = np.triu_indices(5, 1)
    for f in range(4):
        cross = cdist(np.delete(folds, f, axis=0).mean(axis=0), folds[f], name)
        expected += (cross[i, j] + cross[j, i]) / 2 / 4
    np.testing.assert_allclose(compute_rdm_cv(folds, name), expected, atol=1e-12)


def test_missing_voxels_of_a_cross_validated_product_are_those_of_its_four_patterns():
    folds = np.random.default_rng(5).standard_normal((3, 4, 8))
    folds[0, 1, 2] = folds[2, 3, 5] = np.nan
    found = compute_rdm_cv(folds, "sqeuclidean", ignore_nan=True)
    cell = 0
    for i in range(4):
        for j in range(i + 1, 4):
            products = []
            for f, g in ((0, 1), (0, 2), (1, 2)):
                product = (folds[f, i] - folds[f, j]) * (folds[g, i] - folds[g, j])
                both = np.isfinite(product)
                products.append(product[both].sum() * 8 / both.sum())
            assert found[cell] == pytest.approx(np.mean(products), abs=1e-12)
            cell += 1


def test_constant_patterns_have_no_correlation():
    items = patterns(4)
    items[1] = 0.1
    rdm = compute_rdm(items, "correlation")
    assert np.array_equal(np.isnan(rdm), [True, False, False, True, True, False])


@pytest.mark.parametrize("n_folds", [1, 3])
def test_a_functions_nan_is_a_cell_that_is_left_out(n_folds):
    folds = np.random.default_rng(9).standard_normal((n_folds, 5, 6))
    folds[:, :2, 0] = 9  # the function knows nothing to say about these two

    def metric(a, b):
        return np.nan if a[0] == b[0] == 9 else float(np.abs(a - b).sum())

    expected = patch_rdm(folds, "cityblock", True, {})
    expected[0] = np.nan
    np.testing.assert_allclose(patch_rdm(folds, metric, True, {}), expected)
    assert np.isnan(patch_rdm(folds, metric, False, {})).all()
