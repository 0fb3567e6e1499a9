"""The searchlight against brute force: scipy's pdist on every patch, found by measuring in mm."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_searchlight import patches_by_mm, plain_cv_rdm, plain_rdm, plain_scores

from bids_rsa.core.searchlight import searchlight_rsa

OBLIQUE = np.array([[3, 0.4, 0, -10], [0, 2.5, 0.3, 5], [0.2, 0, 2, 7], [0, 0, 0, 1.0]])
ISOTROPIC = np.diag([3.0, 3, 3, 1])
# columns of a sphere become shorter by one voxel as well as by two
SHEARED = np.array([[3, 1.3, 0.9, 0], [0, 2.5, 1.1, 0], [0.8, 0, 2, 0], [0, 0, 0, 1.0]])
ROW_METRICS = ["correlation", "cosine", "euclidean", "sqeuclidean"]
COMPARISONS = ("spearman", "pearson")


def check(patterns, patch_mask, center_mask, affine, radius_mm, metric, seed=0, min_voxels=1):
    """Compare all scores with brute force; return them."""
    n_items = patterns.shape[2]
    models = np.random.default_rng(seed).random((2, n_items * (n_items - 1) // 2))
    result = searchlight_rsa(
        patterns, patch_mask, center_mask, affine, radius_mm, models,
        dissimilarity=metric, comparisons=COMPARISONS, min_voxels=min_voxels,
    )  # fmt: skip
    patches = list(patches_by_mm(patch_mask, center_mask, affine, radius_mm))
    np.testing.assert_array_equal(result.n_voxels, [len(rows) for rows in patches])
    rdms = []
    for rows in patches:
        folds = patterns[rows].transpose(1, 2, 0).astype(np.float64)
        if len(rows) < min_voxels:
            folds = folds[:, :, :0]
        if len(folds) == 1:
            rdms.append(plain_rdm(folds[0], metric))
        else:
            rdms.append(plain_cv_rdm(folds, metric))
    for comparison in COMPARISONS:
        expected = plain_scores(rdms, models, comparison)
        np.testing.assert_allclose(result.scores[comparison], expected, rtol=0, atol=1e-10)
    return result


def hard(rng, kind, n_voxels, n_folds, n_items):
    """Patterns on which careless sums fail."""
    noise = rng.standard_normal((n_voxels, n_folds, n_items))
    if kind == "offset":
        return 1e4 + noise
    if kind == "offset per condition":
        return noise + 1e4 * np.arange(n_items)
    if kind == "slope":
        slopes = 1e4 * rng.standard_normal(n_items)
        return noise + np.linspace(0, 1, n_voxels)[:, None, None] * slopes
    if kind == "nearly constant":
        return 5 + 1e-7 * noise
    if kind == "tiny":
        return 1e-150 * noise
    if kind == "huge":
        return 1e150 * noise
    if kind == "mixed scales":
        return noise * 10.0 ** np.linspace(-6, 6, n_items)
    if kind == "integers":
        return np.round(3 * noise)
    if kind == "duplicates":
        noise[:, :, 1] = noise[:, :, 0]
        return noise
    return noise


KINDS = (
    "noise", "offset", "offset per condition", "slope", "nearly constant", "tiny", "huge",
    "mixed scales", "integers", "duplicates",
)  # fmt: skip


NO_COSINE = ("offset", "offset per condition", "nearly constant")


@pytest.mark.parametrize("metric", ROW_METRICS)
@pytest.mark.parametrize("kind", KINDS)
def test_hard_patterns_equal_scipy(metric, kind):
    if metric == "cosine" and kind in NO_COSINE:
        pytest.skip("1 - cosine is 1e-8 here, and scipy's own rounding 1e-8 of that")
    rng = np.random.default_rng(1)
    patch_mask = rng.random((7, 8, 6)) < 0.8
    center_mask = rng.random((7, 8, 6)) < 0.15
    patterns = hard(rng, kind, patch_mask.sum(), 1, 6)
    if kind in ("tiny", "huge") and metric == "sqeuclidean":
        patterns = np.cbrt(patterns)  # their squares must be numbers
    result = check(patterns, patch_mask, center_mask, OBLIQUE, 5.5, metric, min_voxels=4)
    assert np.isfinite(result.scores["spearman"]).mean() > 0.9


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(1, 12)),
    density=st.sampled_from([0.2, 0.7, 1.0]),
    share=st.sampled_from([0.05, 0.3]),
    radius_mm=st.floats(1.0, 12.0),
    n_items=st.integers(3, 17),
    metric=st.sampled_from(ROW_METRICS),
    affine=st.sampled_from([ISOTROPIC, OBLIQUE, SHEARED]),
    single=st.booleans(),
)
def test_any_geometry_equals_scipy(
    seed, shape, density, share, radius_mm, n_items, metric, affine, single
):
    rng = np.random.default_rng(seed)
    patch_mask = rng.random(shape) < density
    center_mask = rng.random(shape) < share
    patterns = rng.standard_normal((patch_mask.sum(), 1, n_items))
    if single:
        patterns = patterns.astype(np.float32)
    check(patterns, patch_mask, center_mask, affine, radius_mm, metric)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    workspace=st.sampled_from([1, 2**14, 2**16]),
    min_length=st.sampled_from([1, 2, 7]),
    panel=st.sampled_from([1, 2**13]),
    packed=st.sampled_from([1, 2**14]),
    share=st.sampled_from([0.05, 0.4, 1.0]),
    radius_mm=st.sampled_from([1.0, 3.5, 7.0]),
    n_items=st.sampled_from([3, 4, 5, 8, 12, 13, 24, 41]),
    metric=st.sampled_from(ROW_METRICS),
    n_folds=st.integers(1, 4),
)
def test_little_room_changes_nothing(
    seed, workspace, min_length, panel, packed, share, radius_mm, n_items, metric, n_folds
):
    rng = np.random.default_rng(seed)
    patch_mask = rng.random((3, 2, 23)) < 0.8
    center_mask = rng.random((3, 2, 23)) < share
    patterns = 3 + rng.standard_normal((patch_mask.sum(), n_folds, n_items))
    with pytest.MonkeyPatch.context() as patch:
        # short pieces of rows and few tiles at a time, as many conditions have them
        patch.setattr("bids_rsa.core.limits.WORKSPACE", workspace)
        patch.setattr("bids_rsa.core.limits.MIN_LENGTH", min_length)
        patch.setattr("bids_rsa.core.dissimilarity.pushing._PANEL", panel)
        patch.setattr("bids_rsa.core.dissimilarity.slabs._PACKED", (packed, packed))
        patch.setattr("bids_rsa.core.dissimilarity.fold_slabs._PACKED", packed)
        check(patterns, patch_mask, center_mask, OBLIQUE, radius_mm, metric)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ROW_METRICS)
@pytest.mark.parametrize(("n_folds", "n_items"), [(2, 5), (5, 5), (3, 18)])
def test_cross_validated_distances_equal_their_definition(kind, metric, n_folds, n_items):
    if metric == "cosine" and kind in NO_COSINE:
        pytest.skip("1 - cosine is 1e-8 here, and scipy's own rounding 1e-8 of that")
    rng = np.random.default_rng(2)
    patch_mask = rng.random((6, 5, 7)) < 0.8
    center_mask = rng.random((6, 5, 7)) < 0.2
    patterns = hard(rng, kind, patch_mask.sum(), n_folds, n_items)
    if kind in ("tiny", "huge"):
        patterns = np.cbrt(patterns)
    check(patterns, patch_mask, center_mask, OBLIQUE, 5.5, metric)


def test_nearly_constant_patterns_of_few_voxels_keep_the_digits_they_have():
    rng = np.random.default_rng(3)
    steps = rng.integers(-9, 10, (40, 1, 5)) * 2.0**-34  # exact, and exact beside 5
    masks = [np.ones((40, 1, 1), dtype=bool)] * 2
    models = rng.random((1, 10))
    found, expected = (
        searchlight_rsa(
            patterns, *masks, ISOTROPIC, 3.5, models, comparisons=("pearson",)
        ).scores["pearson"]
        for patterns in (5 + steps, steps)
    )  # fmt: skip
    assert np.isfinite(expected).mean() > 0.8
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("metric", ROW_METRICS)
def test_nan_makes_undefined_only_the_centers_that_reach_it(metric):
    rng = np.random.default_rng(3)
    patch_mask = np.ones((6, 6, 9), dtype=bool)
    patterns = rng.standard_normal((patch_mask.sum(), 1, 5))
    patterns[100, 0, 2], patterns[200, 0, 4] = np.nan, np.inf
    result = check(patterns, patch_mask, patch_mask, ISOTROPIC, 4.0, metric)
    undefined = np.isnan(result.scores["spearman"][0])
    assert undefined.sum() == result.n_voxels[100] + result.n_voxels[200]


@pytest.mark.parametrize("metric", ROW_METRICS)
@pytest.mark.parametrize("value", [1e20, 1e200, -np.finfo(np.float64).max])
def test_an_enormous_value_spoils_only_the_centers_that_reach_it(metric, value):
    rng = np.random.default_rng(8)
    mask = np.ones((3, 3, 30), dtype=bool)
    clean = rng.standard_normal((*mask.shape, 1, 5))
    models = rng.random((1, 10))

    def scores(volume):
        result = searchlight_rsa(
            volume[mask], mask, mask, ISOTROPIC, 3.0, models, dissimilarity=metric
        )
        image = np.empty(mask.shape)
        image[mask] = result.scores["spearman"][0]
        return image

    expected = scores(clean)
    for z in range(0, 30, 3):
        volume = clean.copy()
        volume[1, 1, z] = value
        beyond = np.abs(np.arange(30) - z) > 1
        np.testing.assert_allclose(
            scores(volume)[..., beyond], expected[..., beyond], rtol=0, atol=1e-10
        )


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "sqeuclidean"])
def test_centers_where_a_sum_overflows_are_undefined(metric):
    rng = np.random.default_rng(9)
    mask = np.ones((5, 5, 9), dtype=bool)
    patterns = rng.standard_normal((mask.sum(), 1, 5))
    patterns[100, 0, 2] = 1e200
    result = searchlight_rsa(
        patterns, mask, mask, ISOTROPIC, 4.0, rng.random((1, 10)), dissimilarity=metric
    )
    assert np.isnan(result.scores["spearman"][0]).sum() == result.n_voxels[100]


def test_correlation_is_the_same_up_to_the_largest_numbers():
    rng = np.random.default_rng(10)
    mask = np.ones((4, 4, 9), dtype=bool)
    patterns, models = rng.random((mask.sum(), 1, 5)), rng.random((1, 10))
    plain, huge = (
        searchlight_rsa(given, mask, mask, ISOTROPIC, 4.0, models).scores["spearman"]
        for given in (patterns, np.ldexp(patterns, 1023))
    )
    assert np.isfinite(plain).all()
    np.testing.assert_allclose(huge, plain, rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.bool_, np.float16, ">f8"])
def test_patterns_of_another_kind_are_refused(dtype):
    mask = np.ones((3, 3, 3), dtype=bool)
    patterns = np.arange(27 * 4).reshape(27, 1, 4).astype(dtype)
    with pytest.raises(ValueError, match="float32 or float64"):
        searchlight_rsa(patterns, mask, mask, ISOTROPIC, 4.0, np.ones((1, 6)))


@pytest.mark.parametrize("metric", ROW_METRICS)
def test_constant_patterns_are_undefined_where_the_metric_needs_them(metric):
    rng = np.random.default_rng(4)
    patch_mask = np.ones((6, 6, 9), dtype=bool)
    patterns = 7 + rng.standard_normal((6, 6, 9, 1, 5))
    patterns[:3, ..., 1] = 7.0 + 1e-14 * rng.standard_normal((3, 6, 9, 1))
    patterns[:3, :3, ..., 3] = 0.0
    patterns = patterns.reshape(-1, 1, 5)
    result = check(patterns, patch_mask, patch_mask, ISOTROPIC, 4.0, metric)
    assert np.isnan(result.scores["pearson"][0]).any() == (metric in ("correlation", "cosine"))


def test_one_pair_of_conditions_has_no_score_and_300_have_one():
    rng = np.random.default_rng(5)
    mask = np.ones((3, 3, 3), dtype=bool)
    pair = rng.standard_normal((27, 1, 2))
    result = searchlight_rsa(pair, mask, mask, ISOTROPIC, 4.0, np.ones((1, 1)))
    assert np.isnan(result.scores["spearman"]).all()
    many = rng.standard_normal((27, 1, 300))
    center = np.zeros_like(mask)
    center[1, 1] = True
    check(many, mask, center, ISOTROPIC, 4.0, "correlation")


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean", "cityblock"])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_threads_change_no_byte_and_progress_counts_all_centers(metric, n_folds, monkeypatch):
    rng = np.random.default_rng(6)
    patch_mask = rng.random((9, 8, 7)) < 0.8
    patterns = rng.standard_normal((patch_mask.sum(), n_folds, 6)) + 100
    models = rng.random((1, 15))

    def run(n_threads):
        counts = []
        result = searchlight_rsa(
            patterns, patch_mask, patch_mask, OBLIQUE, 6.0, models, dissimilarity=metric,
            comparisons=("spearman", "pearson", "kendall-tau-a"), n_threads=n_threads,
            on_progress=counts.append,
        )  # fmt: skip
        assert sum(counts) == patch_mask.sum()
        return result

    one = run(1)
    for n_centers in (2048, 1, 40):
        monkeypatch.setattr("bids_rsa.core.limits.BLOCK_CENTERS", n_centers)
        monkeypatch.setattr("bids_rsa.core.limits.BLOCK_CELLS", 15 * n_centers)
        many = run(3)
        for name, scores in one.scores.items():
            assert scores.tobytes() == many.scores[name].tobytes()


def test_voxel_order_and_orientation_change_nothing_that_counts():
    rng = np.random.default_rng(7)
    mask = rng.random((6, 7, 12)) < 0.8
    volume = rng.standard_normal((6, 7, 12, 5)) + 3
    models = rng.random((1, 10))

    def scores(axes):
        turned, affine = mask.transpose(axes), OBLIQUE.copy()
        affine[:, :3] = OBLIQUE[:, axes]
        patterns = volume.transpose((*axes, 3))[turned][:, None]
        result = searchlight_rsa(
            np.ascontiguousarray(patterns), turned, turned, affine, 6.0, models
        )
        image = np.full(turned.shape, np.nan)
        image[turned] = result.scores["spearman"][0]
        return image.transpose(np.argsort(axes))

    for axes in ((2, 1, 0), (1, 2, 0)):
        np.testing.assert_allclose(scores(axes), scores((0, 1, 2)), rtol=0, atol=1e-10)
