"""Correlation, cosine and euclidean distances with missing voxels, against the definition."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_rsa.core.dissimilarity.compiled import compiled_distances
from bids_rsa.core.dissimilarity.pair_distances import PatchLists
from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES
from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.searchlight import searchlight

METRICS = ["correlation", "cosine", "euclidean", "sqeuclidean"]


def filled(metric, patterns, patches, ignore_nan=True, min_voxels=1):
    n_items = patterns.shape[1]
    ready = compiled_distances(DISSIMILARITIES[metric], {}, len(patterns))
    rdms = np.full((len(patches), n_items * (n_items - 1) // 2), -9.0)
    starts = np.cumsum([0, *map(len, patches)])
    members = np.concatenate(patches).astype(np.int64)
    ready.kernel(ready, patterns, PatchLists(members, starts, min_voxels, ignore_nan), rdms)
    return rdms


def plain(metric, patterns, patches, ignore_nan=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array([
            patch_rdm(np.ascontiguousarray(patterns[r].T[None]), metric, ignore_nan, {})
            for r in patches
        ])  # fmt: skip


def patches_of(n_voxels, sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(n_voxels, size, replace=False)) for size in sizes]


@pytest.mark.parametrize("metric", METRICS)
@settings(max_examples=60, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    seed=st.integers(0, 2**32),
    n_items=st.integers(2, 9),
    missing=st.sampled_from([0.0, 0.05, 0.3, 0.8]),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
    scale=st.integers(-40, 40),
)
def test_missing_anywhere(metric, seed, n_items, missing, offset, scale):
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(40, n_items)) + offset
    patterns[rng.random(patterns.shape) < missing] = np.nan
    patches = patches_of(40, [1, 2, 3, 5, 16, 40], seed)
    unit = 10.0**scale * 10.0 ** (scale * (metric == "sqeuclidean"))
    found = filled(metric, patterns * 10.0**scale, patches)
    expected = plain(metric, patterns * 10.0**scale, patches)
    if metric in ("correlation", "cosine"):
        unit = 1.0
    np.testing.assert_allclose(found / unit, expected / unit, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ignore_nan", [False, True])
def test_lacking_slabs_infinities_constants_and_zeros(metric, ignore_nan):
    rng = np.random.default_rng(2)
    patterns = rng.normal(size=(90, 6))
    patterns[:30, 1] = np.nan  # not measured in a slab
    patterns[3] = np.nan  # a voxel nobody has
    patterns[40, 2] = np.inf
    patterns[50:60, 3] = 0.7  # constant, and there only
    patterns[60:70, 4] = 0
    patterns[75:, 5] = 5 + 1e-15 * rng.normal(size=15)
    patches = [
        np.arange(30), np.arange(20, 40), np.arange(35, 45), np.arange(50, 60), np.arange(45, 58),
        np.arange(60, 70), np.arange(75, 90), np.arange(1, 5), np.arange(90), np.array([3]),
    ]  # fmt: skip
    found = filled(metric, patterns, patches, ignore_nan)
    expected = plain(metric, patterns, patches, ignore_nan)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def test_common_voxels_far_from_the_means():
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(60, 3))
    patterns[:30] += 1e3  # each pattern has two plateaus, and the pairs share one
    patterns[30:, 0] = np.nan
    patterns[:2, 1] = np.nan
    patches = [np.arange(60), np.arange(1, 45)]
    np.testing.assert_allclose(
        filled("correlation", patterns, patches),
        plain("correlation", patterns, patches),
        rtol=1e-10,
        atol=1e-10,
    )


@pytest.mark.parametrize("metric", METRICS)
def test_float32_and_smallest_patches(metric):
    patterns = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    patterns[0, 0] = np.nan
    patches = [np.arange(6), np.arange(9)]
    found = filled(metric, patterns, patches, min_voxels=7)
    assert np.isnan(found[0]).all()
    expected = plain(metric, patterns.astype(float), patches)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
def test_patches_around_a_missing_value_are_those_of_the_definition(metric):
    """Cross-validated: most patches lack nothing and are summed along rows, some are not."""
    shape, n_folds, n_items = (9, 8, 7), 3, 5
    mask = np.random.default_rng(4).random(shape) < 0.9
    patterns = np.random.default_rng(5).normal(size=(mask.sum(), n_folds, n_items))
    patterns[100, 1, 2] = patterns[7, 0, 0] = np.nan
    hood = sphere_rows(mask, mask, np.diag([3.0, 3, 3, 1]), 7.0)
    writer = RdmWriter()
    searchlight(patterns, hood, [writer], dissimilarity=metric, ignore_nan=True)
    points = np.argwhere(mask) * 3.0
    n_lacking = 0
    for center, rdm in zip(points, writer.rdms, strict=True):
        rows = np.flatnonzero(((points - center) ** 2).sum(axis=1) <= 49.0)
        folds = np.ascontiguousarray(patterns[rows].transpose(1, 2, 0))
        n_lacking += bool(np.isnan(folds).any())
        np.testing.assert_allclose(rdm, patch_rdm(folds, metric, True, {}), rtol=1e-10, atol=1e-12)
    assert 10 < n_lacking < len(points) / 2


@pytest.mark.parametrize("metric", [*METRICS, "crossnobis", "seuclidean"])
@settings(max_examples=40, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    seed=st.integers(0, 2**32),
    n_items=st.integers(2, 7),
    n_folds=st.integers(2, 4),
    missing=st.sampled_from([0.0, 0.02, 0.3, 0.8]),
    whole_voxels=st.booleans(),
    value=st.sampled_from([np.nan, np.inf]),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
)
def test_missing_anywhere_in_folds(
    metric, seed, n_items, n_folds, missing, whole_voxels, value, offset
):
    """The patches with and without missing voxels of one run are those of the definition."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(40, n_folds, n_items)) + offset
    shape = (40, n_folds, 1) if whole_voxels else patterns.shape
    patterns[np.broadcast_to(rng.random(shape) < missing, patterns.shape)] = value
    patterns[rng.integers(40), :, :] = value  # in no pattern: never counted
    patches = patches_of(40, [1, 2, 3, 5, 16, 40], seed)
    params = {"V": rng.uniform(0.5, 2, 40)} if metric == "seuclidean" else {}
    writer = RdmWriter()
    searchlight(
        patterns, Patches.of_lists(patches, 40), [writer],
        dissimilarity=metric, params=params, ignore_nan=True,
    )  # fmt: skip
    for found, rows in zip(writer.rdms, patches, strict=True):
        folds = np.ascontiguousarray(patterns[rows].transpose(1, 2, 0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = patch_rdm(folds, metric, True, select_voxels(params, rows))
        root = metric == "euclidean"
        squares = found * np.abs(found) if root else found
        expected = expected * np.abs(expected) if root else expected
        np.testing.assert_allclose(squares, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean"])
def test_a_constant_pattern_among_folds_undefines_only_correlations(metric):
    patterns = np.random.default_rng(3).normal(size=(30, 3, 4))
    patterns[5, 1, 0] = np.nan
    patterns[:, 2, 3] = 7.0
    writer = RdmWriter()
    whole = Patches.whole(30)
    searchlight(patterns, whole, [writer], dissimilarity=metric, ignore_nan=True)
    assert np.isnan(writer.rdms).all() == (metric == "correlation")
