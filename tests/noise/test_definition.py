"""The plain definitions: equal to rsatoolbox, unbiased, whitened as they say."""

import numpy as np
import pytest
from noise.noise_data import (
    DATASETS,
    PEER,
    deviations,
    fmriprep,
    peer_covariance,
    peer_rdm,
    simulated,
)

from bids_rsa.core.noise.covariance import METHODS, noise_covariance
from bids_rsa.core.noise.definition import crossnobis, mahalanobis, noise_rdm, whiten


def samples_of(data, source):
    return (data.residuals, data.dof) if source == "residuals" else deviations(data)


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("method", PEER)
@pytest.mark.parametrize("dataset", DATASETS)
def test_covariance_and_distances_equal_rsatoolbox(dataset, method, source):
    data = DATASETS[dataset]()
    rows, dof = samples_of(data, source)
    n_compared = 0
    for voxels in data.patches(12):
        if method == "full" and len(voxels) > dof:
            continue
        covariance = noise_covariance(rows[:, voxels], dof, method).matrix
        wanted = peer_covariance(data, voxels, source, method)
        np.testing.assert_allclose(covariance, wanted, rtol=1e-9, atol=1e-10 * np.abs(wanted).max())
        folds = data.folds[:, :, voxels]
        for metric, found in (
            ("crossnobis", crossnobis(folds, covariance)),
            ("mahalanobis", mahalanobis(folds.mean(axis=0), covariance)),
        ):
            np.testing.assert_allclose(
                found, peer_rdm(data, voxels, metric, wanted), rtol=1e-8, atol=1e-8
            )
        n_compared += 1
    assert n_compared >= 6


@pytest.mark.parametrize("source", ["residuals", "images"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_shrinkage_intensity_equals_rsatoolbox(dataset, source):
    data = DATASETS[dataset]()
    rows, dof = samples_of(data, source)
    for voxels in data.patches(12):
        found = noise_covariance(rows[:, voxels], dof, "shrinkage")
        theirs = peer_covariance(data, voxels, source, "shrinkage")
        # off-diagonal entries are (1 - lambda) of the sample covariance's
        plain = rows[:, voxels].T @ rows[:, voxels] / dof
        i, j = np.unravel_index(np.argmax(np.abs(plain - np.diag(np.diag(plain)))), plain.shape)
        assert found.shrinkage == pytest.approx(1 - theirs[i, j] / plain[i, j], abs=1e-10)
        assert 0 <= found.shrinkage <= 1


def test_the_glm_of_real_bold_gives_the_recorded_numbers():
    data = fmriprep()
    assert data.dof == 1224
    covariance = noise_covariance(data.residuals, data.dof, "shrinkage")
    rdm = crossnobis(data.folds, covariance.matrix)
    np.testing.assert_allclose(rdm[:3], [0.02693, 0.02188, 0.01704], atol=5e-6)
    assert rdm.min() == pytest.approx(0.0119, abs=5e-5)


def test_crossnobis_is_the_mean_over_pairs_of_runs():
    data = simulated()
    voxels = next(data.patches(1))
    folds = data.folds[:, :, voxels]
    inverse = np.linalg.inv(noise_covariance(data.residuals[:, voxels], data.dof).matrix)
    i, j = np.triu_indices(folds.shape[1], 1)
    differences = folds[:, i] - folds[:, j]
    products = np.einsum("rcp,pq,scq->rsc", differences, inverse, differences)
    off = ~np.eye(len(folds), dtype=bool)
    wanted = products[off].mean(axis=0) / len(voxels)
    found = noise_rdm(folds, "crossnobis", np.linalg.inv(inverse))
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_without_noise_covariance_crossnobis_is_squared_euclidean_by_voxels():
    from bids_rsa import compute_dsm, compute_dsm_cv

    folds = simulated().folds[:, :, :50]
    np.testing.assert_allclose(crossnobis(folds), compute_dsm_cv(folds, "sqeuclidean") / 50)
    np.testing.assert_allclose(mahalanobis(folds[0]), compute_dsm(folds[0], "sqeuclidean") / 50)
    np.testing.assert_allclose(
        noise_rdm(folds, "crossnobis", noise_covariance(np.eye(50), 1, "none").matrix),
        crossnobis(folds),
    )


def test_whitened_residuals_are_uncorrelated_and_the_root_is_symmetric():
    data = simulated()
    voxels = next(data.patches(1, min_voxels=20))
    rows = data.residuals[:, voxels]
    white = whiten(rows, noise_covariance(rows, data.dof, "full").matrix)
    np.testing.assert_allclose(white.T @ white / data.dof, np.eye(len(voxels)), atol=1e-9)
    order = np.random.default_rng(1).permutation(len(voxels))
    turned = whiten(rows[:, order], noise_covariance(rows[:, order], data.dof, "full").matrix)
    np.testing.assert_allclose(turned, white[:, order], atol=1e-8)


@pytest.mark.parametrize("method", PEER)
def test_squared_euclidean_of_whitened_patterns_is_mahalanobis(method):
    data = simulated()
    voxels = next(data.patches(1))
    covariance = noise_covariance(data.residuals[:, voxels], data.dof, method).matrix
    folds, n_voxels = data.folds[:, :, voxels], len(voxels)
    np.testing.assert_allclose(
        noise_rdm(folds, "sqeuclidean", covariance) / n_voxels,
        noise_rdm(folds, "crossnobis", covariance), rtol=1e-8, atol=1e-10,
    )  # fmt: skip
    np.testing.assert_allclose(
        noise_rdm(folds[:1], "sqeuclidean", covariance) / n_voxels,
        noise_rdm(folds[:1], "mahalanobis", covariance), rtol=1e-8,
    )  # fmt: skip


@pytest.mark.parametrize("metric", ["correlation", "cosine", "crossnobis"])
def test_the_order_of_voxels_does_not_matter(metric):
    data = simulated()
    voxels = next(data.patches(1, min_voxels=20))
    order = np.random.default_rng(2).permutation(voxels)
    a, b = (
        noise_rdm(
            data.folds[:, :, v], metric, noise_covariance(data.residuals[:, v], data.dof).matrix
        )
        for v in (voxels, order)
    )
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def test_bad_input_is_refused():
    rows = np.random.default_rng(0).normal(size=(10, 4))
    for given, text in (
        ((rows, 0), "must be above 0"),
        ((rows, np.nan), "must be above 0"),
        ((rows, 9, "ledoit"), "unknown noise estimator"),
        ((rows[:, 0], 9), "not of shape"),
        ((rows * [1, 1, 1, 0], 9), "all 0"),
        ((np.where(rows > 2, np.nan, rows) * np.nan, 9), "not finite"),
        ((rows[:3], 2, "full"), "full noise covariance of 4 voxels"),
    ):
        with pytest.raises(ValueError, match=text):
            noise_covariance(*given)
    folds = np.random.default_rng(0).normal(size=(2, 3, 4))
    for call, text in (
        (lambda: crossnobis(folds[:1]), "at least two folds"),
        (lambda: crossnobis(folds, np.eye(3)), r"must be \(4, 4\)"),
        (lambda: crossnobis(folds, -np.eye(4)), "not positive definite"),
        (lambda: whiten(folds, np.ones((4, 4))), "not positive definite"),
        (lambda: noise_rdm(folds, "mahalanobis", np.eye(4)), "use crossnobis"),
        (lambda: noise_rdm(folds, "cityblock", np.eye(4)), "takes no noise covariance"),
    ):
        with pytest.raises(ValueError, match=text):
            call()
    assert set(METHODS) == {"none", *PEER}
