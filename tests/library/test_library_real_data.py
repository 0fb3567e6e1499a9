"""Real images: oblique anisotropic SPM betas, FEAT copes, and the Haxby derivative."""

import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from reference import plain_searchlight

from bids_rsa import rsa_nifti
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.records import Analysis, ConditionImage, MaskChoice
from bids_rsa.settings import RsaSettings

MODEL = np.array([3.0, 1, 4, 1, 5, 9, 2, 6, 5, 3])


@pytest.mark.parametrize("metric", ["correlation", "sqeuclidean"])
def test_spm_betas_in_a_cerebellar_roi(shared, metric):
    folder = shared("data", "spm-betas")
    paths = sorted(folder.glob("*beta.nii"))
    brain_path, roi_path = folder / "sub-02_ses-s1_mask.nii", folder / "sub-02_desc-cereb_mask.nii"
    brain = nib.load(brain_path).get_fdata() != 0
    roi = nib.load(roi_path).get_fdata() != 0
    roi[np.cumsum(roi.ravel()).reshape(roi.shape) % 40 != 0] = False  # every 40th centre
    series = np.stack([nib.load(path).get_fdata() for path in paths])
    affine = nib.load(paths[0]).affine
    wanted = plain_searchlight(
        series[None], brain, brain & roi, affine, 8.0, MODEL[None], metric, ("spearman",)
    )["spearman"][0]
    found = rsa_nifti(
        paths, MODEL, 0.008, metric,
        roi_mask=nib.Nifti1Image(roi.astype("u1"), affine), brain_mask=brain_path, n_jobs=2,
    ).get_fdata()[brain & roi]  # fmt: skip
    assert np.isfinite(found).sum() > 80
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


def haxby(shared):
    folder = shared("data", "haxby2001-betas")
    images = []
    for path in sorted(folder.glob("sub-1/func/*_stat-effect_statmap.nii.gz")):
        run, name = re.search(r"run-(\d+)_contrast-(\w+?)_", path.name).groups()
        images.append(ConditionImage(str(path), "1", name, "effect", run=run))
    mask = next(folder.glob("sub-1/func/*desc-vt_mask.nii.gz"))
    model = pd.read_csv(folder / "models" / "animacy.tsv", sep="\t", index_col=0)
    conditions = tuple(sorted({image.condition for image in images}))
    return images, mask, model, conditions


@pytest.mark.parametrize("folds", ["none", "runs"])
def test_the_library_and_the_apps_stack_agree_on_haxby(shared, folds):
    images, mask, model, conditions = haxby(shared)
    group = Analysis("1", tuple(images), conditions, brain_mask=MaskChoice((str(mask),)))
    stacked = stack_analysis(group, RsaSettings(folds=folds), n_threads=2)
    metric = "sqeuclidean" if folds == "runs" else "correlation"
    brain = nib.load(mask).get_fdata() != 0
    np.testing.assert_array_equal(stacked.patch_mask, brain.ravel())
    centers = brain & (np.cumsum(brain.ravel()).reshape(brain.shape) % 20 == 0)
    data = np.zeros((stacked.patterns.shape[1], len(conditions), *brain.shape))
    data[..., brain] = stacked.patterns.transpose(1, 2, 0)
    cells = model.loc[list(conditions), list(conditions)].to_numpy()
    row = cells[np.triu_indices(len(conditions), 1)]
    wanted = plain_searchlight(
        data, brain, centers, stacked.space.affine, 10.0, row[None], metric, ("spearman",)
    )["spearman"][0]
    found = rsa_nifti(
        [image.path for image in images], model, 0.01, metric,
        y=[image.condition for image in images], n_folds=12 if folds == "runs" else 1,
        brain_mask=mask, roi_mask=nib.Nifti1Image(centers.astype("u1"), stacked.space.affine),
    ).get_fdata()[centers]  # fmt: skip
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)


def test_zero_voxels_of_feat_are_left_out(shared):
    images = []
    for run in ("1", "2"):
        for number in (1, 2, 3, 21, 22):
            path = shared("data", "feat-2runs", f"run{run}.feat", "stats", f"cope{number}.nii.gz")
            images.append(ConditionImage(str(path), "1", str(number), "effect", run=run))
    group = Analysis("1", tuple(images), ("1", "2", "3", "21", "22"))
    stacked = stack_analysis(group, RsaSettings(), n_threads=2)
    inside = np.ones(stacked.space.shape, bool)
    for run in ("1", "2"):
        of_run = [nib.load(image.path).get_fdata() for image in images if image.run == run]
        inside &= np.any([values != 0 for values in of_run], axis=0)
    np.testing.assert_array_equal(stacked.patch_mask, inside.ravel())
    assert stacked.voxels_left_out == {"NotFinite": 0, "ZeroInARun": int((~inside).sum())}
