"""The fast ways equal the definition, and rsatoolbox, at every centre looked at."""

import numpy as np
import pytest
from noise.noise_data import (
    DATASETS,
    PEER,
    NoiseData,
    deviations,
    peer_covariance,
    peer_rdm,
    simulated,
)

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.folds import center_conditions
from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.noise.covariance import noise_covariance
from bids_rsa.core.noise.definition import noise_rdm
from bids_rsa.core.noise.grams import ImageGrams
from bids_rsa.core.noise.model import noise_from_images, noise_from_residuals
from bids_rsa.core.noise.sources import choose_noise_source
from bids_rsa.core.noise.tiles import TileSource
from bids_rsa.core.searchlight import searchlight, searchlight_rsa


def patterns_of(data, n_folds):
    folds = data.folds if n_folds > 1 else data.folds.mean(axis=0, keepdims=True)
    return np.ascontiguousarray(folds.transpose(2, 0, 1))


def model_of(data, source, method, n_folds):
    if source == "residuals":
        rows = np.ascontiguousarray(data.residuals.T)
        return noise_from_residuals(rows, data.residual_run_of, data.dof, method)
    conditions = np.unique(data.condition_of, return_inverse=True)[1]
    folds = np.unique(data.run_of, return_inverse=True)[1] if n_folds > 1 else None
    return noise_from_images(
        np.ascontiguousarray(data.images.T), conditions, folds, method, source == "held out"
    )


def all_rdms(data, noise, metric, n_folds, min_voxels=1, ignore_nan=False, patterns=None):
    """RDMs (n_centers, n_cells), sizes and shrinkage of all centres, in the order of the mask."""
    patterns = patterns_of(data, n_folds) if patterns is None else patterns
    spheres = sphere_rows(data.mask, data.mask, data.affine, data.radius_mm)
    _, source = choose_noise_source(patterns, spheres, noise, metric, ignore_nan, min_voxels)
    writer, shrinkage = RdmWriter(), np.full(spheres.n_centers, np.nan)
    sizes = searchlight(
        patterns, spheres, [writer], dissimilarity=metric, ignore_nan=ignore_nan,
        min_voxels=min_voxels, noise=noise, shrinkage=shrinkage,
    )  # fmt: skip
    return writer.rdms, sizes, shrinkage, source


def near(data, center):
    points = np.argwhere(data.mask) @ data.affine[:3, :3].T
    distance = np.linalg.norm(points - points[center], axis=1)
    return np.flatnonzero(distance <= data.radius_mm * (1 + 1e-6))


def samples_of(data, source):
    return (data.residuals, data.dof) if source == "residuals" else deviations(data)


SMALL = {"shape": (6, 5, 6), "n_runs": 4, "n_conditions": 5, "n_volumes": 40}


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("method", ["none", *PEER])
@pytest.mark.parametrize(
    ("metric", "n_folds"),
    [(m, f) for m in ("correlation", "cosine", "euclidean", "sqeuclidean") for f in (1, 4)]
    + [("crossnobis", 4), ("mahalanobis", 1)],
)
def test_every_centre_equals_the_definition(metric, n_folds, method, source):
    data = simulated(**SMALL)
    noise = model_of(data, source, method, n_folds)
    if method == "full" and source == "images":
        with pytest.raises(ValueError, match=r"full noise covariance of .* voxels"):
            all_rdms(data, noise, metric, n_folds)
        return
    rdms, sizes, shrinkage, _ = all_rdms(data, noise, metric, n_folds)
    folds = patterns_of(data, n_folds).transpose(1, 2, 0)
    rows, dof = samples_of(data, source)
    assert np.isfinite(rdms).all()
    for center in range(0, len(rdms), 7):
        voxels = near(data, center)
        assert sizes[center] == len(voxels)
        wanted = noise_covariance(rows[:, voxels], dof, method)
        np.testing.assert_allclose(
            rdms[center],
            noise_rdm(folds[:, :, voxels], metric, wanted.matrix),
            rtol=1e-8,
            atol=1e-10,
        )
        np.testing.assert_allclose(shrinkage[center], wanted.shrinkage, atol=1e-11)
    # the same patches as lists, as those of regions and surfaces are
    lists, writer = [near(data, center) for center in range(len(rdms))], RdmWriter()
    searchlight(
        patterns_of(data, n_folds), Patches.of_lists(lists, len(lists)), [writer],
        dissimilarity=metric, noise=noise,
    )  # fmt: skip
    np.testing.assert_allclose(writer.rdms, rdms, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("method", ["none", *PEER])
@pytest.mark.parametrize("metric", ["crossnobis", "euclidean"])
def test_an_outlier_costs_no_digits(metric, method):
    data = simulated(**SMALL)
    noise = model_of(data, "residuals", method, 4)
    samples, dof = samples_of(data, "residuals")
    patterns = patterns_of(data, 4)
    middle = len(patterns) // 2
    patterns[middle, 1, 2] *= 1e9
    patterns[middle - 2, 2] += 2.0**30
    rdms = all_rdms(data, noise, metric, 4, patterns=patterns)[0]
    reached = [c for c in range(len(rdms)) if {middle, middle - 2} & set(near(data, c))]
    assert len(reached) > 20
    patterns[middle - 2, 2] -= 2.0**30  # exactly
    for center in reached[::5]:
        voxels = near(data, center)
        matrix = noise_covariance(samples[:, voxels], dof, method).matrix
        expected = noise_rdm(patterns[voxels].transpose(1, 2, 0), metric, matrix)
        np.testing.assert_allclose(rdms[center], expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("method", PEER)
@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("metric", ["crossnobis", "mahalanobis"])
def test_random_centres_equal_rsatoolbox(dataset, method, source, metric):
    data = DATASETS[dataset]()
    n_folds = len(np.unique(data.run_of)) if metric == "crossnobis" else 1
    noise = model_of(data, source, method, n_folds)
    largest = max(len(near(data, c)) for c in range(0, int(data.mask.sum()), 5))
    if method == "full" and noise.dof < largest:
        # patches small enough for as many degrees of freedom
        data = NoiseData(**{**vars(data), "radius_mm": data.radius_mm * 0.6})
    rdms, sizes, shrinkage, _ = all_rdms(data, noise, metric, n_folds, min_voxels=3)
    chosen = np.random.default_rng(7).choice(np.flatnonzero(sizes >= 3), 8, replace=False)
    for center in chosen:
        voxels = near(data, center)
        theirs = peer_covariance(data, voxels, source, method)
        np.testing.assert_allclose(
            rdms[center], peer_rdm(data, voxels, metric, theirs), rtol=1e-8, atol=1e-8
        )
        if method == "shrinkage":
            rows, dof = samples_of(data, source)
            plain = rows[:, voxels].T @ rows[:, voxels] / dof
            off = np.abs(plain - np.diag(np.diag(plain)))
            i, j = np.unravel_index(np.argmax(off), off.shape)
            assert shrinkage[center] == pytest.approx(1 - theirs[i, j] / plain[i, j], abs=1e-10)


def test_both_ways_are_taken_and_agree():
    data = simulated(**SMALL)
    noise = model_of(data, "images", "shrinkage", 4)
    grams, sizes, _, source = all_rdms(data, noise, "crossnobis", 4)
    assert isinstance(source, ImageGrams)
    large = NoiseData(**{**vars(data), "radius_mm": 3.0})
    assert isinstance(all_rdms(large, noise, "crossnobis", 4)[3], TileSource)
    _, _, _, tiles = all_rdms(data, noise, "correlation", 4)
    assert isinstance(tiles, TileSource)
    squares = all_rdms(data, noise, "sqeuclidean", 4)[0]
    np.testing.assert_allclose(squares / sizes[:, None], grams, rtol=1e-9)


@pytest.mark.parametrize("method", ["shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize("metric", ["crossnobis", "mahalanobis", "cosine"])
def test_unequal_numbers_of_images(metric, method):
    data = simulated(**SMALL)
    rng = np.random.default_rng(3)
    more = np.concatenate([np.arange(len(data.images)), rng.integers(0, len(data.images), 9)])
    more = rng.permutation(more)
    images = data.images[more] + rng.normal(size=(len(more), data.images.shape[1]))
    values = vars(data) | {
        "images": images, "condition_of": data.condition_of[more], "run_of": data.run_of[more],
    }  # fmt: skip
    data = NoiseData(**values)
    n_folds = 4 if metric == "crossnobis" else 1
    noise = model_of(data, "images", method, n_folds)
    patterns = patterns_of(data, 4)
    if n_folds == 1:
        means = [images[data.condition_of == c].mean(axis=0) for c in range(5)]
        patterns = np.ascontiguousarray(np.array(means).T[:, None])
    rdms, _, _, source = all_rdms(data, noise, metric, n_folds, patterns=patterns)
    assert isinstance(source, ImageGrams)
    rows, dof = deviations(data)
    for center in range(0, len(rdms), 11):
        voxels = near(data, center)
        covariance = noise_covariance(rows[:, voxels], dof, method).matrix
        folds = patterns[voxels].transpose(1, 2, 0)
        np.testing.assert_allclose(
            rdms[center], noise_rdm(folds, metric, covariance), rtol=1e-8, atol=1e-11
        )


@pytest.mark.parametrize("method", ["shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize("metric", ["cosine", "mahalanobis"])
def test_centred_patterns_are_those_compared(metric, method):
    """Images stay as they are, and the noise with them; spheres and lists agree."""
    data = simulated(**SMALL)
    noise = model_of(data, "images", method, 1)
    raw = patterns_of(data, 1)
    patterns = raw.copy()
    center_conditions(patterns)
    rdms, _, _, source = all_rdms(data, noise, metric, 1, patterns=patterns)
    assert isinstance(source, ImageGrams)
    lists = [near(data, center) for center in range(len(rdms))]
    writer = RdmWriter()
    searchlight(
        patterns, Patches.of_lists(lists, len(lists)), [writer], dissimilarity=metric, noise=noise
    )
    np.testing.assert_allclose(rdms, writer.rdms, rtol=1e-8, atol=1e-10)
    rows, dof = deviations(data)
    for center in range(0, len(rdms), 11):
        voxels = lists[center]
        covariance = noise_covariance(rows[:, voxels], dof, method).matrix
        wanted = noise_rdm(patterns[voxels].transpose(1, 2, 0), metric, covariance)
        np.testing.assert_allclose(rdms[center], wanted, rtol=1e-8, atol=1e-10)
    uncentred = all_rdms(data, noise, metric, 1, patterns=raw)[0]
    assert np.allclose(rdms, uncentred, rtol=1e-8) == (metric == "mahalanobis")


@pytest.mark.parametrize("share", [1.0, 0.999])
def test_a_covariance_that_is_nearly_the_target(share):
    data = simulated(**SMALL)
    rng = np.random.default_rng(4)
    white = rng.normal(size=data.images.shape)
    images = share * white + (1 - share) * data.images
    data = NoiseData(**{**vars(data), "images": images})
    noise = model_of(data, "images", "shrinkage", 4)
    rdms, _, shrinkage, source = all_rdms(data, noise, "crossnobis", 4)
    assert isinstance(source, ImageGrams)
    assert (shrinkage > 0.9).any()
    rows, dof = deviations(data)
    for center in range(0, len(rdms), 5):
        voxels = near(data, center)
        covariance = noise_covariance(rows[:, voxels], dof).matrix
        np.testing.assert_allclose(
            rdms[center], noise_rdm(data.folds[:, :, voxels], "crossnobis", covariance), atol=1e-11
        )


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("method", ["none", "diagonal", "shrinkage", "full"])
def test_the_same_bytes_for_any_number_of_threads(source, method):
    data = simulated(shape=(11, 10, 9), n_runs=4, n_conditions=5, n_volumes=60)
    noise = model_of(data, source, method, 4)
    if method == "full" and source == "images":
        pytest.skip("fewer images than voxels")
    models = np.random.default_rng(0).normal(size=(2, 10))
    given = (patterns_of(data, 4), data.mask, data.mask, data.affine, data.radius_mm, models)
    one, three = (
        searchlight_rsa(*given, dissimilarity="crossnobis", noise=noise, n_threads=n)
        for n in (1, 3)
    )
    assert one.scores["spearman"].tobytes() == three.scores["spearman"].tobytes()
    assert one.n_voxels.tobytes() == three.n_voxels.tobytes()
    assert one.shrinkage.tobytes() == three.shrinkage.tobytes()


def test_scores_are_those_of_the_rdms():
    data = simulated(**SMALL)
    noise = model_of(data, "residuals", "shrinkage", 4)
    models = np.random.default_rng(0).normal(size=(2, 10))
    found = searchlight_rsa(
        patterns_of(data, 4), data.mask, data.mask, data.affine, data.radius_mm, models,
        dissimilarity="crossnobis", comparisons=("spearman", "pearson"), noise=noise,
    )  # fmt: skip
    rdms, sizes, shrinkage, _ = all_rdms(data, noise, "crossnobis", 4)
    np.testing.assert_array_equal(found.n_voxels, sizes)
    np.testing.assert_array_equal(found.shrinkage, shrinkage)
    for name in ("spearman", "pearson"):
        wanted = np.array([compare(rdm, models, name) for rdm in rdms]).T
        np.testing.assert_allclose(found.scores[name], wanted, atol=1e-12)


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("method", ["none", "diagonal", "shrinkage"])
def test_patches_as_lists_equal_spheres(source, method):
    data = simulated(**SMALL)
    noise = model_of(data, source, method, 4)
    spheres = all_rdms(data, noise, "crossnobis", 4)
    lists = [near(data, center) for center in range(int(data.mask.sum()))]
    writer, shrinkage = RdmWriter(), np.full(len(lists), np.nan)
    sizes = searchlight(
        patterns_of(data, 4), Patches.of_lists(lists, len(lists)), [writer],
        dissimilarity="crossnobis", noise=noise, shrinkage=shrinkage,
    )  # fmt: skip
    np.testing.assert_array_equal(sizes, spheres[1])
    np.testing.assert_allclose(writer.rdms, spheres[0], rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(shrinkage, spheres[2], atol=1e-11)


def test_one_patch_of_all_voxels():
    data = simulated(**SMALL)
    noise = model_of(data, "images", "shrinkage", 4)
    models = np.random.default_rng(0).normal(size=(1, 10))
    found = searchlight_rsa(
        patterns_of(data, 4), data.mask, data.mask, data.affine, None, models,
        dissimilarity="crossnobis", comparisons=("pearson",), noise=noise,
    )  # fmt: skip
    rows, dof = deviations(data)
    wanted = noise_covariance(rows, dof)
    rdm = noise_rdm(data.folds, "crossnobis", wanted.matrix)
    np.testing.assert_allclose(found.scores["pearson"][0, 0], compare(rdm, models, "pearson")[0])
    assert found.shrinkage[0] == pytest.approx(wanted.shrinkage)


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("method", PEER)
def test_voxels_without_noise_leave_every_patch(source, method):
    data = simulated(**SMALL)
    dead = np.random.default_rng(5).random(data.images.shape[1]) < 0.15
    images, residuals = data.images.copy(), data.residuals.copy()
    images[:, dead], residuals[:, dead] = 3.7, 0.0
    data = NoiseData(**{**vars(data), "images": images, "residuals": residuals})
    noise = model_of(data, source, method, 4)
    if method == "full" and source == "images":
        return
    rdms, sizes, _, _ = all_rdms(data, noise, "crossnobis", 4)
    rows, dof = samples_of(data, source)
    for center in range(0, len(rdms), 9):
        voxels = near(data, center)
        voxels = voxels[~dead[voxels]]
        assert sizes[center] == len(voxels)
        covariance = noise_covariance(rows[:, voxels], dof, method).matrix
        wanted = noise_rdm(data.folds[:, :, voxels], "crossnobis", covariance)
        np.testing.assert_allclose(rdms[center], wanted, rtol=1e-8, atol=1e-10)


def test_missing_values():
    data = simulated(**SMALL)
    patterns = patterns_of(data, 4).copy()
    bad = 60
    patterns[bad, 1, 2] = np.nan
    noise = model_of(data, "residuals", "shrinkage", 4)
    plain, _, _, _ = all_rdms(data, noise, "crossnobis", 4, patterns=patterns)
    holding = np.array([bad in near(data, c) for c in range(len(plain))])
    np.testing.assert_array_equal(np.isnan(plain).all(axis=1), holding)
    assert np.isfinite(plain[~holding]).all()
    left_out, sizes, _, _ = all_rdms(
        data, noise, "crossnobis", 4, patterns=patterns, ignore_nan=True
    )
    assert np.isfinite(left_out).all()
    center = int(np.flatnonzero(holding)[0])
    voxels = near(data, center)
    voxels = voxels[voxels != bad]
    assert sizes[center] == len(voxels)
    covariance = noise_covariance(data.residuals[:, voxels], data.dof).matrix
    wanted = noise_rdm(data.folds[:, :, voxels], "crossnobis", covariance)
    np.testing.assert_allclose(left_out[center], wanted, rtol=1e-8)


def test_residuals_may_be_a_memory_map(tmp_path):
    data = simulated(**SMALL)
    rows = np.ascontiguousarray(data.residuals.T, dtype=np.float32)
    np.save(tmp_path / "residuals.npy", rows)
    mapped = np.load(tmp_path / "residuals.npy", mmap_mode="r")
    a, b = (
        all_rdms(data, noise_from_residuals(r, data.residual_run_of), "crossnobis", 4)[0]
        for r in (rows, mapped)
    )
    assert a.tobytes() == b.tobytes()


def test_what_does_not_fit_is_refused():
    data = simulated(**SMALL)
    rows = np.ascontiguousarray(data.residuals.T)
    noise = noise_from_residuals(rows, data.residual_run_of)
    models = np.zeros((1, 10))
    given = (data.mask, data.mask, data.affine, data.radius_mm, models)
    patterns = patterns_of(data, 4)

    def search(patterns, metric, noise):
        searchlight_rsa(patterns, *given, dissimilarity=metric, noise=noise)

    for call, text in (
        (lambda: noise_from_residuals(rows, dof=0), "must be above 0, not 0"),
        (lambda: noise_from_residuals(rows, dof=-3.0), "must be above 0, not -3"),
        (lambda: noise_from_residuals(rows, np.zeros(3)), "one entry for each of 160"),
        (lambda: noise_from_residuals(rows.astype(int)), "float32 or float64"),
        (lambda: noise_from_images(rows[:, :5], np.arange(5)), "no degrees of freedom"),
        (lambda: search(patterns, "crossnobis", noise_from_residuals(rows[:-1])), "same voxels"),
        (lambda: search(patterns[:, :1], "crossnobis", noise), "at least two folds"),
        (lambda: search(patterns[:, :1], "crossnobis", None), "at least two folds"),
        (lambda: search(patterns, "mahalanobis", noise), "with folds use crossnobis"),
        (lambda: search(patterns, "cityblock", noise), "takes no noise covariance"),
        (
            lambda: search(patterns, "crossnobis", model_of(data, "images", "shrinkage", 1)),
            "each fold needs an image of each condition",
        ),
        (
            lambda: search(
                patterns, "crossnobis", noise_from_residuals(rows, dof=9, method="full")
            ),
            "full noise covariance of .* voxels cannot be inverted with 9",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            call()


@pytest.mark.parametrize("metric", ["correlation", "mahalanobis"])
def test_a_patch_whose_full_covariance_is_singular_is_undefined_and_no_other(metric):
    """Two voxels with the same residuals, as nearest-neighbour resampling makes them."""
    data = simulated(shape=(7, 6, 6), n_runs=3, n_conditions=5, n_volumes=120)
    twins = [40, 41]
    data.residuals[:, twins[1]] = data.residuals[:, twins[0]]
    rdms, *_ = all_rdms(data, model_of(data, "residuals", "full", 1), metric, 1)
    both = np.array([np.isin(twins, near(data, center)).all() for center in range(len(rdms))])
    assert 0 < both.sum() < len(both)
    np.testing.assert_array_equal(np.isnan(rdms).all(axis=1), both)
    assert np.isfinite(rdms[~both]).all()
