"""GIFTI files as other programs write them: read, checked, and written so that others read them."""

import gzip

import nibabel as nib
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from bids_rsa.errors import BidsRsaError, ContentError, MissingFileError
from bids_rsa.spaces.gifti import maps_image, read_maps, read_mesh
from bids_rsa.spaces.hemispheres import hemisphere_named

POINTS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.5]], np.float32)
FACES = np.array([[0, 1, 2], [1, 3, 2]], np.int32)


def array(data, intent, **meta):
    kinds = {"f": "NIFTI_TYPE_FLOAT32", "i": "NIFTI_TYPE_INT32", "u": "NIFTI_TYPE_UINT8"}
    return GiftiDataArray(
        data, intent=intent, datatype=kinds[data.dtype.kind], meta=GiftiMetaData(meta)
    )


def surface(points=POINTS, faces=FACES, **meta):
    return GiftiImage(
        darrays=[
            array(points, "NIFTI_INTENT_POINTSET", **meta),
            array(faces, "NIFTI_INTENT_TRIANGLE"),
        ]
    )


def test_a_mesh_and_its_hemisphere(tmp_path):
    path = tmp_path / "sub-01_hemi-R_midthickness.surf.gii"
    nib.save(surface(AnatomicalStructurePrimary="CortexRight"), path)
    mesh = read_mesh(path)
    np.testing.assert_array_equal(mesh.coordinates_mm, POINTS)
    np.testing.assert_array_equal(mesh.triangles, FACES)
    assert mesh.hemisphere == "R"


def test_a_file_whose_name_contradicts_its_metadata_is_refused(tmp_path):
    path = tmp_path / "sub-01_hemi-L_midthickness.surf.gii"
    nib.save(surface(AnatomicalStructurePrimary="CortexRight"), path)
    with pytest.raises(ContentError, match="swapped"):
        read_mesh(path)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("sub-01_hemi-L_space-fsaverage5_stat-effect_statmap.gii", "L"),
        ("lh.pial.surf.gii", "L"),
        ("rh.white.gii", "R"),
        ("S1200.R.midthickness_MSMAll.32k_fs_LR.surf.gii", "R"),
        ("sub-01_statmap.gii", None),
    ],
)
def test_hemispheres_in_names(name, side):
    assert hemisphere_named(name) == side


@pytest.mark.parametrize("together", [True, False])
def test_many_maps_in_one_array_or_in_one_array_each(tmp_path, together):
    values = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    arrays = (
        [array(values, "NIFTI_INTENT_NONE")]
        if together
        else [array(values[:, k], "NIFTI_INTENT_NONE", Name=f"c{k}") for k in range(3)]
    )
    nib.save(GiftiImage(darrays=arrays), tmp_path / "maps_hemi-L_statmap.gii")
    maps = read_maps(tmp_path / "maps_hemi-L_statmap.gii")
    np.testing.assert_array_equal(maps.values, values)
    assert maps.names == (("", "", "") if together else ("c0", "c1", "c2"))
    assert maps.hemisphere == "L"


def test_what_is_written_is_read_by_nilearn(tmp_path):
    from nilearn.surface import load_surf_data

    values = np.array([1.5, np.nan, -2.0, 0.0], np.float32)
    path = tmp_path / "sub-01_hemi-R_statmap.shape.gii"
    nib.save(maps_image(values, "R", ("score",)), path)
    np.testing.assert_array_equal(load_surf_data(path), values)
    again = read_maps(path)
    assert (again.hemisphere, again.names) == ("R", ("score",))
    assert nib.load(path).darrays[0].intent == nib.nifti1.intent_codes["NIFTI_INTENT_SHAPE"]


def test_files_that_are_no_surface_or_no_maps(tmp_path):
    with pytest.raises(MissingFileError):
        read_mesh(tmp_path / "none.surf.gii")
    nib.save(maps_image(np.zeros(4, np.float32), "L"), tmp_path / "maps.shape.gii")
    with pytest.raises(ContentError, match=r"\.surf\.gii"):
        read_mesh(tmp_path / "maps.shape.gii")
    nib.save(surface(faces=FACES + 5), tmp_path / "bad.surf.gii")
    with pytest.raises(ContentError, match="it has 4"):
        read_mesh(tmp_path / "bad.surf.gii")
    uneven = [array(np.zeros(n, np.float32), "NIFTI_INTENT_NONE") for n in (3, 4)]
    nib.save(GiftiImage(darrays=uneven), tmp_path / "uneven.gii")
    with pytest.raises(ContentError, match="same vertices"):
        read_maps(tmp_path / "uneven.gii")
    whole = (tmp_path / "maps.shape.gii").read_bytes()
    for content in (b"", whole[: len(whole) // 2], gzip.compress(whole), b"<GIFTI>&bad;</GIFTI>"):
        (tmp_path / "damaged.gii").write_bytes(content)
        with pytest.raises(BidsRsaError, match=r"damaged\.gii"):
            read_maps(tmp_path / "damaged.gii")
