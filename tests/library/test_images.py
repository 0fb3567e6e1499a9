import gzip
import os

import nibabel as nib
import numpy as np
import pytest
from volumes import ANISOTROPIC, OBLIQUE, SHAPE, noise, reoriented, volume

from bids_rsa.errors import BidsRsaError, ContentError, InputError, MissingFileError
from bids_rsa.outputs.whole_files import save_image
from bids_rsa.spaces.grid import Grid, on_grid, reorder, resample_nearest
from bids_rsa.spaces.images import (
    as_float,
    grid_of,
    load_volume,
    open_image,
    read_volume,
    volume_image,
)
from bids_rsa.spaces.masks import load_mask

DATA = noise(1, dtype=np.float32)[..., 0]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.nii", nib.Nifti1Image),
        ("x.nii.gz", nib.Nifti1Image),
        ("x.nii", nib.Nifti2Image),
        ("x.nii.gz", nib.Nifti2Image),
        ("x.mgh", nib.MGHImage),
        ("x.mgz", nib.MGHImage),
        ("x.img", nib.Nifti1Pair),
    ],
)
def test_reads_what_nibabel_writes(tmp_path, name, kind):
    nib.save(kind(DATA, OBLIQUE), tmp_path / name)
    data, grid = load_volume(tmp_path / name)
    assert isinstance(open_image(tmp_path / name), kind)
    assert data.dtype == np.float32
    np.testing.assert_array_equal(data, DATA)
    np.testing.assert_allclose(grid.affine, OBLIQUE, atol=1e-5)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("stored", ["i2", "f4", "f8", "i4"])
def test_values_are_exact_whatever_the_storage(tmp_path, endian, stored):
    values = (DATA * 1000).astype(endian + stored)
    header = nib.Nifti1Header(endianness=endian)
    header.set_data_dtype(values.dtype)
    nib.save(nib.Nifti1Image(values, np.eye(4), header), tmp_path / "x.nii.gz")
    data, _ = load_volume(tmp_path / "x.nii.gz")
    assert data.dtype == (np.float32 if stored in ("i2", "f4") else np.float64)
    assert data.dtype.isnative
    np.testing.assert_array_equal(data, values)


def test_scaled_integers_are_scaled_in_double_precision(tmp_path):
    image = nib.Nifti1Image((DATA * 1000).astype("i2"), np.eye(4))
    image.header.set_slope_inter(0.1, 3)
    nib.save(image, tmp_path / "x.nii.gz")
    data, _ = load_volume(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(data, nib.load(tmp_path / "x.nii.gz").get_fdata())


def test_complex_values_are_refused():
    with pytest.raises(ContentError, match=r"complex.*real numbers"):
        as_float(np.zeros(3, complex), "x")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_one_volume_of_a_4d_file(tmp_path, suffix):
    series = noise(5, dtype=np.float32)
    nib.save(volume(series), tmp_path / f"x{suffix}")
    image = open_image(tmp_path / f"x{suffix}")
    for index in (0, 3, 4, 1):  # forwards and backwards
        np.testing.assert_array_equal(read_volume(image, index), series[..., index])
    with pytest.raises(ContentError, match=r"4D with 5 volumes.*3D image is expected"):
        read_volume(image)
    with pytest.raises(ContentError, match="has 5 volumes; volume 5"):
        read_volume(image, 5)


def test_axes_of_length_one_do_not_count(tmp_path):
    series = noise(4, dtype=np.float32)
    nib.save(volume(series[:, :, :, None]), tmp_path / "afni.nii.gz")  # AFNI's fourth axis is time
    np.testing.assert_array_equal(
        read_volume(open_image(tmp_path / "afni.nii.gz"), 2), series[..., 2]
    )
    nib.save(volume(series[..., :1]), tmp_path / "one.nii.gz")
    np.testing.assert_array_equal(load_volume(tmp_path / "one.nii.gz")[0], series[..., 0])


def _bad_files(folder):
    nib.save(volume(DATA), folder / "good.nii.gz")
    nib.save(volume(DATA), folder / "good.nii")
    packed, plain = (folder / "good.nii.gz").read_bytes(), (folder / "good.nii").read_bytes()
    (folder / "cut.nii.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "cut-in-the-checksum.nii.gz").write_bytes(packed[:-3])
    (folder / "header-only.nii.gz").write_bytes(gzip.compress(plain[:352]))
    (folder / "cut.nii").write_bytes(plain[: len(plain) // 2])
    (folder / "text.nii.gz").write_text("this is no image")
    (folder / "text.nii").write_text("this is no image")
    (folder / "empty.nii.gz").write_bytes(b"")
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 255
    (folder / "flipped.nii.gz").write_bytes(flipped)
    (folder / "zipped-text.nii.gz").write_bytes(gzip.compress(b"this is no image" * 50))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cut.nii.gz", "truncated"),
        ("cut-in-the-checksum.nii.gz", "truncated"),
        ("header-only.nii.gz", "Expected 840 bytes, got 0 bytes"),
        ("cut.nii", "promises 1,192 bytes.* the file has 596"),
        ("text.nii.gz", "named as a gzip-compressed image, but it is none.*this is no imag"),
        ("text.nii", "cannot be read as an image"),
        ("empty.nii.gz", "named as a gzip-compressed image, but it is none: it is empty"),
        ("flipped.nii.gz", "cannot be read as an image"),
        ("zipped-text.nii.gz", "cannot be read as an image"),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(tmp_path, name, says):
    _bad_files(tmp_path)
    with pytest.raises(ContentError, match=says) as caught:
        load_volume(tmp_path / name)
    assert name in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 65


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(MissingFileError, match=r"no file .*x.nii.gz") as caught:
        load_volume(tmp_path / "x.nii.gz")
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.exit_code == 66
    with pytest.raises(InputError, match="is a folder"):
        load_volume(tmp_path)


def test_a_link_that_leads_nowhere_says_datalad_get(tmp_path):
    (tmp_path / "x.nii.gz").symlink_to(".git/annex/objects/gone")
    with pytest.raises(MissingFileError, match="annex/objects/gone") as caught:
        load_volume(tmp_path / "x.nii.gz")
    assert "datalad get" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("/annex/objects/MD5E-s18--ab.nii.gz\n", ["git-annex", "datalad get"]),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", ["LFS", "git lfs pull"]),
    ],
)
@pytest.mark.parametrize("name", ["x.nii.gz", "x.nii"])
def test_a_pointer_says_how_to_get_the_content(tmp_path, content, words, name):
    (tmp_path / name).write_text(content)
    with pytest.raises(ContentError, match=r"only .* pointer") as caught:
        load_volume(tmp_path / name)
    for word in [*words, name]:
        assert word in str(caught.value)


def test_an_affine_without_inverse_is_refused():
    with pytest.raises(ContentError, match="cannot be inverted"):
        grid_of(nib.spatialimages.SpatialImage(DATA, np.diag([2.0, 0, 2, 1])))


@pytest.mark.parametrize("codes", ["RAS", "LPI", "SRA", "ASL", "IPR"])
@pytest.mark.parametrize("affine", [ANISOTROPIC, OBLIQUE])
def test_the_same_voxels_in_another_orientation_are_reordered(codes, affine):
    image = volume(DATA, affine)
    turned = reoriented(image, codes)
    back = reorder(turned.get_fdata(), grid_of(turned), grid_of(image))
    np.testing.assert_array_equal(back, DATA)


@pytest.mark.parametrize(("shift", "same"), [(5e-4, True), (5e-3, False), (2.0, False)])
def test_grids_agree_to_a_thousandth_of_a_millimetre(shift, same):
    moved = ANISOTROPIC.copy()
    moved[0, 3] += shift
    source, target = Grid(SHAPE, moved), Grid(SHAPE, ANISOTROPIC)
    assert (reorder(DATA, source, target) is not None) == same
    turned = reoriented(volume(DATA, moved), "PSR")
    assert (reorder(turned.get_fdata(), grid_of(turned), target) is not None) == same


def test_different_grids_are_shown_with_what_differs():
    other = Grid((7, 6, 4), np.diag([2.0, 3.0, 5.0, 1.0]))
    with pytest.raises(ContentError) as caught:
        on_grid(np.zeros(other.shape), other, Grid(SHAPE, ANISOTROPIC), "b.nii", "a.nii")
    text = str(caught.value)
    for part in ("shapes", "voxel sizes", "7 x 6 x 5", "7 x 6 x 4", "a.nii", "b.nii", "0 0 5 0"):
        assert part in text


def test_masks_from_another_grid_take_the_nearest_voxel():
    rng = np.random.default_rng(1)
    source = Grid((9, 8, 7), np.diag([1.7, 2.1, 1.9, 1.0]) @ _shift(-1.3, 1.9, 0.7))
    target = Grid(SHAPE, OBLIQUE @ _shift(-0.2, 0.4, 0.1))
    target.affine[:3, 3] = [3.0, 2.0, 1.0]
    mask = rng.random(source.shape) > 0.5
    expected = np.zeros(target.shape, bool)
    for index in np.ndindex(target.shape):
        world = target.affine @ [*index, 1]
        nearest = np.rint(np.linalg.solve(source.affine, world)[:3]).astype(int)
        if (nearest >= 0).all() and (nearest < source.shape).all():
            expected[index] = mask[tuple(nearest)]
    assert expected.any()
    np.testing.assert_array_equal(resample_nearest(mask, source, target), expected)


def _shift(*mm):
    matrix = np.eye(4)
    matrix[:3, 3] = mm
    return matrix


def test_a_mask_is_reordered_or_resampled_by_its_affine_and_says_so():
    grid = Grid(SHAPE, ANISOTROPIC)
    inside = DATA > 0.3
    data = np.where(inside, 2.0, 0.0)
    data[0, 0, 0] = np.nan
    inside[0, 0, 0] = False
    image = volume(data)
    same = load_mask(image, grid, "brain mask")
    turned = load_mask(reoriented(image, "SLP"), grid, "brain mask")
    np.testing.assert_array_equal(same.voxels, inside)
    np.testing.assert_array_equal(turned.voxels, inside)
    assert same.note == ""
    assert "reordered" in turned.note
    fine = volume(np.kron(inside, np.ones((2, 2, 2))), ANISOTROPIC @ np.diag([0.5, 0.5, 0.5, 1]))
    fine.affine[:3, 3] = 0
    moved = Grid(SHAPE, ANISOTROPIC @ _shift(0.25, 0.25, 0.25))
    resampled = load_mask(fine, moved, "brain mask")
    np.testing.assert_array_equal(resampled.voxels, inside)
    assert "resampled" in resampled.note


def test_masks_without_voxels_are_refused():
    grid = Grid(SHAPE, ANISOTROPIC)
    with pytest.raises(ContentError, match=r"ROI mask .* is empty"):
        load_mask(volume(np.zeros(SHAPE)), grid, "ROI mask")
    with pytest.raises(ContentError, match="empty"):
        load_mask(volume(np.full(SHAPE, np.nan)), grid, "ROI mask")
    far = volume(np.ones(SHAPE), ANISOTROPIC @ _shift(1000, 0, 0))
    with pytest.raises(ContentError, match="shares no voxel with the images"):
        load_mask(far, grid, "ROI mask")
    with pytest.raises(ContentError, match="4D with 3 volumes"):
        load_mask(volume(noise(3)), grid, "ROI mask")


def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "sub" / "map.nii.gz"
    save_image(volume_image(DATA, ANISOTROPIC), path)
    first = path.read_bytes()
    np.testing.assert_array_equal(load_volume(path)[0], DATA)

    def fails(image, name):
        nib.Nifti1Image.to_filename(image, name)
        os.truncate(name, 100)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fails)
    with pytest.raises(BidsRsaError, match=r"map.nii.gz failed: No space left") as caught:
        save_image(volume_image(DATA + 1, ANISOTROPIC), path)
    assert caught.value.exit_code == 74
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["map.nii.gz"]


def test_saved_bytes_do_not_depend_on_time_or_name(tmp_path):
    save_image(volume_image(DATA, OBLIQUE), tmp_path / "a.nii.gz")
    save_image(volume_image(DATA, OBLIQUE), tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_a_map_keeps_the_space_code_but_not_the_type_of_its_template():
    template = nib.Nifti1Image((DATA * 10).astype("i2"), OBLIQUE)
    template.header.set_slope_inter(0.5, 1)
    template.set_sform(OBLIQUE, 4)
    made = volume_image(DATA.astype(np.float64), OBLIQUE, template)
    assert made.get_data_dtype() == np.float64
    assert int(made.header["sform_code"]) == 4
    np.testing.assert_array_equal(made.affine, OBLIQUE)
    np.testing.assert_array_equal(made.get_fdata(), DATA.astype(np.float64))
