"""The demo's maps show the planted effect where it was planted, and nothing elsewhere."""

import nibabel as nib
import numpy as np
import pytest
from app_process import UNDRAWN
from app_runs import run_app
from scipy.ndimage import distance_transform_edt

from bids_rsa.example import make_example

RADIUS_MM = 10.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The example dataset as the demo makes it, and the maps of all subjects."""
    folder = tmp_path_factory.mktemp("demo")
    data = make_example(folder / "data")
    done = run_app(
        data, folder / "out", "participant", "--model", data / "models" / "planted.tsv", *UNDRAWN
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    planted = nib.load(data / "sourcedata" / "planted_mask.nii.gz")
    paths = sorted((folder / "out").glob("sub-*/func/*_desc-planted_statmap.nii.gz"))
    masks = sorted((folder / "out").glob("sub-*/func/*_desc-searchlight_mask.nii.gz"))
    return planted, [nib.load(p).get_fdata() for p in paths], [nib.load(m) for m in masks]


def test_there_are_at_least_eight_subjects(demo):
    _, maps, _ = demo
    assert len(maps) >= 8


def test_scores_are_high_in_the_planted_core(demo):
    planted, maps, _ = demo
    core = planted.get_fdata() > 0
    assert core.sum() > 50
    assert np.mean([scores[core].mean() for scores in maps]) > 0.3


def test_scores_are_zero_on_average_where_no_patch_holds_a_planted_voxel(demo):
    planted, maps, masks = demo
    inside = planted.get_fdata() > 0
    away = distance_transform_edt(~inside, sampling=planted.header.get_zooms()) > RADIUS_MM + 0.1
    means = [
        scores[away & (mask.get_fdata() > 0)].mean()
        for scores, mask in zip(maps, masks, strict=True)
    ]
    assert abs(np.mean(means)) < 0.03
    near = [scores[inside].mean() for scores in maps]
    assert np.mean(near) > 10 * abs(np.mean(means))
