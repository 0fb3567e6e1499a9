"""Pictures for the notebook show what they are given, and refuse what they cannot show."""

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy.spatial.distance import pdist, squareform

from bids_rsa import plotting


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def shown(axes):
    """The cells that an RDM's picture shows; masked ones are NaN."""
    return np.ma.filled(axes.images[-1].get_array().astype(float), np.nan)


def test_an_rdm_is_shown_cell_by_cell_without_its_diagonal():
    rdm = np.random.default_rng(0).uniform(0.1, 1, 10)
    rdm[3] = np.nan
    for form in (rdm, squareform(rdm, checks=False)):
        axes = plotting.plot_rdm(form, list("abcde"), label="1 - r")
        expected = squareform(rdm, checks=False)
        np.fill_diagonal(expected, np.nan)
        np.testing.assert_array_equal(shown(axes), expected)
        assert [text.get_text() for text in axes.get_xticklabels()] == list("abcde")


def test_rdms_side_by_side_share_a_scale_when_asked():
    rdms = {"one": [0.1, 0.2, 0.3], "two": [0.5, 0.9, -0.2]}
    for together, ends in ((True, {(-0.2, 0.9)}), (False, {(0.1, 0.3), (-0.2, 0.9)})):
        figure = plotting.plot_rdms(rdms, shared=together)
        drawn = [axes.images[-1].get_clim() for axes in figure.axes if axes.images]
        assert {tuple(np.round(one, 6)) for one in drawn} == ends


def test_distances_in_the_plane_are_arranged_as_they_are():
    points = np.random.default_rng(1).normal(size=(7, 2))
    found = plotting.classical_mds(pdist(points))
    np.testing.assert_allclose(pdist(found), pdist(points), atol=1e-10)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)


def test_distances_below_0_are_arranged_too():
    """Two clusters and noise about 0 within each: the clusters lie apart."""
    rng = np.random.default_rng(2)
    kind = np.repeat([0, 1], 4)
    noise = rng.normal(0, 0.05, (8, 8))
    rdm = (kind[:, None] != kind) + np.triu(noise, 1) + np.triu(noise, 1).T
    assert rdm.min() < 0
    first = plotting.classical_mds(rdm)[:, 0]
    assert abs(first[kind == 0].mean() - first[kind == 1].mean()) > 0.8
    axes = plotting.plot_mds(rdm, list("abcdefgh"), groups=[str(k) for k in kind])
    assert len(axes.lines) == 2
    assert {text.get_text() for text in axes.texts} == set("abcdefgh")


def test_scores_have_a_dot_each_and_the_mean_with_its_interval():
    rng = np.random.default_rng(3)
    scores = {"a": rng.normal(size=9), "b": [0.1, np.nan, 0.4]}
    axes = plotting.plot_model_scores(scores, ceiling=(0.5, 0.7), label="rho")
    drawn = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_array_equal(drawn[0], scores["a"])
    np.testing.assert_array_equal(drawn[1], [0.1, 0.4])
    means = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "s"]
    np.testing.assert_allclose(means, [np.mean(scores["a"]), 0.25])
    half = 1.0
    from scipy.stats import sem, t

    segments = [c.get_segments()[0] for c in axes.collections if hasattr(c, "get_segments")]
    half = np.ptp(segments[0][:, 1]) / 2
    assert half == pytest.approx(t.ppf(0.975, 8) * sem(scores["a"]))


def test_a_map_outlines_its_threshold(tmp_path):
    data = np.zeros((12, 14, 10), np.float32)
    data[2:-2, 2:-2, 2:-2] = 0.2
    data[5:8, 5:8, 4:7] = 1
    image = nib.Nifti1Image(data, np.diag([6.0, 6, 6, 1]))
    nib.save(image, tmp_path / "map.nii.gz")
    plain = plotting.plot_map(image, image, label="rho", title="a title")
    marked = plotting.plot_map(tmp_path / "map.nii.gz", image, threshold=0.5)
    assert not plain.axes[0].collections
    assert marked.axes[0].collections
    assert plain.axes[1].get_ylabel() == "rho"
    faint, opaque = (fig.axes[0].images[0].get_array() for fig in (marked, plain))
    assert not np.array_equal(faint, opaque)
    assert plain.number in plt.get_fignums()  # a notebook shows it


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plotting.plot_rdm([[0, 1], [2, 0]]), "symmetric"),
        (lambda: plotting.plot_rdm(np.zeros((2, 3))), "square"),
        (lambda: plotting.plot_rdm([1, 2, 3], ["a"]), "1 names for 3"),
        (lambda: plotting.plot_mds([1, np.nan, 2]), "without a value"),
        (lambda: plotting.plot_rdms({}), "no RDM"),
        (lambda: plotting.plot_model_scores({}), "no scores"),
        (lambda: plotting.plot_map(nib.Nifti1Image(np.zeros((3, 3, 3)), np.eye(4))), "0 values"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_names_may_be_an_index_or_an_array():
    rdm = [0.1, 0.2, 0.3]
    for names in (pd.Index(list("abc")), np.array(list("abc"))):
        axes = plotting.plot_rdm(rdm, names)
        assert [text.get_text() for text in axes.get_yticklabels()] == list("abc")
        placed = plotting.plot_mds(rdm, names)
        assert [text.get_text() for text in placed.texts] == list("abc")
