"""Weights of voxels: a voxel of weight 3 counts as three voxels, and one of weight 0 not at all."""

import numpy as np
import pytest
from plain_searchlight import plain_left_out_rdm
from test_patches import rdms_of, spheres
from test_searchlight import KINDS, NO_COSINE, hard

from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.neighborhood.patches import Patches

METRICS = ["correlation", "cosine", "euclidean", "sqeuclidean", "seuclidean"]


def weighted(metric, weights):
    """The parameters that give voxels these weights."""
    if metric != "seuclidean":
        return {"w": weights}
    with np.errstate(divide="ignore"):
        return {"V": 1 / weights}


def by_repetition(folds, metric, weights):
    """Return the RDM of a patch in which each voxel stands as often as it weighs."""
    repeated = np.repeat(folds, weights, axis=2)
    if len(folds) > 1 and metric in ("correlation", "cosine"):
        return plain_left_out_rdm(repeated, metric)  # whose means have more digits
    if metric != "seuclidean":
        return patch_rdm(repeated, metric, False, {})
    return patch_rdm(repeated, "euclidean" if len(folds) == 1 else "sqeuclidean", False, {})


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_folds", [1, 3])
def test_a_weight_is_a_number_of_voxels(metric, kind, n_folds):
    if metric == "cosine" and kind in NO_COSINE:
        pytest.skip("1 - cosine is 1e-8 here, and scipy's own rounding 1e-8 of that")
    grid, lists, rows = spheres()
    rng = np.random.default_rng(4)
    patterns = hard(rng, kind, grid.n_locations, n_folds, 6)
    if kind in ("tiny", "huge"):
        patterns = np.cbrt(patterns)
    weights = rng.integers(0, 4, grid.n_locations)
    keywords = {"dissimilarity": metric, "params": weighted(metric, weights)}
    found, sizes = rdms_of(patterns, grid, **keywords)
    assert sizes.tolist() == [len(r) for r in rows]
    of_lists, _ = rdms_of(patterns, lists, **keywords)
    for k in range(0, len(rows), 5):
        folds = np.ascontiguousarray(patterns[rows[k]].transpose(1, 2, 0))
        expected = by_repetition(folds, metric, weights[rows[k]])
        # means of patterns that are nearly constant are known to fewer digits
        near = 1e-9 if kind == "nearly constant" else 1e-13
        atol = near * np.abs(expected).max()
        np.testing.assert_allclose(found[k], expected, rtol=1e-10, atol=atol)
        np.testing.assert_allclose(of_lists[k], expected, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("has_weights", [False, True])
@pytest.mark.parametrize("unit", [1.0, 0.1])
def test_folds_whose_mean_is_nothing_but_rounding_are_undefined(metric, has_weights, unit):
    grid, lists, _ = spheres()
    rng = np.random.default_rng(6)
    patterns = rng.integers(-3, 4, (grid.n_locations, 4, 6)) * unit
    params = {"w": rng.uniform(0.1, 1, grid.n_locations)} if has_weights else {}
    for cancel in (False, True):
        if cancel:  # the mean of all folds but the last
            patterns[:, 2, 3] = -(patterns[:, 0, 3] + patterns[:, 1, 3])
        for neighborhood in (grid, lists):
            found, sizes = rdms_of(patterns, neighborhood, dissimilarity=metric, params=params)
            assert np.isnan(found[sizes > 9]).all() if cancel else np.isfinite(found).any()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_weights_change_nothing(metric, dtype):
    grid, _, _ = spheres()
    rng = np.random.default_rng(5)
    patterns = rng.standard_normal((grid.n_locations, 1, 7)).astype(dtype)
    params = weighted(metric, np.full(grid.n_locations, 1.0))
    found, _ = rdms_of(patterns, grid, dissimilarity=metric, params=params)
    name = "euclidean" if metric == "seuclidean" else metric
    np.testing.assert_allclose(found, rdms_of(patterns, grid, dissimilarity=name)[0], rtol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_what_no_weight_can_measure_is_undefined(metric):
    grid, _, rows = spheres()
    rng = np.random.default_rng(6)
    patterns = rng.standard_normal((grid.n_locations, 1, 5))
    patterns[3, 0, 2] = np.nan
    weights = rng.integers(1, 4, grid.n_locations).astype(float)
    weights[rows[0]] = 0.0
    found, _ = rdms_of(patterns, grid, dissimilarity=metric, params=weighted(metric, weights))
    reaches = np.array([3 in r for r in rows])
    weightless = np.array([not weights[r].any() for r in rows])
    few = np.array([np.count_nonzero(weights[r]) < 3 for r in rows])
    assert np.isnan(found[reaches]).all()
    assert np.isfinite(found[~reaches & ~few]).all()
    assert weightless.any()
    if metric in ("correlation", "cosine"):
        assert np.isnan(found[weightless]).all()
    else:
        assert (found[weightless & ~reaches] == 0).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_folds", [1, 2])
def test_weights_with_missing_voxels_are_the_definition(metric, n_folds):
    grid, lists, rows = spheres()
    rng = np.random.default_rng(7)
    patterns = rng.standard_normal((grid.n_locations, n_folds, 5))
    patterns[rng.integers(0, grid.n_locations, 3), 0, rng.integers(0, 5, 3)] = np.nan
    weights = rng.uniform(0.5, 2, grid.n_locations)
    keywords = {"dissimilarity": metric, "ignore_nan": True, "params": weighted(metric, weights)}
    for neighborhood in (grid, lists):
        found, _ = rdms_of(patterns, neighborhood, **keywords)
        for k in range(0, len(rows), 9):
            folds = patterns[rows[k]].transpose(1, 2, 0)
            params = weighted(metric, weights[rows[k]])
            expected = patch_rdm(folds, metric, True, params)
            np.testing.assert_allclose(found[k], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_folds", [1, 3])
def test_threads_change_no_byte_of_weighted_distances(metric, n_folds):
    grid, lists, _ = spheres(shape=(9, 8, 7))
    rng = np.random.default_rng(8)
    patterns = rng.standard_normal((grid.n_locations, n_folds, 6)) + 50
    params = weighted(metric, rng.uniform(0.5, 2, grid.n_locations))
    for neighborhood in (grid, lists):
        keywords = {"dissimilarity": metric, "params": params}
        one, _ = rdms_of(patterns, neighborhood, **keywords)
        three, _ = rdms_of(patterns, neighborhood, n_threads=3, **keywords)
        assert one.tobytes() == three.tobytes()


def test_a_weight_that_is_missing_undefines_its_patches():
    patterns = np.random.default_rng(9).standard_normal((60, 1, 5))
    weights = np.ones(60)
    weights[10] = np.nan
    lists = Patches.of_lists([np.arange(0, 30), np.arange(30, 60)], 60)
    for metric in METRICS:
        params = weighted(metric, weights)
        found, _ = rdms_of(patterns, lists, dissimilarity=metric, params=params)
        assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()
