"""CIFTI-2 dense scalars and series: where their grayordinates are, and their maps."""

from __future__ import annotations

import hashlib
import html
import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis, SeriesAxis
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout
from bids_rsa.spaces.images import as_float
from bids_rsa.spaces.read_errors import reading
from bids_rsa.tables import refuse_special


@dataclass(frozen=True, eq=False)
class OpenCifti:
    """An open file: its layout, the names of its maps, and its values (..., n_maps, n).

    Maps of a series have no names; ``step`` is the time from each to the next and its unit, 0 where
    the file does not say it in seconds.
    """

    path: str
    layout: GrayordinateLayout
    names: tuple[str, ...]
    values: Any
    step: tuple[float, str] = (0.0, "unknown")


# by the text that describes them: nibabel takes 0.3 s for 91,000 grayordinates, and the files of a
# study have the same
_KNOWN: dict[bytes, GrayordinateLayout] = {}
_MOST_KNOWN = 16
_MODELS = re.compile(
    rb"<MatrixIndicesMap[^>]*CIFTI_INDEX_TYPE_BRAIN_MODELS.*?</MatrixIndicesMap>", re.S
)
_NAME = re.compile(rb"<MapName>(.*?)</MapName>|<MapName\s*/>", re.S)
_CIFTI_CODE = 32
SERIES_ENDING = ".dtseries.nii"
_SERIES = re.compile(rb"<MatrixIndicesMap[^>]*CIFTI_INDEX_TYPE_SERIES[^>]*>")
_ATTRIBUTE = re.compile(rb"(\w+)\s*=\s*[\"']([^\"']*)")


def open_cifti(path: str | os.PathLike[str]) -> OpenCifti:
    """Open a dense scalar file, or a dense series, without reading its values.

    Raises
    ------
    MissingFileError, ContentError, InputError, ReadWriteError
        No such file, it is damaged, or contains something else than maps of grayordinates.
    """
    name = os.fspath(path)
    with reading(name):
        refuse_special(name, "an image file")
        volume = nib.Nifti2Image.from_filename(name)
        text = _description(name, volume.header.endianness)
    models = _MODELS.search(text)
    key = hashlib.sha256(models[0]).digest() if models else b""
    others = text.replace(models[0], b"") if models else text
    wanted = b"CIFTI_INDEX_TYPE_SERIES" if name.endswith(SERIES_ENDING) else b"_TYPE_SCALARS"
    if key not in _KNOWN or wanted not in others:
        layout = _parsed(name)
        while len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.pop(next(iter(_KNOWN)))
        _KNOWN[key] = layout
    layout = _KNOWN[key]
    found = (match[1] or b"" for match in _NAME.finditer(others))
    names = tuple(html.unescape(one.decode("utf-8", "replace")) for one in found)
    step = (0.0, "unknown")
    if name.endswith(SERIES_ENDING):
        n_points, step = _series(others)
        names = ("",) * n_points
    if volume.shape[-2:] != (len(names), layout.n_locations):
        raise ContentError(
            f"{name} contains values of shape {volume.shape[-2:]}, and its header describes "
            f"{len(names)} maps of {layout.n_locations} grayordinates.",
            "Write the file again.",
        )
    return OpenCifti(name, layout, names, volume.dataobj, step)


def _series(text: bytes) -> tuple[int, tuple[float, str]]:
    """Read how many points a series has, and the time from each to the next."""
    found = _SERIES.search(text)
    values = dict(_ATTRIBUTE.findall(found[0])) if found else {}
    try:
        step = float(values[b"SeriesStep"]) * 10 ** int(values.get(b"SeriesExponent", 0))
        n_points = int(values[b"NumberOfSeriesPoints"])
    except (KeyError, ValueError):
        return 0, (0.0, "unknown")
    seconds = values.get(b"SeriesUnit", b"SECOND").upper() == b"SECOND"
    return n_points, (step, "sec") if seconds else (0.0, "unknown")


def _description(name: str, endianness: str) -> bytes:
    """Read the XML of a CIFTI file, which is an extension of its header; nothing without one."""
    with Path(name).open("rb") as file:
        file.seek(540)  # behind a NIfTI-2 header
        has_extensions = file.read(4)[:1] != b"\0"
        while has_extensions and len(start := file.read(8)) == 8:
            size, code = struct.unpack(f"{endianness}ii", start)
            if size < 8:
                break
            content = file.read(size - 8)
            if code == _CIFTI_CODE:
                return content
    return b""


def _parsed(name: str) -> GrayordinateLayout:
    """Let nibabel read the description of a file.

    Raises
    ------
    ContentError
        It is no CIFTI file of maps, or of a series, of grayordinates.
    """
    kind = SeriesAxis if name.endswith(SERIES_ENDING) else ScalarAxis
    with reading(name):
        image = nib.load(name)
        if not isinstance(image, Cifti2Image):
            raise ContentError(f"{name} is a {type(image).__name__}; CIFTI-2 is expected.")
        axes = [image.header.get_axis(k) for k in range(image.ndim)]
    if len(axes) != 2 or not isinstance(axes[0], kind):
        found = ", ".join(type(axis).__name__ for axis in axes)
        what = "a series" if kind is SeriesAxis else "maps"
        raise ContentError(
            f"{name} has the axes {found}; {what} ({kind.__name__}) of grayordinates "
            "(BrainModelAxis) are expected.",
            "Give a .dtseries.nii file." if kind is SeriesAxis else "Give a .dscalar.nii file.",
        )
    if not isinstance(axes[1], BrainModelAxis):
        raise ContentError(
            f"{name} contains values of {type(axes[1]).__name__}, not grayordinates."
        )
    return GrayordinateLayout.of_axis(axes[1], name)


def read_cifti_map(opened: OpenCifti, number: int) -> NDArray[Any]:
    """Read one map (n_grayordinates,), float32 or float64."""
    with reading(opened.path):
        data = np.asanyarray(opened.values[0, 0, 0, 0, number])
    return as_float(data, opened.path)


def scalar_image(
    values: NDArray[Any], layout: GrayordinateLayout, names: tuple[str, ...] = ()
) -> Cifti2Image:
    """Make a dense scalar image of values (n_grayordinates,) or (n_grayordinates, n_maps)."""
    columns = np.asarray(values, dtype=np.float32).reshape(len(values), -1)
    given = names or tuple("" if columns.shape[1] == 1 else str(k) for k in range(columns.shape[1]))
    header = nib.cifti2.Cifti2Header.from_axes((ScalarAxis(list(given)), layout.axis()))
    image = Cifti2Image(np.ascontiguousarray(columns.T), header=header)
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SCALARS")
    image.update_headers()
    return image
