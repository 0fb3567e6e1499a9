"""The anatomy behind maps: brighter voxels are never darker in a viewer."""

import nibabel as nib
import numpy as np

from bids_rsa.reports.packing import values_of
from bids_rsa.reports.slices import read_anatomy
from bids_rsa.reports.volumes import pack_anatomy


def test_the_brightest_voxels_stay_the_brightest_in_the_viewer():
    values = np.linspace(1, 1000, 1000, dtype=np.float32).reshape(10, 10, 10)
    anatomy = read_anatomy(nib.Nifti1Image(values, np.eye(4)))
    assert anatomy.grey.max() <= np.float32(0.9)
    packed = pack_anatomy(anatomy).content
    assert packed["shape"] == [10, 10, 10]
    grey = values_of(packed["data"], "u1").reshape(packed["shape"], order="F").astype(int)
    shown = np.sort(values[grey > 0])
    order = grey[grey > 0][np.argsort(values[grey > 0])]
    assert len(shown) > 800
    assert (np.diff(order) >= 0).all()
    assert order[-1] == 255
