"""Headers: units of length, impossible numbers, axes beyond the fourth."""

import gzip
import os
import struct
from pathlib import Path
from zlib import crc32

import nibabel as nib
import numpy as np
import pytest
from input_trees import AFFINE, describe, find, image, statmaps

from bids_rsa import rsa_nifti
from bids_rsa.app.preflight import check_analyses
from bids_rsa.errors import ContentError, InputError
from bids_rsa.models.loading import load_models
from bids_rsa.settings import InputSettings, RegionSettings, RsaSettings
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.images import grid_of, load_volume, n_volumes, open_image, read_volume

RSA = RsaSettings(radius_mm=4.0, min_voxels=2)


def in_unit(path, unit, per_mm):
    data = np.random.default_rng(crc32(Path(path).name.encode())).normal(size=(6, 6, 6))
    scale = np.diag([per_mm] * 3 + [1.0])
    made = nib.Nifti1Image(data.astype(np.float32), scale @ AFFINE)
    made.header.set_xyzt_units(unit)
    nib.save(made, path)
    return str(path)


@pytest.mark.parametrize(("unit", "per_mm"), [("meter", 1e-3), ("micron", 1e3), (0, 1.0)])
def test_metres_and_microns_are_read_as_such_and_mm_written(tmp_path, unit, per_mm):
    def maps(folder, *of):
        (tmp_path / folder).mkdir()
        paths = [in_unit(tmp_path / folder / f"{c}.nii.gz", *of) for c in "abcd"]
        return rsa_nifti(paths, np.arange(6.0), 0.004)

    usual, other = maps("mm", "mm", 1.0), maps("other", unit, per_mm)
    np.testing.assert_array_equal(other.get_fdata(), usual.get_fdata())
    np.testing.assert_allclose(other.affine, usual.affine, atol=1e-5)
    assert other.header.get_xyzt_units()[0] == "mm"


def test_images_in_different_units_lie_on_one_grid(tmp_path):
    one, two = (
        in_unit(tmp_path / f"{u}.nii.gz", u, f) for u, f in (("mm", 1.0), ("micron", 1000.0))
    )
    assert grid_of(open_image(one)).equals(grid_of(open_image(two)))


def damage(path, offset, form, value):
    """Write a number into the header of an uncompressed image."""
    raw = bytearray(Path(path).read_bytes())
    struct.pack_into(form, raw, offset, value)
    Path(path).write_bytes(raw)


DAMAGES = {
    "dim 3 is -18": [(46, "<h", -18)],
    "dim 1 is 0": [(42, "<h", 0)],
    "32 TiB": [(42, "<h", 32767), (44, "<h", 32767), (46, "<h", 4097)],
    "vox_offset is inf": [(108, "<f", float("inf"))],
    "vox_offset is nan": [(108, "<f", float("nan"))],
    "vox_offset is 1e30": [(108, "<f", 1e30)],
    "dim 0 is 77": [(40, "<h", 77)],
    "datatype is 9999": [(70, "<h", 9999)],
    "sform is nan": [(280, "<f", float("nan"))],
    "unit is 5": [(123, "<B", 5)],
}


@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_damaged_header_fails_its_participant_alone_and_names_the_file(tmp_path, what, ending):
    root = describe(tmp_path / "data")
    paths = statmaps(root, subs=("01", "02", "03"), runs=None)
    chosen = Path(next(p for p in paths if "sub-02" in p and "cat" in p))
    plain = chosen.with_name(chosen.name.removesuffix(".gz"))
    nib.save(nib.load(chosen), plain)
    chosen.unlink()
    for change in DAMAGES[what]:
        damage(plain, *change)
    if ending == ".nii.gz":
        import gzip

        chosen.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
        plain = chosen
    found = find(root, tmp_path)
    settings = InputSettings(str(root), models=(str(tmp_path / "model.tsv"),))
    fine, failures = check_analyses(
        found.analyses, load_models(settings), RSA, (8.0, "here"), RegionSettings()
    )
    failures = [*found.failures, *failures]
    if what == "unit is 5":  # not defined: taken for mm, as other programs do
        assert not failures
        return
    assert [checked.analysis.subject for checked in fine] == ["01", "03"]
    ((subject, error),) = failures
    assert subject == "02" and error.exit_code in (65, 74)
    assert str(plain) in error.message


def test_a_header_that_promises_more_than_the_file_holds_is_found_before_anything_is_read(tmp_path):
    path = Path(image(tmp_path / "x.nii"))
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ContentError, match=r"x.nii is truncated.* 608 bytes .*file has 607"):
        open_image(path)


@pytest.mark.parametrize("shape", [(4, 4, 4, 1, 3), (4, 4, 4, 3, 1), (4, 4, 4, 1, 1, 3)])
def test_one_further_axis_may_stand_anywhere(tmp_path, shape):
    path = image(tmp_path / "x.nii.gz", shape=shape)
    opened = open_image(path)
    assert n_volumes(opened) == 3
    values = np.squeeze(nib.load(path).get_fdata())
    for volume in range(3):
        np.testing.assert_allclose(read_volume(opened, volume), values[..., volume], rtol=1e-6)


def test_two_further_axes_are_refused_everywhere(tmp_path):
    path = image(tmp_path / "x.nii.gz", shape=(4, 4, 4, 2, 2))
    for use in (
        lambda: n_volumes(open_image(path)),
        lambda: load_volume(path, 1),
        lambda: rsa_nifti(path, np.arange(6.0)),
        lambda: find(tmp_path, tmp_path, betas=("{subject}.nii.gz",), labels=_labels(tmp_path)),
    ):
        with pytest.raises(ContentError, match=r"x.nii.gz has shape \(4, 4, 4, 2, 2\)"):
            use()


def _labels(folder):
    (folder / "labels.tsv").write_text("condition\nface\nhouse\ncat\nshoe\n")
    return str(folder / "labels.tsv")


def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.nii.gz")
    with pytest.raises(InputError, match=r"x.nii.gz is no regular file"):
        open_image(tmp_path / "x.nii.gz")


def outcome(read, path):
    """What reading a header gives: grid and volumes, or the error and its message."""
    try:
        shape, affine, count = read(path)
    except ContentError as error:
        return str(error)
    return shape, np.round(affine, 6).tolist(), count


def through_nibabel(path):
    opened = open_image(path)
    grid = grid_of(opened)
    return grid.shape, grid.affine, n_volumes(opened)


def through_header(path):
    found = header_of(path)
    return found.grid.shape, found.grid.affine, found.n_volumes


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_headers_known_from_other_files_say_what_nibabel_says(tmp_path, ending, order):
    header = nib.Nifti1Header(endianness=order)
    header.set_data_shape((5, 6, 7, 3))
    header.set_sform(AFFINE, 1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    plain = bytearray(header.binaryblock) + bytes(4)
    data = np.random.default_rng(1).integers(0, 255, 4 * 5 * 6 * 7 * 3).astype(np.uint8).tobytes()
    rng = np.random.default_rng(7)
    write = gzip.compress if ending.endswith("gz") else bytes
    for number in range(300):
        changed = bytearray(plain)
        for at in rng.integers(0, 348, rng.integers(0, 3)):
            changed[at] = rng.integers(256)
        path = str(tmp_path / f"{number}{ending}")
        cut = rng.integers(0, 40) if number % 5 == 0 else len(data)
        Path(path).write_bytes(write(bytes(changed) + data[:cut]))
        assert outcome(through_header, path) == outcome(through_nibabel, path)


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    path = tmp_path / "a.nii.gz"
    for shape in ((4, 5, 6), (6, 5, 4)):
        nib.save(nib.Nifti1Image(np.ones(shape, np.float32), AFFINE), path)
        assert header_of(path).grid.shape == shape
