"""Reliability of RDMs with noise normalisation, through the app, against the definition."""

import nibabel as nib
import numpy as np
import pytest
from noise import test_app
from scipy import stats

from bids_rsa.core.noise.covariance import noise_covariance
from bids_rsa.core.noise.definition import crossnobis, mahalanobis

NAMES = test_app.NAMES


def rho_a(a, b):
    n = len(a)
    x, y = (stats.rankdata(v) - (n + 1) / 2 for v in (a, b))
    return 12 * (x @ y) / (n**3 - n)


def left(folds):
    """Deviations (n, n_voxels) of folds (n_folds, n_conditions, n_voxels) from their means."""
    rows = (folds - folds.mean(axis=0)).reshape(-1, folds.shape[2])
    return rows, (len(folds) - 1) * folds.shape[1]


def held_out(folds):
    parts = []
    for fold in range(len(folds)):
        others = np.delete(folds, fold, axis=0)
        covariance = noise_covariance(*left(others)).matrix
        parts.append(crossnobis(np.stack([others.mean(axis=0), folds[fold]]), covariance))
    return np.mean(parts, axis=0)


def of_half(folds, source, metric, residuals):
    """The RDM of one half's folds."""
    if source == "images" and metric == "crossnobis":
        return held_out(folds)
    rows, dof = (residuals, len(residuals) - 6) if source == "residuals" else left(folds)
    covariance = noise_covariance(rows, dof).matrix
    if metric == "crossnobis":
        return crossnobis(folds, covariance)
    return mahalanobis(folds.mean(axis=0), covariance)


@pytest.mark.parametrize(
    ("source", "metric"),
    [
        ("residuals", "crossnobis"),
        ("residuals", "mahalanobis"),
        ("images", "crossnobis"),
        ("images", "mahalanobis"),
        ("pooled-images", "crossnobis"),
    ],
)
def test_reliability_is_that_of_the_halves_rdms(tmp_path, monkeypatch, source, metric):
    runs = tuple("123456")
    monkeypatch.setattr(test_app, "RUNS", runs)
    images, residuals = test_app.make_dataset(tmp_path / "in", runs)
    options = ["--noise", "shrinkage", "--noise-from", source, "--dissimilarity", metric]
    options += ["--reliability", "--no-report"]
    options += ["--folds", "runs"] if metric == "crossnobis" else []
    assert test_app.run_app(tmp_path / "in", tmp_path / "out", *options) == 0
    found, sidecar = test_app.result(tmp_path / "out", "stat-reliability_desc-searchlight")
    assert sidecar["Halves"] == ["run-1+run-3+run-5", "run-2+run-4+run-6"]
    points = np.argwhere(np.ones(test_app.SHAPE, bool)) * 3.0
    folds = np.array([[images[run, name].ravel() for name in NAMES] for run in runs])
    rest = np.concatenate(
        [residuals[run].reshape(-1, test_app.N_VOLUMES).T for run in runs]
    ).astype(float)
    for run in range(6):
        part = slice(run * test_app.N_VOLUMES, (run + 1) * test_app.N_VOLUMES)
        rest[part] -= rest[part].mean(axis=0)
    for center in (0, 60, 74, 149):
        near = np.linalg.norm(points - points[center], axis=1) <= 7 * (1 + 1e-6)
        halves = [
            of_half(folds[half::2][:, :, near].astype(float), source, metric, rest[:, near])
            for half in range(2)
        ]
        assert found.ravel()[center] == pytest.approx(rho_a(*halves), abs=1e-6)
    assert nib.load(next((tmp_path / "out").rglob("*reliability_*.nii.gz"))).shape == (6, 5, 5)


def test_halves_without_noise_of_their_own_are_refused(tmp_path, monkeypatch, capsys):
    runs = tuple("1234")
    monkeypatch.setattr(test_app, "RUNS", runs)
    test_app.make_dataset(tmp_path / "in", ())
    options = ("--noise", "shrinkage", *test_app.CROSSNOBIS, "--reliability")
    assert test_app.run_app(tmp_path / "in", tmp_path / "out", *options) == 66
    said = " ".join(capsys.readouterr().err.split())
    assert "without one of its folds no condition has two images" in said
    assert not list((tmp_path / "out").rglob("*.nii.gz"))
