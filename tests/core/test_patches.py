"""Patches as lists, and measures: the same as spheres on a grid, and as brute force."""

import numpy as np
import pytest
from plain_searchlight import patches_by_mm, plain_cv_rdm, plain_left_out_rdm, plain_rdm
from test_searchlight import ISOTROPIC, KINDS, OBLIQUE, hard

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES
from bids_rsa.core.measures import ModelScores, RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.searchlight import searchlight

RADIUS_MM = 6.0
GRAM = [name for name, entry in DISSIMILARITIES.items() if entry.gram_code is not None]


def spheres(seed=0, shape=(6, 7, 5), density=0.8):
    """One neighborhood as rows of a grid and as lists, and the patches by measuring in mm."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < density
    centers = mask & (rng.random(shape) < 0.7)
    lists = list(patches_by_mm(mask, centers, OBLIQUE, RADIUS_MM))
    shuffled = [rng.permutation(rows) for rows in lists]
    grid = sphere_rows(mask, centers, OBLIQUE, RADIUS_MM)
    return grid, Patches.of_lists(shuffled, int(mask.sum())), lists


def rdms_of(patterns, neighborhood, **keywords):
    """RDMs of all patches, and their sizes."""
    writer = RdmWriter()
    sizes = searchlight(patterns, neighborhood, [writer], **keywords)
    return writer.rdms, sizes


def patterns_for(metric, shape, n_nan=0, seed=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=shape)
    if metric in ("jensenshannon",):
        patterns = np.abs(patterns) + 0.1
    elif DISSIMILARITIES[metric].pair_code is not None and metric not in ("euclidean",):
        patterns = np.round(np.abs(patterns) * 2)
    patterns = patterns.astype(dtype)
    for _ in range(n_nan):
        patterns[tuple(rng.integers(0, size) for size in shape)] = np.nan
    return patterns


def refused_without_folds(metric, n_folds):
    """Cross-validated distances need folds, and say so."""
    refused = DISSIMILARITIES[metric].needs_folds and n_folds == 1
    if refused:
        with pytest.raises(ValueError, match="two folds"):
            rdms_of(np.ones((9, 1, 4)), Patches.whole(9), dissimilarity=metric)
    return refused


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("metric", DISSIMILARITIES)
@pytest.mark.parametrize("n_folds", [1, 3])
@pytest.mark.parametrize(("n_nan", "ignore_nan"), [(0, False), (9, False), (9, True)])
def test_lists_of_spheres_are_spheres(metric, n_folds, n_nan, ignore_nan):
    if refused_without_folds(metric, n_folds):
        return
    grid, lists, rows = spheres()
    patterns = patterns_for(metric, (grid.n_locations, n_folds, 5), n_nan)
    keywords = {"dissimilarity": metric, "ignore_nan": ignore_nan, "min_voxels": 4}
    found, sizes = rdms_of(patterns, lists, **keywords)
    expected, grid_sizes = rdms_of(patterns, grid, **keywords)
    assert sizes.tolist() == grid_sizes.tolist() == [len(r) for r in rows]
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    same(found, expected)
    for k in range(0, len(rows), 7):  # and both are the definition's
        folds = patterns[rows[k]].transpose(1, 2, 0)
        small = len(rows[k]) < 4
        same(found[k], np.nan if small else patch_rdm(folds, metric, ignore_nan, {}))


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "seuclidean", "correlation"])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_parameters_of_voxels_follow_their_rows(metric, n_folds):
    grid, lists, rows = spheres()
    patterns = patterns_for("correlation", (grid.n_locations, n_folds, 5))
    key = DISSIMILARITIES[metric].parameters[0]
    params = {key: np.random.default_rng(2).uniform(0.5, 2, grid.n_locations)}
    found, _ = rdms_of(patterns, lists, dissimilarity=metric, params=params)
    same(found, rdms_of(patterns, grid, dissimilarity=metric, params=params)[0])
    k = len(rows) // 2
    folds = patterns[rows[k]].transpose(1, 2, 0)
    same(found[k], patch_rdm(folds, metric, False, select_voxels(params, rows[k])))


@pytest.mark.parametrize("metric", GRAM)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_folds", [1, 3])
def test_inner_products_are_as_exact_as_scipy(metric, kind, n_folds):
    if refused_without_folds(metric, n_folds):
        return
    if metric == "cosine" and kind in ("offset", "offset per condition", "nearly constant"):
        pytest.skip("1 - cosine is 1e-8 here, and scipy's own rounding 1e-8 of that")
    rng = np.random.default_rng(3)
    patches = [rng.choice(150, size, replace=False) for size in (3, 31, 32, 33, 40, 100, 149)]
    patterns = hard(rng, kind, 150, n_folds, 8)
    found, _ = rdms_of(patterns, Patches.of_lists(patches, 150), dissimilarity=metric)
    for rdm, rows in zip(found, patches, strict=True):
        folds = np.ascontiguousarray(patterns[np.sort(rows)].transpose(1, 2, 0))
        if n_folds == 1:
            expected = plain_rdm(folds[0], metric)
        elif DISSIMILARITIES[metric].is_unbiased({}):
            per_voxel = DISSIMILARITIES[metric].per_voxel
            expected = plain_cv_rdm(folds, "sqeuclidean" if per_voxel else metric)
            expected = expected / (len(rows) if per_voxel else 1)
        else:
            expected = plain_left_out_rdm(folds, metric)
        scale = np.nanmax(np.abs(expected), initial=0)
        np.testing.assert_allclose(rdm, expected, rtol=1e-10, atol=1e-13 * scale)


@pytest.mark.parametrize("metric", GRAM)
def test_duplicate_patterns_are_at_distance_zero(metric):
    patterns = np.random.default_rng(4).standard_normal((500, 3, 6)) + 100
    patterns[:, :, 4] = patterns[:, :, 1]
    rdm = rdms_of(patterns, Patches.whole(500), dissimilarity=metric)[0][0]
    same_pair = np.flatnonzero((np.triu_indices(6, 1)[0] == 1) & (np.triu_indices(6, 1)[1] == 4))
    if DISSIMILARITIES[metric].is_unbiased({}):
        assert rdm[same_pair] == 0
    if not refused_without_folds(metric, 1):
        alone = rdms_of(patterns[:, :1], Patches.whole(500), dissimilarity=metric)[0][0]
        assert abs(alone[same_pair]) < 1e-15


@pytest.mark.parametrize("metric", ["correlation", "euclidean", "cityblock", "minkowski"])
@pytest.mark.parametrize("n_folds", [1, 2])
def test_neither_threads_nor_company_change_a_byte(metric, n_folds, monkeypatch):
    rng = np.random.default_rng(5)
    lists = [rng.choice(300, rng.integers(8, 90), replace=False) for _ in range(60)]
    patterns = rng.standard_normal((300, n_folds, 12))
    keywords = {"dissimilarity": metric}
    one, _ = rdms_of(patterns, Patches.of_lists(lists, 300), **keywords)
    assert np.isfinite(one).all()
    many, _ = rdms_of(patterns, Patches.of_lists(lists, 300), n_threads=4, **keywords)
    assert one.tobytes() == many.tobytes()
    alone, _ = rdms_of(patterns, Patches.of_lists(lists[7:8], 300), **keywords)
    assert alone.tobytes() == one[7:8].tobytes()
    monkeypatch.setattr("bids_rsa.core.limits.BLOCK_CENTERS", 16)
    monkeypatch.setattr("bids_rsa.core.dissimilarity.gram_source._MAX_VALUES", 1)
    small, _ = rdms_of(patterns, Patches.of_lists(lists, 300), n_threads=2, **keywords)
    assert one.tobytes() == small.tobytes()


@pytest.mark.parametrize("n_nan", [0, 12])
def test_measures_share_one_pass(n_nan):
    """Scores and RDMs of one pass are those of passes of their own, and of brute force."""
    grid, lists, _ = spheres(6)
    patterns = patterns_for("correlation", (grid.n_locations, 1, 6), n_nan)
    models = np.random.default_rng(7).random((2, 15))
    models[1, 3] = np.nan
    scores, writer = ModelScores(models, tuple(COMPARISONS)), RdmWriter()
    some = RdmWriter(centers=[5, 2, 11], rdms=np.zeros((3, 15), np.float32))
    counts = []
    searchlight(patterns, lists, [scores, writer, some], ignore_nan=True, on_progress=counts.append)
    assert sum(counts) == lists.n_centers
    for name, found in scores.scores.items():
        alone = ModelScores(models, (name,))
        searchlight(patterns, lists, [alone], ignore_nan=True)
        assert alone.scores[name].tobytes() == found.tobytes()
        for k in range(0, lists.n_centers, 9):
            same(found[:, k], compare(writer.rdms[k], models, name))
    assert some.rdms.dtype == np.float32
    np.testing.assert_array_equal(some.rdms, writer.rdms[[5, 2, 11]].astype(np.float32))


def test_rdms_go_to_a_file_that_is_mapped(tmp_path):
    grid, lists, _ = spheres(8)
    patterns = patterns_for("correlation", (grid.n_locations, 1, 5))
    mapped = np.lib.format.open_memmap(
        tmp_path / "rdms.npy", mode="w+", dtype=np.float64, shape=(lists.n_centers, 10)
    )
    searchlight(patterns, lists, [RdmWriter(rdms=mapped)])
    mapped.flush()
    assert np.load(tmp_path / "rdms.npy").tobytes() == rdms_of(patterns, lists)[0].tobytes()


def test_empty_and_small_patches_are_undefined():
    patches = Patches.of_lists([[], [0], [0, 1, 2], [3, 4, 5, 6]], 7)
    patterns = patterns_for("correlation", (7, 1, 4))
    rdms, sizes = rdms_of(patterns, patches, dissimilarity="euclidean", min_voxels=3)
    assert sizes.tolist() == [0, 1, 3, 4]
    assert np.isnan(rdms).all(axis=1).tolist() == [True, True, False, False]
    none, sizes = rdms_of(patterns, Patches.of_lists([], 7))
    assert (len(none), len(sizes)) == (0, 0)


def test_a_matrix_goes_with_one_patch_of_everything():
    patterns = patterns_for("correlation", (7, 1, 4))
    matrix = np.diag(np.arange(1.0, 8))
    whole, _ = rdms_of(patterns, Patches.whole(7), dissimilarity="mahalanobis",
                       params={"VI": matrix})  # fmt: skip
    same(whole[0], patch_rdm(patterns.transpose(1, 2, 0), "mahalanobis", False, {"VI": matrix}))
    with pytest.raises(ValueError, match="VI"):
        rdms_of(patterns, Patches.of_lists([[0, 1, 2]], 7), dissimilarity="mahalanobis",
                params={"VI": matrix})  # fmt: skip


@pytest.mark.parametrize(
    ("starts", "rows", "says"),
    [
        ([0, 2], [0, 1, 2], "number of rows"),
        ([1, 3], [0, 1, 2], "from 0"),
        ([0, 2, 1, 3], [0, 1, 2], "descend"),
        ([0, 3], [0, 1, 9], "5 patterns"),
        ([0, 3], [0, -1, 2], "5 patterns"),
    ],
)
def test_lists_that_are_none_are_refused(starts, rows, says):
    with pytest.raises(ValueError, match=says):
        Patches(np.array(starts), np.array(rows), 5)


def test_arrays_that_do_not_fit_are_refused():
    patches, patterns = Patches.whole(7), patterns_for("correlation", (7, 1, 4))
    with pytest.raises(ValueError, match="7 locations"):
        searchlight(patterns[:6], patches, [])
    with pytest.raises(ValueError, match="6 cells, the models have 5"):
        searchlight(patterns, patches, [ModelScores(np.arange(5.0))])
    with pytest.raises(ValueError, match="shape"):
        searchlight(patterns, patches, [RdmWriter(rdms=np.zeros((2, 6)))])
    with pytest.raises(ValueError, match="1 centres"):
        searchlight(patterns, patches, [RdmWriter(centers=[1])])


def test_a_planted_region_is_found():
    """Of twenty regions one holds the model's structure."""
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 20, 2000)
    kinds = np.repeat([0, 1], 4)
    patterns = rng.standard_normal((2000, 3, 8))
    patterns[labels == 13] += 0.6 * rng.standard_normal(((labels == 13).sum(), 1, 2))[..., kinds]
    model = (kinds[:, None] != kinds)[np.triu_indices(8, 1)].astype(float)
    regions = Patches.of_lists([np.flatnonzero(labels == k) for k in range(20)], 2000)
    for metric in GRAM:
        measure = ModelScores(model)
        searchlight(patterns, regions, [measure], dissimilarity=metric)
        scores = measure.scores["spearman"][0]
        assert scores.argmax() == 13
        assert scores[13] > 0.6


def test_spheres_of_an_isotropic_grid_have_the_known_size():
    mask = np.ones((9, 9, 9), bool)
    grid = sphere_rows(mask, mask, ISOTROPIC, 6.0)
    sizes = rdms_of(np.random.default_rng(0).random((729, 1, 3)), grid)[1]
    assert sizes.max() == 33
