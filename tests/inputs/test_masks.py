"""What is inside a mask whose values are not zeros and ones."""

import nibabel as nib
import numpy as np
import pytest
from input_trees import AFFINE, describe, image, statmaps
from scipy import ndimage

from bids_rsa import rsa_nifti
from bids_rsa.errors import ContentError
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.records import MaskChoice
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.masks import load_mask

SHAPE = (24, 24, 24)
GRID = Grid(SHAPE, AFFINE)


def ball(shape=SHAPE, radius=8):
    ijk = np.indices(shape) - (np.array(shape).reshape(3, 1, 1, 1) - 1) / 2
    return (ijk**2).sum(axis=0) <= radius**2


def as_mask(values):
    return nib.Nifti1Image(values, AFFINE)


def test_a_mask_resampled_with_ringing_is_its_upper_half():
    """Cubic interpolation leaves noise of both signs all over the field of view."""
    fine = np.kron(ball(), np.ones((2, 2, 2)))
    values = ndimage.zoom(fine, 0.5, order=3)
    assert (values != 0).sum() > 2 * ball().sum() and values.min() < 0  # the fault can show
    loaded = load_mask(as_mask(values), GRID, "brain mask")
    np.testing.assert_array_equal(loaded.voxels, values > 0.5)
    assert abs(int(loaded.voxels.sum()) - ball().sum()) < 0.1 * ball().sum()
    odd = (np.abs(values) > 1e-4) & (np.abs(values - values.max()) > 1e-4 * values.max())
    for words in ("not binary", f"{odd.sum()} of its 13824", f"{loaded.voxels.sum()} voxels above"):
        assert words in loaded.warning


def test_probabilities_are_inside_above_one_half():
    values = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    loaded = load_mask(as_mask(values), GRID, "brain mask")
    np.testing.assert_array_equal(loaded.voxels, values > 0.5)


@pytest.mark.parametrize("low", [-1.0, -2e-16, -3000.0])
def test_nothing_negative_is_inside(low):
    values = np.where(ball(), 1.0, low)
    loaded = load_mask(as_mask(values), GRID, "ROI mask")
    np.testing.assert_array_equal(loaded.voxels, ball())
    assert bool(loaded.warning) == (low < -1e-4)


@pytest.mark.parametrize("level", [1.0, 255.0, 0.9999999, 100.0 / 3])
def test_one_positive_value_is_binary_whatever_it_is(level):
    values = np.where(ball(), level, 0.0)
    values[0, 0, 0] = np.nan
    loaded = load_mask(as_mask(values), GRID, "ROI mask")
    np.testing.assert_array_equal(loaded.voxels, ball())
    assert loaded.warning == ""


def test_a_mask_with_nothing_above_one_half_is_refused_with_its_range():
    values = np.where(ball(), 0.25, -0.5)
    with pytest.raises(ContentError, match=r"no voxel is above 0.5; .* from -0.5 to 0.25"):
        load_mask(as_mask(values), GRID, "brain mask")


def test_app_and_library_take_the_same_voxels_and_say_so(tmp_path, caplog):
    noise = np.random.default_rng(1).uniform(-0.4, 0.4, SHAPE)
    mask = str(tmp_path / "mask.nii.gz")
    nib.save(as_mask(ball() + noise), mask)
    paths = [image(tmp_path / f"{c}.nii.gz", shape=SHAPE) for c in "abcd"]
    model = np.arange(6.0)
    made = rsa_nifti(paths, model, 0.004, brain_mask=mask)
    np.testing.assert_array_equal(made.get_fdata() != 0, ball())
    assert "not binary" in caplog.text
    from input_trees import find

    root = describe(tmp_path / "data")
    statmaps(root, runs=None, shape=SHAPE)
    (analysis,) = find(root, tmp_path, brain_mask=mask).analyses
    assert analysis.brain_mask == MaskChoice((mask,), f"--brain-mask {mask}")
    stacked = stack_analysis(analysis, RsaSettings(radius_mm=4.0))
    np.testing.assert_array_equal(stacked.patch_mask, ball().ravel())
    assert any("not binary" in warning for warning in stacked.warnings)
