"""Numbers that other programs got: CoSMoMVPA, PyMVPA, rsatoolbox, MATLAB, and mne-rsa 1.0."""

import json

import mne_rsa
import nibabel as nib
import numpy as np
import pytest
from volumes import volume

from bids_rsa import compute_dsm, rsa_nifti
from bids_rsa.core.comparison.plans import compare


def oracle(shared, name):
    return json.loads(shared("oracles", name).read_text())


def scores(patterns, models, metric, comparison):
    """Scores of one patch, through the public function: each feature is a voxel."""
    patterns = np.asarray(patterns, dtype=float)
    image = nib.Nifti1Image(patterns.T[:, None, None, :], np.eye(4))
    return rsa_nifti(image, [np.array(m, float) for m in models], None, metric, {}, comparison)


def test_cosmomvpa(shared):
    case = oracle(shared, "cosmomvpa.json")
    models = [case["model"], case["model_reversed"]]
    checked = 0
    for name, value in case["expected"].items():
        comparison, _, rest = name.partition(",")
        comparison, _, joint = comparison.partition(" (")
        if comparison in ("rho-a", "kendall-tau-b", "cosine", "whitened correlation",
                          "whitened cosine"):  # fmt: skip
            continue  # comparisons that this program does not have
        metric = "euclidean" if "euclidean" in rest else "correlation"
        together = joint or "both models" in rest
        used = models if together or comparison.startswith("partial") else models[:1]
        found = scores(case["patterns"], used, metric, comparison)
        tolerance = 1e-4 if len(str(np.ravel(value)[0])) < 8 else 1e-9
        np.testing.assert_allclose(found[: np.size(value)], np.ravel(value), atol=tolerance)
        checked += 1
    assert checked == 8


def test_pymvpa(shared):
    case = oracle(shared, "pymvpa.json")
    for name, value in case["expected"].items():
        comparison, metric = name.split(", ")
        metric = metric.removesuffix(" distance")
        found = scores(case["patterns"], [case["model"]], metric, comparison)
        np.testing.assert_allclose(found, value, atol=1e-8)


def test_hand_sized_comparisons(shared):
    for case in oracle(shared, "comparison_small.json")["cases"]:
        found = compare(case["data"], case["models"], case["metric"])
        np.testing.assert_allclose(found, case["expected"], atol=1e-6)


N_ITEMS = 7
AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
RADIUS = 0.0102  # no distance between 3 mm voxels is 10.2 mm


def both(metric, comparison, y=None, **kwargs):
    """Our maps and mne-rsa's of the same data, masks and models."""
    rng = np.random.default_rng(8)
    n_images = N_ITEMS if y is None else len(y)
    image = volume(rng.normal(size=(9, 8, 7, n_images)), AFFINE)
    models = [rng.integers(0, 9, 21).astype(float) for _ in range(3)]
    brain = rng.random((9, 8, 7)) > 0.15
    roi = np.zeros((9, 8, 7))
    roi[2:7, 2:6, 1:6] = 1
    shared_arguments = {
        "roi_mask": volume(roi, AFFINE),
        "brain_mask": volume(brain.astype("u1"), AFFINE),
        "y": y,
    }
    ours = rsa_nifti(image, models, RADIUS, metric, kwargs, comparison, **shared_arguments)
    theirs = mne_rsa.rsa_nifti(
        image, models, RADIUS, metric, kwargs, comparison, verbose=False, **shared_arguments
    )
    return [np.array([m.get_fdata() for m in maps]) for maps in (ours, theirs)]


@pytest.mark.parametrize(
    "comparison",
    ["spearman", "pearson", "kendall-tau-a", "partial", "partial-spearman", "regression"],
)
@pytest.mark.parametrize("metric", ["correlation", "euclidean", "cityblock"])
def test_mne_rsa_every_comparison(metric, comparison):
    ours, theirs = both(metric, comparison)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean"])
def test_mne_rsa_averages_repeats(metric):
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(N_ITEMS), 3))
    ours, theirs = both(metric, "spearman", y=y)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_mne_rsa_minkowski():
    ours, theirs = both("minkowski", "pearson", p=3)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10)


def test_mne_rsa_without_a_radius():
    rng = np.random.default_rng(0)
    image, model = volume(rng.normal(size=(4, 4, 4, N_ITEMS)), AFFINE), rng.normal(size=21)
    ours = rsa_nifti(image, model, None)
    assert ours == pytest.approx(mne_rsa.rsa_nifti(image, model, None, verbose=False), abs=1e-10)


def test_mne_rsa_rdms():
    data = np.random.default_rng(0).normal(size=(9, 30))
    for metric in ("correlation", "euclidean", "cosine", "braycurtis"):
        np.testing.assert_allclose(
            compute_dsm(data, metric), mne_rsa.compute_rdm(data, metric), rtol=0, atol=1e-12
        )
