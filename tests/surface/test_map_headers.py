"""Headers of GIFTI and CIFTI files: read without their values, damaged ones named."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti.util import gifti_encoding_codes
from surface_data import cifti_axis, save_scalars

from bids_rsa.errors import BidsRsaError, ContentError
from bids_rsa.spaces.cifti import open_cifti, read_cifti_map
from bids_rsa.spaces.gifti import maps_image, read_maps
from bids_rsa.spaces.map_files import GiftiSource, maps_header, sidecar_of


@pytest.mark.parametrize("encoding", ["GIFTI_ENCODING_ASCII", "GIFTI_ENCODING_B64BIN",
                                      "GIFTI_ENCODING_B64GZ"])  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("n_maps", [1, 3])
def test_headers_of_gifti_files_are_those_of_whole_files(tmp_path, encoding, packed, n_maps):
    values = np.random.default_rng(0).normal(size=(50, n_maps)).astype(np.float32)
    image = maps_image(values, "R", tuple(f"a & b {k}" for k in range(n_maps)))
    for array in image.darrays:
        array.encoding = gifti_encoding_codes.code[encoding]
    path = tmp_path / "x_hemi-R_statmap.gii"
    nib.save(image, path)
    if packed:
        packed_path = path.with_suffix(".gii.gz")
        packed_path.write_bytes(gzip.compress(path.read_bytes()))
        path = packed_path
    header, whole = maps_header(path), read_maps(path)
    assert header.names == whole.names == tuple(f"a & b {k}" for k in range(n_maps))
    assert header.layout.hemispheres == (("R", 50),)
    source = GiftiSource(str(path))
    digits = 1e-6 if "ASCII" in encoding else 0  # as text they have six decimals
    np.testing.assert_allclose(source.read(n_maps - 1), values[:, -1], rtol=0, atol=digits)


def test_one_array_of_two_dimensions_holds_many_maps(tmp_path):
    values = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    path = str(tmp_path / "x_hemi-L_stat-errorts_statmap.gii")
    nib.save(nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(values)]), path)
    assert maps_header(path).names == ("",) * 7
    np.testing.assert_array_equal(GiftiSource(path).read(4), values[:, 4])


def test_a_file_that_names_no_hemisphere_is_refused(tmp_path):
    path = tmp_path / "statmap.gii"
    nib.save(nib.gifti.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.zeros(5, "f4"))]), path)
    with pytest.raises(ContentError, match="hemisphere"):
        maps_header(path)


@pytest.mark.parametrize("name", ["x_hemi-L_statmap.gii", "x_statmap.dscalar.nii"])
@pytest.mark.parametrize("content", [b"", b"<GIFTI/>", b"something else" * 200])
def test_damaged_files_are_named(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(BidsRsaError, match=name):
        maps_header(path)


def test_cifti_files_that_share_their_grayordinates_are_described_once(tmp_path):
    axis, rng = cifti_axis({"L": 40, "R": 30}), np.random.default_rng(0)
    layouts = []
    for number, names in enumerate((["a <1>", "b"], ["c"], ["", "d & e", "f"])):
        path = tmp_path / f"{number}.dscalar.nii"
        values = rng.normal(size=(len(names), 70)).astype(np.float32)
        save_scalars(path, values, names, axis)
        opened = open_cifti(path)
        assert opened.names == tuple(names)
        for k, row in enumerate(values):
            np.testing.assert_array_equal(read_cifti_map(opened, k), row)
        layouts.append(opened.layout)
    assert layouts[0] is layouts[1] is layouts[2]
    assert layouts[0].axis() == axis


def test_other_kinds_of_cifti_are_refused(tmp_path):
    axis = cifti_axis({"L": 40, "R": 30})
    series = nib.cifti2.SeriesAxis(0, 2, 5)
    image = nib.Cifti2Image(np.zeros((5, 70), "f4"), header=(series, axis))
    path = tmp_path / "x.dscalar.nii"
    nib.save(image, path)
    with pytest.raises(ContentError, match="ScalarAxis"):
        open_cifti(path)


def test_a_truncated_cifti_file_is_named(tmp_path):
    path = tmp_path / "x.dscalar.nii"
    save_scalars(path, np.ones((2, 70)), ["a", "b"], cifti_axis({"L": 40, "R": 30}))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BidsRsaError, match=r"x\.dscalar\.nii"):
        read_cifti_map(open_cifti(path), 1)


@pytest.mark.parametrize(
    "ending",
    [".nii", ".nii.gz", ".gii", ".func.gii", ".shape.gii", ".gii.gz", ".dscalar.nii", "+tlrc.HEAD"],
)
def test_the_sidecar_of_an_image_of_any_format(ending):
    stem = ending.partition(".")[0]
    assert sidecar_of(f"/a.b/sub-01_x{ending}") == Path(f"/a.b/sub-01_x{stem}.json")
