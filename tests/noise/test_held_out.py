"""Noise from images whose fold is left out: equal to the definition, and without bias."""

import numpy as np
import pytest
from noise.noise_data import DATASETS, PEER, NoiseData, peer_dataset, simulated
from noise.test_noise_searchlight import SMALL, all_rdms, model_of, near, patterns_of

from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.core.noise import sources
from bids_rsa.core.noise.covariance import noise_covariance
from bids_rsa.core.noise.definition import noise_rdm
from bids_rsa.core.noise.held_out_grams import HeldOutGrams
from bids_rsa.core.noise.model import noise_from_images
from bids_rsa.core.noise.tiles import TileSource
from bids_rsa.core.searchlight import searchlight, searchlight_rsa

N_FOLDS = 4


def without(data, run, voxels):
    """Deviations of the other runs' images from their own means of conditions, and their dof."""
    kept = data.run_of != run
    images, names = data.images[kept][:, voxels], data.condition_of[kept]
    means = {name: images[names == name].mean(axis=0) for name in set(names.tolist())}
    return images - np.array([means[n] for n in names.tolist()]), float(len(names) - len(means))


def defined(data, voxels, metric, method, folds=None):
    """Mean over runs of the RDM of the run and the mean of the others, by their covariance."""
    folds = data.folds if folds is None else folds
    rooted = metric == "euclidean"
    found, amounts = [], []
    for number, run in enumerate(np.unique(data.run_of)):
        rows, dof = without(data, run, voxels)
        covariance = noise_covariance(rows, dof, method)
        both = np.stack([np.delete(folds, number, axis=0).mean(axis=0), folds[number]])
        part = noise_rdm(both[:, :, voxels], "sqeuclidean" if rooted else metric, covariance.matrix)
        found.append(part)
        amounts.append(covariance.shrinkage)
    mean = np.mean(found, axis=0)
    return np.sign(mean) * np.sqrt(np.abs(mean)) if rooted else mean, float(np.mean(amounts))


@pytest.mark.parametrize("method", ["none", "diagonal", "shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize(
    "metric", ["crossnobis", "sqeuclidean", "euclidean", "correlation", "cosine"]
)
def test_every_centre_equals_the_definition(metric, method):
    data = simulated(**SMALL)
    noise = model_of(data, "held out", method, N_FOLDS)
    rdms, sizes, shrinkage, _ = all_rdms(data, noise, metric, N_FOLDS)
    assert np.isfinite(rdms).all()
    for center in range(0, len(rdms), 7):
        voxels = near(data, center)
        assert sizes[center] == len(voxels)
        rdm, amount = defined(data, voxels, metric, method)
        np.testing.assert_allclose(rdms[center], rdm, rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(shrinkage[center], amount, atol=1e-11)


@pytest.mark.parametrize("method", ["diagonal", "shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_random_centres_equal_covariances_of_rsatoolbox(dataset, method):
    from rsatoolbox.data.noise import cov_from_unbalanced

    data = DATASETS[dataset]()
    runs, names = np.unique(data.run_of), np.unique(data.condition_of)
    noise = model_of(data, "held out", method, len(runs))
    rdms = all_rdms(data, noise, "crossnobis", len(runs))[0]
    i, j = np.triu_indices(len(names), 1)
    for center in np.random.default_rng(1).choice(len(rdms), 6, replace=False):
        voxels = near(data, center)
        if len(voxels) < 3:
            continue
        wanted = np.zeros(len(i))
        for number, run in enumerate(runs):
            others = peer_dataset(data, voxels).subset_obs("run", [r for r in runs if r != run])
            inverse = np.linalg.inv(
                cov_from_unbalanced(others, obs_desc="condition", method=PEER[method])
            )
            folds = data.folds[:, :, voxels]
            train = np.delete(folds, number, axis=0).mean(axis=0)
            one, other = train[i] - train[j], folds[number][i] - folds[number][j]
            wanted += np.einsum("cv,vw,cw->c", one, inverse, other) / len(voxels) / len(runs)
        np.testing.assert_allclose(rdms[center], wanted, rtol=1e-8, atol=1e-8)


def test_each_way_is_taken_and_all_agree(monkeypatch):
    data = simulated(**SMALL)
    noise = model_of(data, "held out", "shrinkage", N_FOLDS)
    grams, sizes, shrinkage, source = all_rdms(data, noise, "crossnobis", N_FOLDS)
    assert all(isinstance(one, HeldOutGrams) for one in source._sources)
    monkeypatch.setattr(sources, "MOST_BYTES", 0)
    tiles, _, of_tiles, source = all_rdms(data, noise, "crossnobis", N_FOLDS)
    assert all(isinstance(one, TileSource) for one in source._sources)
    np.testing.assert_allclose(grams, tiles, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shrinkage, of_tiles, atol=1e-11)
    lists = Patches.of_lists([near(data, c) for c in range(len(grams))], len(grams))
    writer = RdmWriter()
    patterns = patterns_of(data, N_FOLDS)
    found = searchlight(patterns, lists, [writer], dissimilarity="crossnobis", noise=noise)
    np.testing.assert_array_equal(found, sizes)
    np.testing.assert_allclose(writer.rdms, grams, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_folds", [2, 3])
def test_unequal_numbers_of_images_and_folds_of_several_runs(n_folds):
    data = simulated(**SMALL)
    rng = np.random.default_rng(3)
    more = np.concatenate([np.arange(len(data.images)), rng.integers(0, len(data.images), 9)])
    more = rng.permutation(more)
    images = data.images[more] + rng.normal(size=(len(more), data.images.shape[1]))
    folds = data.run_of[more] * n_folds // 4
    values = {"images": images, "condition_of": data.condition_of[more], "run_of": folds}
    data = NoiseData(**(vars(data) | values))
    noise = model_of(data, "held out", "shrinkage", n_folds)
    rdms = all_rdms(data, noise, "crossnobis", n_folds)[0]
    for center in range(0, len(rdms), 11):
        wanted = defined(data, near(data, center), "crossnobis", "shrinkage")[0]
        np.testing.assert_allclose(rdms[center], wanted, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("method", ["diagonal", "shrinkage"])
def test_the_same_bytes_for_any_number_of_threads(method):
    data = simulated(shape=(11, 10, 9), n_runs=4, n_conditions=5, n_volumes=60)
    noise = model_of(data, "held out", method, N_FOLDS)
    models = np.random.default_rng(0).normal(size=(2, 10))
    one, three = (
        searchlight_rsa(
            patterns_of(data, N_FOLDS), data.mask, data.mask, data.affine, data.radius_mm, models,
            dissimilarity="crossnobis", noise=noise, n_threads=n,
        )
        for n in (1, 3)
    )  # fmt: skip
    assert one.scores["spearman"].tobytes() == three.scores["spearman"].tobytes()
    assert one.shrinkage.tobytes() == three.shrinkage.tobytes()


def test_a_large_pattern_that_all_conditions_share_changes_nothing():
    data = simulated(**SMALL)
    noise = model_of(data, "held out", "shrinkage", N_FOLDS)
    plain = all_rdms(data, noise, "crossnobis", N_FOLDS)[0]
    shared = 1e4 * np.random.default_rng(0).normal(size=data.images.shape[1])
    data = NoiseData(**(vars(data) | {"images": data.images + shared}))
    noise = model_of(data, "held out", "shrinkage", N_FOLDS)
    np.testing.assert_allclose(
        all_rdms(data, noise, "crossnobis", N_FOLDS)[0], plain, rtol=1e-7, atol=1e-9
    )


def test_voxels_that_vary_in_one_fold_alone_leave_every_patch():
    data = simulated(**SMALL)
    dead = np.random.default_rng(5).random(data.images.shape[1]) < 0.15
    images = data.images.copy()
    images[np.ix_(data.run_of != 2, dead)] = 3.7
    images[0, np.flatnonzero(~dead)[3]] = np.nan
    data = NoiseData(**(vars(data) | {"images": images}))
    noise = model_of(data, "held out", "shrinkage", N_FOLDS)
    dead[np.flatnonzero(~dead)[3]] = True
    rdms, sizes, _, _ = all_rdms(data, noise, "crossnobis", N_FOLDS)
    for center in range(0, len(rdms), 9):
        voxels = near(data, center)
        voxels = voxels[~dead[voxels]]
        assert sizes[center] == len(voxels)
        wanted = defined(data, voxels, "crossnobis", "shrinkage")[0]
        np.testing.assert_allclose(rdms[center], wanted, rtol=1e-8, atol=1e-10)


def test_one_fold_needs_nothing_held_out():
    data = simulated(**SMALL)
    for metric in ("mahalanobis", "correlation"):
        held, pooled = (
            all_rdms(data, model_of(data, source, "shrinkage", 1), metric, 1)[0]
            for source in ("held out", "images")
        )
        np.testing.assert_array_equal(held, pooled)


def test_folds_that_cannot_be_held_out_are_refused():
    data = simulated(**SMALL)
    rows, runs = np.ascontiguousarray(data.images.T), data.run_of
    two = runs < 2
    with pytest.raises(ValueError, match="without one of the folds no condition has two images"):
        noise_from_images(np.ascontiguousarray(rows[:, two]), data.condition_of[two], runs[two])
    noise_from_images(np.ascontiguousarray(rows[:, two]), data.condition_of[two], runs[two] * 0)
    noise_from_images(rows, data.condition_of, runs // 2)  # two images of each condition in a fold


def additive_residuals(images, conditions, runs):
    """Images without their least-squares fit by conditions and runs, and the rank of the fit."""
    design = np.concatenate([x[:, None] == np.unique(x) for x in (conditions, runs)], axis=1)
    fit, _, rank, _ = np.linalg.lstsq(design.astype(float), images, rcond=None)
    return images - design @ fit, rank


@pytest.mark.parametrize("method", ["diagonal", "shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("n_folds", [1, N_FOLDS])
@pytest.mark.parametrize("balanced", [True, False])
def test_noise_of_centred_patterns_is_without_what_runs_share(balanced, n_folds, metric, method):
    data = simulated(**SMALL)
    runs, conditions = data.run_of, data.condition_of
    images = data.images + np.random.default_rng(1).normal(size=(4, 1)).repeat(5, axis=0) * 3
    if not balanced:  # two images of some conditions in some runs
        more = np.concatenate([np.arange(len(runs)), [0, 3, 8, 14]])
        extra = np.random.default_rng(2).normal(size=(4, images.shape[1]))
        images = images[more] + np.concatenate([np.zeros_like(data.images), extra])
        runs, conditions = runs[more], conditions[more]
    data = NoiseData(
        **(vars(data) | {"images": images, "run_of": runs, "condition_of": conditions})
    )
    noise = noise_from_images(
        np.ascontiguousarray(images.T), conditions, runs if n_folds > 1 else None, method,
        run_of=runs,
    )  # fmt: skip
    patterns = patterns_of(data, n_folds)
    patterns = patterns - patterns.mean(axis=2, keepdims=True)
    rdms = all_rdms(data, noise, metric, n_folds, patterns=patterns)[0]
    for center in range(0, len(rdms), 19):
        voxels, wanted = near(data, center), []
        folds = patterns[voxels].transpose(1, 2, 0)
        for fold in range(n_folds):
            kept = runs != fold if n_folds > 1 else runs == runs
            rows, rank = additive_residuals(images[kept], conditions[kept], runs[kept])
            matrix = noise_covariance(rows[:, voxels], len(rows) - rank, method).matrix
            both = folds
            if n_folds > 1:
                both = np.stack([np.delete(folds, fold, axis=0).mean(axis=0), folds[fold]])
            wanted.append(noise_rdm(both, metric, matrix))
        np.testing.assert_allclose(rdms[center], np.mean(wanted, axis=0), rtol=1e-8, atol=1e-10)


def correlated(n_voxels, strength):
    distance = np.abs(np.subtract.outer(np.arange(n_voxels), np.arange(n_voxels)))
    return np.linalg.cholesky(strength**distance).T


@pytest.mark.parametrize("method", ["diagonal", "shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize(
    ("strength", "n_runs", "n_images"),
    [
        (0.5, 6, [1, 1, 1, 1, 1, 1]),
        (0.5, 6, [1, 1, 1, 4, 4, 4]),  # unequal repeats
        (0.95, 6, [1, 1, 1, 1, 1, 1]),  # strongly correlated voxels
        (0.5, 3, [1, 1, 1, 1, 1, 1]),  # runs are missing; as few images as can be
        (0.5, 2, [2, 2, 2, 2, 3, 3]),  # two folds, in each several images of a condition
    ],
)
def test_noise_alone_has_mean_zero(method, strength, n_runs, n_images):
    n_voxels, n_patches = 30, 400
    rng, root = np.random.default_rng(17), correlated(n_voxels, strength)
    runs = np.repeat(np.arange(n_runs), sum(n_images))
    conditions = np.tile(np.repeat(np.arange(len(n_images)), n_images), n_runs)
    images = (rng.normal(size=(n_patches, len(runs), n_voxels)) @ root).transpose(0, 2, 1)
    rows = np.ascontiguousarray(images.reshape(-1, len(runs)))
    patterns = np.stack(
        [
            [rows[:, (runs == r) & (conditions == c)].mean(axis=1) for c in range(len(n_images))]
            for r in range(n_runs)
        ]
    )
    lists = np.arange(len(rows)).reshape(n_patches, n_voxels)
    means, differences = {}, {}
    for held_out in (True, False):
        writer = RdmWriter()
        searchlight(
            np.ascontiguousarray(patterns.transpose(2, 0, 1)), Patches.of_lists(lists, len(rows)),
            [writer], dissimilarity="crossnobis",
            noise=noise_from_images(rows, conditions, runs, method, held_out),
        )  # fmt: skip
        means[held_out] = writer.rdms.mean(axis=1)
        few = np.array([i < 3 and j < 3 for i, j in zip(*np.triu_indices(6, 1), strict=True)])
        differences[held_out] = writer.rdms[:, few].mean(axis=1) - writer.rdms[:, ~few].mean(axis=1)

    def ratio(values):
        return values.mean() / (values.std(ddof=1) / np.sqrt(n_patches))

    assert abs(ratio(means[True])) < 3
    # nor does any kind of pair stand out: within few, within many, and between
    assert abs(ratio(differences[True])) < 3
    if method != "diagonal":
        assert ratio(means[False]) > 10  # what one covariance of all images does


def test_spheres_of_a_grid_have_mean_zero_too():
    data = simulated(n_runs=4, n_conditions=6, shape=(14, 14, 14))
    rng = np.random.default_rng(8)
    images = rng.normal(size=data.images.shape)
    data = NoiseData(**(vars(data) | {"images": images + np.roll(images, 1, axis=1)}))
    centers = np.zeros_like(data.mask)
    centers[2::5, 2::5, 2::5] = data.mask[2::5, 2::5, 2::5]
    writer = RdmWriter()
    spheres = sphere_rows(data.mask, centers, data.affine, data.radius_mm)
    noise = model_of(data, "held out", "shrinkage", 4)
    searchlight(patterns_of(data, 4), spheres, [writer], dissimilarity="crossnobis", noise=noise)
    means = writer.rdms.mean(axis=1)
    assert abs(means.mean()) < 3 * means.std(ddof=1) / np.sqrt(len(means))
