"""Volume images to arrays and back."""

from __future__ import annotations

import os
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip
from nibabel.arrayproxy import ArrayProxy
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import (
    ContentError,
)
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.read_errors import reading, refuse_truncated
from bids_rsa.tables import expanded, refuse_special

_MM_PER_UNIT = {"meter": 1000.0, "micron": 0.001}
_SMALL_INTEGERS = ("int8", "uint8", "int16", "uint16")


def image_name(image: object) -> str:
    """Name an image for a message: its path, or what it is."""
    if isinstance(image, str | os.PathLike):
        return os.fspath(image)
    get_filename = getattr(image, "get_filename", None)
    name = get_filename() if get_filename is not None else None
    return name or f"the {type(image).__name__} in memory"


def grid_of(image: SpatialImage) -> Grid:
    """Get the grid of an image's three spatial axes, in mm whatever unit the header names.

    Raises
    ------
    ContentError
        If the image has fewer than three axes, or its affine cannot be inverted.
    """
    if len(image.shape) < 3:
        raise ContentError(f"{image_name(image)} has shape {image.shape}; a 3D image is expected.")
    if image.affine is None:
        raise ContentError(
            f"{image_name(image)} has no affine: the position of its voxels is unknown."
        )
    affine = np.array(image.affine, dtype=np.float64)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ContentError(
            f"The affine of {image_name(image)} cannot be inverted: {affine.tolist()}.",
            "Correct the header's sform or qform.",
        )
    affine[:3] *= _MM_PER_UNIT.get(_unit(image), 1.0)
    return Grid(tuple(int(n) for n in image.shape[:3]), affine)


def _unit(image: SpatialImage) -> str:
    """Name the unit of a NIfTI header's lengths; unknown units, and other formats, are mm."""
    header = getattr(image, "header", None)
    if not isinstance(header, nib.Nifti1Header):
        return "mm"
    try:
        return str(header.get_xyzt_units()[0])
    except KeyError:  # a code that NIfTI does not define
        return "unknown"


def open_image(path: str | os.PathLike[str]) -> SpatialImage:
    """Open an image file without reading its data.

    Compressed NIfTI and MGH streams are read through isal: nibabel's own readers take from 1.3
    times (gzip) to 4 times (indexed_gzip, where installed) as long.

    Raises
    ------
    MissingFileError, ContentError, ReadWriteError
        If there is no such file, it is no image, or it cannot be read.
    """
    path = expanded(path)
    name = os.fspath(path)
    with reading(path):
        refuse_special(path, "an image file")
        if not name.endswith((".nii.gz", ".mgz")):
            image = nib.load(name)
        else:
            stream = igzip.open(name, "rb")
            if name.endswith(".mgz"):
                image = nib.MGHImage.from_stream(stream)
            else:
                start = stream.read(4)
                stream.seek(0)
                second = start in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")  # header of 540 bytes
                image = (nib.Nifti2Image if second else nib.Nifti1Image).from_stream(stream)
            image.file_map["image"].filename = name
        if not isinstance(image, SpatialImage):
            raise ContentError(f"{name} is a {type(image).__name__}; a volume image is expected.")
        _check_header(image, name)
    return image


def _check_header(image: SpatialImage, name: str) -> None:
    """Refuse a header that promises an impossible shape, or more data than the file can hold.

    Raises
    ------
    ContentError
        With the header's numbers and the file's size.
    """
    if any(n < 1 for n in image.shape):
        raise ContentError(
            f"{name}: its header says that the image has shape {tuple(map(int, image.shape))}.",
            "The header is damaged: copy or write the file again.",
        )
    proxy, holder = image.dataobj, (image.file_map or {}).get("image")
    file = getattr(holder, "filename", None)
    if not isinstance(proxy, ArrayProxy) or file is None:
        return
    # the data of AFNI and ANALYZE are in a separate file
    refuse_truncated(name, str(file), proxy.offset, image.shape, proxy.dtype)


def n_volumes(image: SpatialImage) -> int:
    """Count the volumes of an image; axes of length 1 don't count.

    Raises
    ------
    ContentError
        More than one further axis: how their values follow each other means nothing here.
    """
    further = [n for n in image.shape[3:] if n > 1]
    if len(further) > 1:
        raise ContentError(
            f"{image_name(image)} has shape {tuple(image.shape)}, with {len(further)} axes behind "
            "the three of space; one axis of volumes is expected.",
            "Split it into 3D or 4D images.",
        )
    return further[0] if further else 1


def as_float(data: NDArray[Any], name: str) -> NDArray[Any]:
    """Convert to float32 where that contains every stored value, else to float64."""
    if data.dtype.kind not in "fiub":
        raise ContentError(f"{name} contains {data.dtype} values; real numbers are expected.")
    if data.dtype.kind == "f":
        target = np.float32 if data.dtype.itemsize <= 4 else np.float64
    else:
        exact = data.dtype.kind == "b" or data.dtype.newbyteorder("=").name in _SMALL_INTEGERS
        target = np.float32 if exact else np.float64
    return np.asarray(data, dtype=target)


def read_volume(image: SpatialImage, volume: int | None = None) -> NDArray[Any]:
    """Read one volume of an open image.

    Parameters
    ----------
    image : SpatialImage
        3D or 4D.
    volume : int, optional
        0-based index of the volume; None asks for a 3D image.

    Returns
    -------
    data : ndarray, shape (X, Y, Z), float32 or float64
        Unscaled values are float32 where that is exact.

    Raises
    ------
    ContentError
        If the image is 4D and no volume is asked for, there is no such volume, or the data end
        early.
    """
    name, count = image_name(image), n_volumes(image)
    if len(image.shape) < 3:
        raise ContentError(f"{name} has shape {image.shape}; a 3D image is expected.")
    if volume is None and count != 1:
        raise ContentError(
            f"{name} is 4D with {count} volumes (shape {image.shape}); a 3D image is expected.",
            "Name the volume, or split the file into one file for each volume.",
        )
    if volume is not None and not 0 <= volume < count:
        raise ContentError(f"{name} has {count} volumes; volume {volume} (from 0) is not there.")
    trailing = np.unravel_index(volume or 0, image.shape[3:], order="F")
    with reading(name):
        data = np.asanyarray(image.dataobj[(..., *map(int, trailing))])
        if (volume or 0) == count - 1:
            _check_end(image)
    return as_float(data, name)


def _check_end(image: SpatialImage) -> None:
    """Let the decompressor reach the checksum, so that a cut or damaged end is noticed."""
    stream = image.file_map["image"].fileobj if image.file_map else None
    if isinstance(stream, igzip.IGzipFile):
        stream.read(1)


def load_volume(path: str | os.PathLike[str], volume: int | None = None) -> tuple[Any, Grid]:
    """Read one 3D volume and its grid from a file; errors as in `open_image`, `read_volume`."""
    image = open_image(path)
    return read_volume(image, volume), grid_of(image)


def volume_image(
    data: NDArray[Any], affine: NDArray[np.float64], template: SpatialImage | None = None
) -> nib.Nifti1Image:
    """Make a NIfTI image of the data's own type; space codes and units are the template's."""
    header = nib.Nifti1Header()
    header.set_data_dtype(data.dtype)
    header.set_xyzt_units("mm")
    given = getattr(template, "header", None)
    if isinstance(given, nib.Nifti1Header):  # the image keeps the affine's double precision
        header.set_sform(affine, int(given["sform_code"]) or 2)
        header.set_qform(affine, int(given["qform_code"]) or 2, strip_shears=True)
    return nib.Nifti1Image(data, affine, header)
