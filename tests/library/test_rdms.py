"""RDMs compared with models, and the arguments by the names that mne-rsa has for them."""

import inspect

import mne_rsa
import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import squareform
from scipy.stats import spearmanr
from volumes import noise, volume

from bids_rsa import compare_rdms, compute_dsm, rsa_nifti

RNG = np.random.default_rng(0)
DATA = compute_dsm(RNG.normal(size=(6, 40)))
MODELS = [compute_dsm(RNG.normal(size=(6, 3)), "euclidean") for _ in range(3)]


@pytest.mark.parametrize(
    "comparison",
    ["spearman", "pearson", "kendall-tau-a", "partial", "partial-spearman", "regression"],
)
def test_scores_are_those_of_mne_rsa(comparison):
    found = compare_rdms(DATA, MODELS, comparison)
    assert found.shape == (3,)
    np.testing.assert_allclose(found, mne_rsa.rsa(DATA, MODELS, comparison), atol=1e-10)


def test_one_model_gives_a_number_and_the_form_of_an_rdm_does_not_matter():
    wanted = spearmanr(DATA, MODELS[0]).statistic
    for data in (DATA, squareform(DATA), list(DATA)):
        for model in (MODELS[0], squareform(MODELS[0])):
            found = compare_rdms(data, model)
            assert isinstance(found, float)
            assert found == pytest.approx(wanted, abs=1e-12)


def test_data_frames_are_matched_by_name():
    names = list("fbadec")
    data = pd.DataFrame(squareform(DATA), index=names, columns=names)
    model = pd.DataFrame(squareform(MODELS[0]), index=names, columns=names)
    shuffled = model.loc[sorted(names), names[::-1]]
    assert compare_rdms(data, shuffled) == compare_rdms(DATA, MODELS[0])
    with pytest.raises(ValueError, match="only in the model"):
        compare_rdms(data, model.rename(index={"a": "z"}, columns={"a": "z"}))


def test_nan_cells_of_either_are_left_out():
    data, model = DATA.copy(), MODELS[0].copy()
    data[3], model[7] = np.nan, np.nan
    kept = np.isfinite(data) & np.isfinite(model)
    wanted = spearmanr(data[kept], model[kept]).statistic
    assert compare_rdms(data, model) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("data", "model", "metric", "says"),
    [
        (DATA[:-1], MODELS[0], "spearman", r"dsm_data has shape \(14,\)"),
        (DATA, MODELS[0][:10], "spearman", r"dsm_model has shape \(10,\).*6 items"),
        (1 - squareform(DATA), MODELS[0], "spearman", "dsm_data has a non-zero diagonal"),
        (DATA, MODELS[0], "speerman", "speerman"),
        (np.full(15, np.nan), MODELS[0], "spearman", "All 15 cells of dsm_data"),
    ],
)
def test_rdms_that_do_not_fit(data, model, metric, says):
    with pytest.raises(ValueError, match=says):
        compare_rdms(data, model, metric)


def test_a_call_written_for_mne_rsa_gives_its_numbers():
    labels, names = list("cabfed") * 2, list("abcdef")
    image = volume(noise(12), np.diag([2.5, 2.5, 2.5, 1]))
    call = {
        "spatial_radius": 0.006, "image_rdm_metric": "minkowski", "image_rdm_params": {"p": 1.5},
        "labels_image": labels, "labels_rdm_model": names[::-1],
    }  # fmt: skip
    theirs = mne_rsa.rsa_nifti(image, rdm_model=MODELS, **call)
    ours = rsa_nifti(image, rdm_model=MODELS, **call)
    positional = rsa_nifti(image, MODELS, **call)
    for one, two, three in zip(ours, positional, theirs, strict=True):
        np.testing.assert_array_equal(one.get_fdata(), two.get_fdata())
        np.testing.assert_allclose(one.get_fdata(), three.get_fdata(), atol=1e-10)
    # names that were matched, not taken in the order given
    assert not np.allclose(ours[0].get_fdata(), rsa_nifti(
        image, MODELS[0], 0.006, "minkowski", {"p": 1.5}, y=labels).get_fdata())  # fmt: skip
    assert "rdm_model" not in inspect.signature(rsa_nifti).parameters


def test_one_argument_by_two_names():
    with pytest.raises(TypeError, match="rdm_model is another name of dsm_model"):
        rsa_nifti(volume(noise(6)), dsm_model=MODELS[0], rdm_model=MODELS[0])
    with pytest.raises(ValueError, match="labels_rdm_model names 5 items"):
        rsa_nifti(volume(noise(6)), MODELS[0], labels_rdm_model=list("abcde"), y=list("abcdef"))
