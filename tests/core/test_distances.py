"""The compiled distances against scipy's, patch by patch."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bids_rsa.core.dissimilarity.compiled import pair_distances
from bids_rsa.core.dissimilarity.pair_distances import PatchLists
from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES

NUMBERS = ["braycurtis", "canberra", "chebyshev", "cityblock", "minkowski", "seuclidean"]
TRUTHS = ["dice", "hamming", "jaccard", "matching", "rogerstanimoto", "russellrao", "sokalsneath",
          "yule"]  # fmt: skip
ALL = [*NUMBERS, *TRUTHS, "jensenshannon"]


def patterns_for(metric, n_voxels, n_items, seed=0):
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(n_voxels, n_items))
    if metric in TRUTHS:
        return np.round(np.abs(patterns))  # 0, 1, 2: zeros, equal and unequal numbers
    return np.abs(patterns) if metric == "jensenshannon" else patterns


def patches_of(n_voxels, sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [np.sort(rng.choice(n_voxels, size, replace=False)) for size in sizes]


def filled(metric, patterns, patches, params, ignore_nan=False, min_voxels=1):
    n_items = patterns.shape[1]
    ready = pair_distances(DISSIMILARITIES[metric], params, len(patterns))
    rdms = np.full((len(patches), n_items * (n_items - 1) // 2), -9.0)
    starts = np.cumsum([0, *map(len, patches)])
    members = np.concatenate(patches).astype(np.int64)
    lists = PatchLists(members, starts, max(min_voxels, 1), ignore_nan)
    ready.kernel(ready, patterns, lists, rdms)
    return rdms


def plain(metric, patterns, patches, params, ignore_nan=False):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.array([
            patch_rdm(
                np.ascontiguousarray(patterns[rows].T[None], dtype=np.float64),
                metric, ignore_nan, select_voxels(params, rows),
            )
            for rows in patches
        ])  # fmt: skip


def agree(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("n_items", [2, 7, 24])
def test_equals_scipy(metric, n_items):
    patterns = patterns_for(metric, 60, n_items)
    # of one voxel scipy's jensenshannon is 0 or, by rounding, the root of a negative number
    patches = patches_of(60, [2 if metric == "jensenshannon" else 1, 2, 3, 8, 33, 60])
    agree(filled(metric, patterns, patches, {}), plain(metric, patterns, patches, {}))


@pytest.mark.parametrize(
    "metric", ["euclidean", *(m for m in ALL if m not in ("jensenshannon", "seuclidean"))]
)
def test_weights(metric):
    patterns, patches = patterns_for(metric, 40, 6), patches_of(40, [5, 17, 40])
    weights = np.random.default_rng(1).random(40).round(1)
    params = {"w": weights}
    agree(filled(metric, patterns, patches, params), plain(metric, patterns, patches, params))


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, 4.0, 7, 16, 17, 20.5])
def test_powers_of_minkowski(p):
    patterns, patches = patterns_for("minkowski", 40, 6), patches_of(40, [5, 17, 40])
    for params in ({"p": p}, {"p": p, "w": np.linspace(0, 2, 40)}):
        agree(
            filled("minkowski", patterns, patches, params),
            plain("minkowski", patterns, patches, params),
        )


def test_given_variances():
    patterns, patches = patterns_for("seuclidean", 40, 6), patches_of(40, [5, 17, 40])
    params = {"V": np.linspace(0.1, 3, 40)}
    agree(
        filled("seuclidean", patterns, patches, params),
        plain("seuclidean", patterns, patches, params),
    )


@pytest.mark.parametrize("metric", ALL)
def test_float32_patterns_and_small_patches(metric):
    patterns = patterns_for(metric, 60, 5).astype(np.float32)
    patches = patches_of(60, [4, 9, 20])
    found = filled(metric, patterns, patches, {}, min_voxels=9)
    assert np.isnan(found[0]).all()
    agree(found[1:], plain(metric, patterns, patches, {})[1:])


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("ignore_nan", [False, True])
def test_missing_values(metric, ignore_nan):
    patterns = patterns_for(metric, 80, 6)
    rng = np.random.default_rng(2)
    patterns[:40, :2][rng.random((40, 2)) < 0.4] = np.nan
    patterns[70:, 3] = np.nan
    patterns[5] = np.nan
    patterns[50, 1] = np.inf
    patches = [*patches_of(80, [3, 10, 40, 80]), np.arange(71, 80), np.arange(55, 69)]
    agree(
        filled(metric, patterns, patches, {}, ignore_nan),
        plain(metric, patterns, patches, {}, ignore_nan),
    )


@pytest.mark.parametrize("metric", ALL)
def test_equal_and_zero_patterns(metric):
    patterns = patterns_for(metric, 30, 5)
    patterns[:, 1] = patterns[:, 0]
    patches = [np.arange(20), np.arange(30)]
    if metric == "jensenshannon":  # scipy: 0 or, by rounding, the root of a negative number
        assert (filled(metric, patterns, patches, {})[:, 0] == 0).all()
        return
    agree(filled(metric, patterns, patches, {}), plain(metric, patterns, patches, {}))
    patterns[:20, 3:] = 0
    agree(filled(metric, patterns, patches, {}), plain(metric, patterns, patches, {}))


def test_jensenshannon_of_negative_values_is_undefined():
    patterns = patterns_for("jensenshannon", 30, 4)
    patterns[3, 2] = -1e-9
    found = filled("jensenshannon", patterns, [np.arange(10), np.arange(10, 30)], {})
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


@pytest.mark.parametrize("difference", [1e-2, 1e-4, 1e-6])
def test_jensenshannon_of_nearly_equal_patterns(difference):
    rng = np.random.default_rng(0)
    first = rng.random(50)
    p = first / first.sum()
    q = p * (1 + difference * rng.normal(size=50))
    q /= q.sum()
    d = (p - q) / (p + q)  # the divergence as a series in the relative difference
    series = ((p + q) / 2 * (d**2 + d**4 / 6 + d**6 / 15)).sum() / 2
    found = filled("jensenshannon", np.column_stack([p, q]), [np.arange(50)], {})
    np.testing.assert_allclose(found, np.sqrt(series), rtol=1e-9)


@pytest.mark.parametrize("metric", ALL)
@settings(max_examples=25, deadline=None, derandomize=True,
          suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
@given(
    seed=st.integers(0, 2**32),
    scale=st.integers(-30, 30),
    missing=st.sampled_from([0.0, 0.1, 0.6]),
    n_items=st.integers(2, 9),
)
def test_any_patterns(metric, seed, scale, missing, n_items):
    patterns = patterns_for(metric, 25, n_items, seed)
    patterns *= 1 if metric in TRUTHS else 10.0**scale
    rng = np.random.default_rng(seed)
    if metric != "jensenshannon":  # pairs with one voxel in common: see above
        patterns[rng.random(patterns.shape) < missing] = np.nan
    patches = patches_of(25, [2 if metric == "jensenshannon" else 1, 4, 12, 25], seed)
    expected = plain(metric, patterns, patches, {}, True)
    found = filled(metric, patterns, patches, {}, True)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_metrics_of_scipy_alone_are_left_to_it():
    assert pair_distances(DISSIMILARITIES["mahalanobis"], {}, 5) is None
    assert pair_distances(DISSIMILARITIES["minkowski"], {"p": np.inf}, 5) is None
