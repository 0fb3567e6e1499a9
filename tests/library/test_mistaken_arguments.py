"""What users of the library pass by mistake: refused in words, or understood; never misread."""

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy.spatial.distance import squareform

import bids_rsa as library
from bids_rsa.plotting import plot_model_scores, plot_rdms

RANDOM = np.random.default_rng(0)
AFFINE = np.diag([2.0, 2, 2, 1])
FOLDS = RANDOM.normal(size=(3, 5, 12))
RESIDUALS = RANDOM.normal(size=(40, 12))
MODEL = RANDOM.uniform(size=10)


@pytest.fixture
def searched():
    """Scores of a small grid, with what the arguments should have been replaced by others."""
    mask = np.ones((4, 4, 3), dtype=bool)
    mask[0, 0, 0] = False
    patterns = np.random.default_rng(1).normal(size=(mask.sum(), 1, 5))

    def search(patch_mask=mask, center_mask=mask, models=MODEL, patterns=patterns, **options):
        found = library.searchlight_rsa(
            patterns, patch_mask, center_mask, AFFINE, 3.0, models, **options
        )
        return found.scores["spearman"][0]

    search.mask = mask
    return search


def test_masked_cells_are_not_used_in_silence():
    masked = np.ma.masked_greater(FOLDS[0], 1.0)
    assert masked.mask.any()
    with pytest.raises(ValueError, match=r"masked array[\s\S]*filled"):
        library.compute_dsm(masked)
    with pytest.raises(ValueError, match="masked array"):
        library.compute_dsm_cv(np.ma.masked_greater(FOLDS, 1.0), "sqeuclidean")
    np.testing.assert_array_equal(
        library.compute_dsm(np.ma.array(FOLDS[0])), library.compute_dsm(FOLDS[0])
    )


def test_a_mask_of_zeros_and_ones_is_a_mask(searched):
    mask = searched.mask
    expected = searched()
    for given in (mask.astype(int), mask.astype(np.float32), mask.tolist()):
        np.testing.assert_array_equal(searched(patch_mask=given, center_mask=given), expected)
    with pytest.raises(ValueError, match="zeros and ones"):
        searched(patch_mask=mask * 0.7)


def test_one_comparison_may_be_a_text(searched):
    np.testing.assert_array_equal(searched(comparisons="spearman"), searched())


def test_a_square_model_where_condensed_ones_are_expected(searched):
    with pytest.raises(ValueError, match=r"condensed, \(n_models, 10\)"):
        searched(models=squareform(MODEL))


def test_a_square_model_as_a_list_of_lists():
    image = nib.Nifti1Image(RANDOM.normal(size=(4, 4, 3, 5)), AFFINE)
    rdm = squareform(MODEL)
    with pytest.raises(ValueError, match=r"list of 5 lists[\s\S]*numpy\.array"):
        library.rsa_nifti(image, rdm.tolist(), 0.005)
    condensed = library.rsa_nifti(image, [MODEL.tolist(), MODEL.tolist()], 0.005)
    np.testing.assert_array_equal(
        condensed[1].get_fdata(), library.rsa_nifti(image, rdm, 0.005).get_fdata()
    )


def test_three_models_of_three_items_as_lists():
    image = nib.Nifti1Image(RANDOM.normal(size=(4, 4, 3, 3)), AFFINE)
    assert len(library.rsa_nifti(image, [[1, 2, 3], [3, 2, 1], [1, 3, 2]], 0.005)) == 3


def test_covariances_that_are_none():
    covariance = library.noise_covariance(RESIDUALS)
    with pytest.raises(TypeError, match="attribute matrix"):
        library.crossnobis(FOLDS, covariance)
    lopsided = covariance.matrix.copy()
    lopsided[0, 1] += 0.1
    for function, data in (
        (library.crossnobis, FOLDS),
        (library.mahalanobis, FOLDS[0]),
        (library.whiten, FOLDS[0]),
    ):
        with pytest.raises(ValueError, match="not symmetric"):
            function(data, lopsided)
    rounded = covariance.matrix.astype(np.float32)
    np.testing.assert_allclose(
        library.crossnobis(FOLDS, rounded),
        library.crossnobis(FOLDS, covariance.matrix),
        atol=1e-5,
    )


def test_degrees_of_freedom_that_are_no_number():
    with pytest.raises(TypeError, match="'38'"):
        library.noise_covariance(RESIDUALS, "38")
    with pytest.raises(ValueError, match="41 degrees of freedom are more than the 40 samples"):
        library.noise_covariance(RESIDUALS, 41)
    with pytest.raises(ValueError, match="more than the 40 samples"):
        library.noise_from_residuals(RESIDUALS.T, dof=400)
    assert library.noise_covariance(RESIDUALS, 40).shrinkage > 0


@pytest.mark.parametrize("labels", [list("abab"), [0.5, 1.5, 0.5, 1.5], [-1, 0, -1, 0]])
def test_labels_of_images_are_positions(labels):
    images = RANDOM.normal(size=(12, 4))
    with pytest.raises(ValueError, match=r"condition_of must contain positions"):
        library.noise_from_images(images, labels)
    assert library.noise_from_images(images, [0, 1, 0, 1]).dof == 2


def test_residuals_may_be_lists():
    expected = library.noise_from_residuals(RESIDUALS.T)
    found = library.noise_from_residuals(RESIDUALS.T.tolist())
    np.testing.assert_allclose(found.variances, expected.variances, rtol=1e-12)


@pytest.mark.parametrize("share", [-0.1, 1.5, 50])
def test_a_coverage_that_is_no_share(share):
    image = nib.Nifti1Image(RANDOM.normal(size=(4, 4, 3, 5)), AFFINE)
    atlas = nib.Nifti1Image(np.ones((4, 4, 3), dtype=np.int16), AFFINE)
    with pytest.raises(ValueError, match="from 0 to 1"):
        library.rsa_regions(image, MODEL, atlas, min_coverage=share)


def test_plots_of_frames_and_lists():
    frame = pd.DataFrame({"first": [0.1, 0.2, 0.3], "second": [0.0, 0.1, np.nan]})
    axes = plot_model_scores(frame)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["first", "second"]
    with pytest.raises(TypeError, match="dictionary"):
        plot_rdms([MODEL, MODEL])
    plt.close("all")
