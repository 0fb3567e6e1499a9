"""What noise normalisation is for: no bias where nothing differs, and effects that others miss."""

import numpy as np
import pytest

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.dissimilarity.rdms import compute_rdm
from bids_rsa.core.noise.covariance import noise_covariance
from bids_rsa.core.noise.definition import crossnobis

N_VOXELS = 30


def correlated(strength):
    """A root of a covariance whose neighbouring voxels correlate by so much."""
    distance = np.abs(np.subtract.outer(np.arange(N_VOXELS), np.arange(N_VOXELS)))
    return np.linalg.cholesky(strength**distance).T


def noise_only(rng, n_runs, n_images, root):
    """Means of runs and conditions, (n_runs, n_conditions, n_voxels), of unequally many images."""
    white = rng.normal(size=(n_runs, len(n_images), N_VOXELS))
    return white @ root / np.sqrt(n_images)[:, None]


@pytest.mark.parametrize("method", ["diagonal", "shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize(
    ("strength", "n_runs", "n_images", "n_residuals"),
    [
        (0.5, 6, [1, 1, 1, 1, 1, 1], 200),
        (0.5, 6, [1, 1, 1, 4, 4, 4], 200),  # unequal repeats
        (0.95, 6, [1, 1, 1, 1, 1, 1], 200),  # strongly correlated voxels
        (0.5, 2, [1, 1, 1, 1, 1, 1], 200),  # runs that lack a condition are left out
        (0.5, 6, [1, 1, 1, 1, 1, 1], 12),  # fewer residuals than voxels
    ],
)
def test_noise_alone_has_mean_zero(method, strength, n_runs, n_images, n_residuals):
    rng, root = np.random.default_rng(11), correlated(strength)
    cells = []
    for _ in range(300):
        residuals = rng.normal(size=(n_residuals, N_VOXELS)) @ root
        residuals -= residuals.mean(axis=0)
        covariance = noise_covariance(residuals, n_residuals - 1, method).matrix
        cells.append(crossnobis(noise_only(rng, n_runs, n_images, root), covariance))
    cells = np.array(cells)
    means = cells.mean(axis=1)
    assert abs(means.mean()) < 3 * means.std(ddof=1) / np.sqrt(len(means))
    # nor does any kind of pair stand out: within few, within many, and between
    few = np.array([i < 3 and j < 3 for i, j in zip(*np.triu_indices(6, 1), strict=True)])
    difference = cells[:, few].mean(axis=1) - cells[:, ~few].mean(axis=1)
    assert abs(difference.mean()) < 3.5 * difference.std(ddof=1) / np.sqrt(len(cells))


def test_noise_from_the_images_themselves_is_biased_and_so_the_app_warns():
    rng, root = np.random.default_rng(12), correlated(0.5)
    means = []
    for _ in range(100):
        folds = noise_only(rng, 6, [1] * 6, root)
        deviations = (folds - folds.mean(axis=0)).reshape(-1, N_VOXELS)
        covariance = noise_covariance(deviations, len(deviations) - 6).matrix
        means.append(crossnobis(folds, covariance).mean())
    assert np.mean(means) > 10 * np.std(means, ddof=1) / np.sqrt(len(means))


def test_a_planted_effect_in_correlated_noise_is_found_by_crossnobis_only():
    # the effect lies where noise is small: in differences between neighbours, under a large
    # noise that neighbours share
    rng, root = np.random.default_rng(13), correlated(0.97)
    features = rng.normal(size=(8, 2))
    axes = np.where(np.arange(N_VOXELS) % 2, 1.0, -1.0) * rng.normal(size=(2, N_VOXELS)).clip(-1, 1)
    signal = 0.06 * features @ axes
    model = compute_rdm(features, "sqeuclidean")
    found = {"crossnobis": [], "correlation": []}
    for _ in range(40):
        folds = signal + rng.normal(size=(6, 8, N_VOXELS)) @ root
        residuals = rng.normal(size=(240, N_VOXELS)) @ root
        covariance = noise_covariance(residuals - residuals.mean(axis=0), 239).matrix
        rdms = {
            "crossnobis": crossnobis(folds, covariance),
            "correlation": compute_rdm(folds.mean(axis=0), "correlation"),
        }
        for name, rdm in rdms.items():
            found[name].append(compare(rdm, model, "spearman")[0])
    assert np.mean(found["crossnobis"]) > 0.5
    assert np.mean(found["correlation"]) < 0.2
