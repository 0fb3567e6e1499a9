"""Every file that maps on surfaces depend on is hashed, together with its hemisphere."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage

from bids_rsa.outputs.input_hashes import hash_analysis
from bids_rsa.records import Analysis, HemisphereSurfaces, MaskChoice


def save(path, values):
    """Write a file that itself names no hemisphere."""
    nib.save(GiftiImage(darrays=[GiftiDataArray(np.asarray(values, np.float32))]), path)
    return str(path)


@pytest.fixture
def analysis(tmp_path):
    """Surface, cortex and ROI of two hemispheres with the same number of vertices."""
    surfaces, rois = [], []
    for k, side in enumerate("LR"):
        middle, cortex, roi = (
            save(tmp_path / f"hemi-{side}_{name}.gii", np.arange(20) > 3 * k + n)
            for n, name in enumerate(("mid", "cortex", "roi"))
        )
        surfaces.append(HemisphereSurfaces(side, (middle,), "given", cortex=(cortex,)))
        rois.append(roi)
    return Analysis("01", (), ("a",), surfaces=tuple(surfaces), roi_mask=MaskChoice(tuple(rois)))


def of_ribbon(analysis):
    return replace(analysis, ribbon=True, roi_mask=MaskChoice())


def test_another_cortex_mask_of_a_ribbon_is_another_setting(analysis, tmp_path):
    ribbon = of_ribbon(analysis)
    before = hash_analysis(ribbon).as_dict()
    without = replace(ribbon, surfaces=tuple(replace(s, cortex=()) for s in ribbon.surfaces))
    assert hash_analysis(without).as_dict() != before
    assert hash_analysis(ribbon).as_dict() == before
    save(tmp_path / "hemi-L_cortex.gii", np.arange(20) > 12)
    assert hash_analysis(ribbon).as_dict() != before


def test_the_cortex_of_a_ribbon_is_watched_and_a_source(analysis):
    ribbon = of_ribbon(analysis)
    cortex = {path for one in ribbon.surfaces for path in one.cortex}
    assert cortex <= {file.path for file in hash_analysis(ribbon).files}
    assert cortex <= set(ribbon.surface_files)


@pytest.mark.parametrize("name", ["mid", "cortex", "roi"])
def test_swapping_the_files_of_left_and_right_is_noticed(analysis, tmp_path, name):
    before = hash_analysis(analysis).as_dict()
    left, right = (tmp_path / f"hemi-{side}_{name}.gii" for side in "LR")
    contents = left.read_bytes(), right.read_bytes()
    right.write_bytes(contents[0])
    left.write_bytes(contents[1])
    assert hash_analysis(analysis).as_dict() != before


def test_one_roi_mask_of_the_other_hemisphere_is_noticed(analysis, tmp_path):
    values = np.arange(20) > 4
    hashes = [
        hash_analysis(
            replace(analysis, roi_mask=MaskChoice((save(tmp_path / f"hemi-{s}_x.gii", values),)))
        ).as_dict()
        for s in "LR"
    ]
    assert hashes[0] != hashes[1]
