"""Every dissimilarity and comparison against plain scipy over patches."""

import numpy as np
import pytest
from reference import plain_searchlight
from volumes import ANISOTROPIC, OBLIQUE, SHAPE, noise, volume

from bids_rsa import rsa_nifti
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES

N_ITEMS = 6
N_CELLS = 15
RADIUS_MM = 5.2
MODELS = np.random.default_rng(5).integers(0, 6, size=(3, N_CELLS)).astype(float)
BOOLEAN = (
    "dice", "hamming", "jaccard", "matching", "rogerstanimoto", "russellrao", "sokalsneath", "yule",
)  # fmt: skip
NEEDS_MATRIX = ("mahalanobis",)  # of a patch's own patterns it does not exist: too few of them


def data_for(metric, n_volumes=N_ITEMS, seed=0):
    """Noise of the kind that a metric is made for."""
    series = noise(n_volumes, seed=seed)
    if metric in BOOLEAN:
        return (series > 0.3).astype(float)
    return np.abs(series) if metric == "jensenshannon" else series


def masks(seed=2):
    """A brain with holes, and a small ROI that does not lie wholly inside."""
    rng = np.random.default_rng(seed)
    brain = rng.random(SHAPE) > 0.2
    roi = np.zeros(SHAPE, bool)
    roi[1:6, 2:, 1:4] = rng.random((5, 4, 3)) > 0.5
    return brain, roi


def ours(series, affine, metric, comparison, **kwargs):
    brain, roi = masks()
    maps = rsa_nifti(
        volume(series, affine),
        list(MODELS),
        RADIUS_MM / 1000,
        metric,
        kwargs.pop("params", {}),
        comparison,
        roi_mask=volume(roi.astype(np.uint8), affine),
        brain_mask=volume(brain.astype(np.uint8), affine),
        **kwargs,
    )
    for result in maps:
        assert not result.get_fdata()[~(brain & roi)].any()
    return np.array([result.get_fdata()[brain & roi] for result in maps])


def plain(series, affine, metric, comparisons, folds=None, **kwargs):
    brain, roi = masks()
    folds = np.moveaxis(series, -1, 0)[None] if folds is None else folds
    return plain_searchlight(
        folds, brain, brain & roi, affine, RADIUS_MM, MODELS, metric, comparisons, **kwargs
    )


@pytest.mark.parametrize("affine", [ANISOTROPIC, OBLIQUE], ids=["anisotropic", "oblique"])
@pytest.mark.parametrize(
    "metric", [m for m, d in DISSIMILARITIES.items() if m not in NEEDS_MATRIX and not d.needs_folds]
)
def test_every_dissimilarity_and_comparison(metric, affine):
    series = data_for(metric)
    expected = plain(series, affine, metric, COMPARISONS)
    for comparison in COMPARISONS:
        found = ours(series, affine, metric, comparison)
        assert np.isfinite(found).any()
        np.testing.assert_allclose(found, expected[comparison], rtol=0, atol=1e-10)


@pytest.mark.parametrize("metric", [m for m in DISSIMILARITIES if m not in NEEDS_MATRIX])
def test_every_cross_validated_dissimilarity(metric):
    series = data_for(metric, 3 * N_ITEMS)
    folds = np.moveaxis(series, -1, 0).reshape(3, N_ITEMS, *SHAPE)
    y = np.tile(np.arange(N_ITEMS), 3)
    expected = plain(series, OBLIQUE, metric, ("spearman", "regression"), folds=folds)
    for comparison in expected:
        found = ours(series, OBLIQUE, metric, comparison, y=y, n_folds=3)
        assert np.isfinite(found).any()
        np.testing.assert_allclose(found, expected[comparison], rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("metric", "params"),
    [
        ("minkowski", {"p": 3}),
        ("minkowski", {"p": 1.5, "w": True}),
        ("euclidean", {"w": True}),
        ("sqeuclidean", {"w": True}),
        ("cosine", {"w": True}),
        ("correlation", {"w": True}),
        ("cityblock", {"w": True}),
        ("seuclidean", {"V": True}),
    ],
)
@pytest.mark.parametrize("n_folds", [1, 2])
def test_parameters_reach_each_patch_with_its_own_voxels(metric, params, n_folds):
    series = data_for(metric, n_folds * N_ITEMS)
    folds = np.moveaxis(series, -1, 0).reshape(n_folds, N_ITEMS, *SHAPE)
    brain, _ = masks()
    weights = np.random.default_rng(9).uniform(0.2, 3, size=SHAPE)
    given = {key: weights.ravel() if value is True else value for key, value in params.items()}
    inner = {key: weights[brain] if value is True else value for key, value in params.items()}
    expected = plain(series, OBLIQUE, metric, ("pearson",), folds=folds, params=inner)["pearson"]
    y = np.tile(np.arange(N_ITEMS), n_folds)
    found = ours(series, OBLIQUE, metric, "pearson", params=given, y=y, n_folds=n_folds)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("n_folds", [1, 3])
def test_a_function_as_metric(n_folds):
    def largest_gap(u, v):
        return np.abs(u - v).max()

    series = noise(n_folds * N_ITEMS)
    y = np.tile(np.arange(N_ITEMS), n_folds)
    np.testing.assert_allclose(
        ours(series, OBLIQUE, largest_gap, "spearman", y=y, n_folds=n_folds),
        ours(series, OBLIQUE, "chebyshev", "spearman", y=y, n_folds=n_folds),
        rtol=0,
        atol=1e-10,
    )


@pytest.mark.parametrize("comparison", COMPARISONS)
@pytest.mark.parametrize(
    "metric", ["correlation", "cosine", "euclidean", "sqeuclidean", "cityblock", "canberra",
               "minkowski", "seuclidean", "chebyshev", "braycurtis"],
)  # fmt: skip
def test_missing_values_are_ignored_when_asked(metric, comparison):
    series = noise(N_ITEMS)
    series[np.random.default_rng(3).random(series.shape) < 0.15] = np.nan
    params = {"p": 3} if metric == "minkowski" else {}
    expected = plain(series, OBLIQUE, metric, (comparison,), ignore_nan=True, params=params)
    found = ours(series, OBLIQUE, metric, comparison, ignore_nan=True, params=params)
    np.testing.assert_allclose(found, expected[comparison], rtol=0, atol=1e-10)


@pytest.mark.parametrize("metric", ["correlation", "euclidean", "sqeuclidean"])
def test_missing_values_cross_validated(metric):
    series = noise(3 * N_ITEMS)
    series[np.random.default_rng(3).random(series.shape) < 0.1] = np.nan
    folds = np.moveaxis(series, -1, 0).reshape(3, N_ITEMS, *SHAPE)
    y = np.tile(np.arange(N_ITEMS), 3)
    expected = plain(series, OBLIQUE, metric, ("pearson",), folds=folds, ignore_nan=True)
    found = ours(series, OBLIQUE, metric, "pearson", ignore_nan=True, y=y, n_folds=3)
    np.testing.assert_allclose(found, expected["pearson"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean", "cityblock"])
def test_a_missing_value_undoes_only_its_own_centres_otherwise(metric):
    series = noise(N_ITEMS)
    complete = ours(series, OBLIQUE, metric, "spearman")
    brain, roi = masks()
    holes = [tuple(ijk) for ijk in np.argwhere(brain)[[3, 90]]]
    for hole in holes:
        series[(*hole, 2)] = np.nan
    found = ours(series, OBLIQUE, metric, "spearman")
    at = np.argwhere(brain & roi)
    near = np.zeros(len(at), bool)
    for hole in holes:
        near |= np.linalg.norm((at - hole) @ OBLIQUE[:3, :3].T, axis=1) <= RADIUS_MM
    assert near.any()
    assert not near.all()
    assert np.isnan(found[:, near]).all()
    np.testing.assert_allclose(found[:, ~near], complete[:, ~near], rtol=0, atol=1e-10)


@pytest.mark.parametrize("comparison", COMPARISONS)
def test_missing_cells_of_models_are_left_out(comparison):
    series, models = noise(N_ITEMS), MODELS.copy()
    models[0, 2] = models[1, 7] = np.nan
    brain, roi = masks()
    data = np.moveaxis(series, -1, 0)[None]
    expected = plain_searchlight(
        data, brain, brain & roi, OBLIQUE, RADIUS_MM, models, "correlation", (comparison,), True
    )[comparison]
    maps = rsa_nifti(
        volume(series, OBLIQUE),
        list(models),
        RADIUS_MM / 1000,
        rsa_metric=comparison,
        ignore_nan=True,
        roi_mask=volume(roi.astype("u1"), OBLIQUE),
        brain_mask=volume(brain.astype("u1"), OBLIQUE),
    )
    found = np.array([result.get_fdata()[brain & roi] for result in maps])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
    # an empty cell of a model is left out, with or without missing values in the images
    again = rsa_nifti(
        volume(series, OBLIQUE),
        list(models),
        RADIUS_MM / 1000,
        rsa_metric=comparison,
        roi_mask=volume(roi.astype("u1"), OBLIQUE),
        brain_mask=volume(brain.astype("u1"), OBLIQUE),
    )
    for one, other in zip(maps, again, strict=True):
        np.testing.assert_array_equal(one.get_fdata(), other.get_fdata())


@pytest.mark.parametrize("n_folds", [1, 2])
def test_mahalanobis_where_a_patch_has_fewer_voxels_than_patterns(n_folds):
    series = noise(n_folds * N_ITEMS)
    folds = np.moveaxis(series, -1, 0).reshape(n_folds, N_ITEMS, *SHAPE)
    everywhere = np.ones(SHAPE, bool)
    expected = plain_searchlight(
        folds, everywhere, everywhere, ANISOTROPIC, 2.5, MODELS, "mahalanobis", ("pearson",)
    )["pearson"]
    y = np.tile(np.arange(N_ITEMS), n_folds)
    maps = rsa_nifti(
        volume(series), list(MODELS), 0.0025, "mahalanobis", rsa_metric="pearson", y=y,
        n_folds=n_folds,
    )  # fmt: skip
    found = np.array([result.get_fdata().ravel() for result in maps])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_mahalanobis_where_a_patch_has_more_voxels_than_patterns_is_undefined():
    with pytest.raises(ValueError, match="undefined at every one"):
        rsa_nifti(volume(noise(N_ITEMS)), MODELS[0], 0.006, "mahalanobis")
