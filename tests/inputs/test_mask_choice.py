"""Which mask is found, wherever it lies and however it is turned."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from input_trees import AFFINE, describe, find, mask, name, statmaps

from bids_rsa.errors import BidsRsaError
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.settings import RsaSettings, Selection


def test_the_anatomical_mask_of_another_orientation_is_used(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI", runs=None)
    inside = np.zeros((4, 4, 4), np.uint8)
    inside[:3, 1:, :2] = 1
    path = Path(mask(root / "sub-01/anat/sub-01_space-MNI_desc-brain_mask.nii.gz"))
    turned = nib.Nifti1Image(inside, AFFINE).as_reoriented(
        nib.orientations.axcodes2ornt("SPL") @ np.eye(2)
    )
    assert nib.aff2axcodes(turned.affine) != nib.aff2axcodes(AFFINE)
    nib.save(turned, path)
    (analysis,) = find(root, tmp_path).analyses
    assert analysis.brain_mask.paths == (str(path),)
    stacked = stack_analysis(analysis, RsaSettings(radius_mm=4.0))
    np.testing.assert_array_equal(stacked.patch_mask, inside.astype(bool).ravel())


def test_an_anatomical_mask_on_another_grid_is_named(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI")
    path = root / "sub-01/anat/sub-01_space-MNI_desc-brain_mask.nii.gz"
    mask(path, shape=(8, 8, 8), affine=np.diag([1.0, 1, 1, 1]))
    choice = find(root, tmp_path).analyses[0].brain_mask
    assert choice.paths == () and path.name in choice.origin
    assert "voxel sizes differ" in choice.origin and "--brain-mask" in choice.origin


def test_the_anatomical_mask_of_one_session_serves_the_others(tmp_path):
    root = describe(tmp_path / "data")
    for ses in ("1", "2"):
        statmaps(root, ses=ses, space="MNI")
    path = mask(root / "sub-01/ses-1/anat/sub-01_ses-1_space-MNI_desc-brain_mask.nii.gz")
    groups = find(root, tmp_path).analyses
    assert [g.brain_mask.paths for g in groups] == [(path,), (path,)]
    own = mask(root / "sub-01/ses-2/anat/sub-01_ses-2_space-MNI_desc-brain_mask.nii.gz")
    groups = find(root, tmp_path).analyses
    assert [g.brain_mask.paths for g in groups] == [(path,), (own,)]


def test_a_functional_mask_of_another_session_is_not_taken(tmp_path):
    root = describe(tmp_path / "data")
    for ses in ("1", "2"):
        statmaps(root, ses=ses, space="MNI")
    mask(root / "sub-01/ses-1/func/sub-01_ses-1_task-x_space-MNI_desc-brain_mask.nii.gz")
    assert [len(g.brain_mask.paths) for g in find(root, tmp_path).analyses] == [1, 0]


def test_masks_that_name_a_run_and_no_task_belong_to_that_run(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root, space="MNI", runs=("1", "2"))
    own = [
        mask(root / f"sub-01/func/sub-01_run-{run}_space-MNI_desc-brain_mask.nii.gz")
        for run in ("1", "2", "3")
    ]
    assert find(root, tmp_path).analyses[0].brain_mask.paths == tuple(own[:2])


@pytest.mark.parametrize("option", ["brain_mask", "roi_mask"])
def test_a_mask_path_takes_subject_and_session(tmp_path, option):
    root = describe(tmp_path / "data")
    for ses in ("1", "2"):
        statmaps(root, subs=("01", "02"), ses=ses)
        for sub in ("01", "02"):
            mask(tmp_path / f"masks/{sub}_{ses}.nii.gz")
    given = f"{tmp_path}/masks/{{subject}}_{{session}}.nii.gz"
    for analysis in find(root, tmp_path, **{option: given}).analyses:
        expected = f"{tmp_path}/masks/{analysis.subject}_{analysis.session}.nii.gz"
        assert getattr(analysis, option).paths == (expected,)
    Path(tmp_path / "masks/02_2.nii.gz").unlink()
    found = find(root, tmp_path, **{option: given})
    ((subject, error),) = found.failures
    assert subject == "02" and error.exit_code == 66 and "02_2.nii.gz" in error.message
    with pytest.raises(BidsRsaError, match=r"unknown field \{who\}") as caught:
        find(root, tmp_path, **{option: "{who}.nii"})
    assert caught.value.exit_code == 2


def test_a_session_in_the_path_of_images_without_one_is_refused(tmp_path):
    root = describe(tmp_path / "data")
    statmaps(root)
    with pytest.raises(BidsRsaError, match="these images have no session"):
        find(root, tmp_path, brain_mask="{session}.nii")


@pytest.mark.parametrize("roi", [None, "vt"])
def test_a_filter_that_leaves_no_mask_is_an_error_that_lists_them(tmp_path, roi):
    root = describe(tmp_path / "data")
    statmaps(root)
    for desc in ("brain", "vt"):
        mask(root / "sub-01/func" / f"{name('01', run='1')}_desc-{desc}_mask.nii.gz")
    file = tmp_path / "filter.json"
    file.write_text(json.dumps({"mask": {"acquisition": "hi"}}))
    chosen = Selection(bids_filter_file=str(file))
    with pytest.raises(BidsRsaError, match=r"desc-brain_mask.nii.gz") as caught:
        find(root, tmp_path, selection=chosen, roi_mask=roi)
    assert caught.value.exit_code == 18
