"""GIFTI: triangle meshes, maps on their vertices, and labels; left and right by what files say."""

from __future__ import annotations

import binascii
import gzip
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from xml.parsers import expat

import nibabel as nib
import numpy as np
from nibabel.gifti import (
    GiftiDataArray,
    GiftiImage,
    GiftiLabel,
    GiftiLabelTable,
    GiftiMetaData,
)
from nibabel.gifti.parse_gifti_fast import GiftiImageParser
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.gifti_external import refuse_missing_external
from bids_rsa.spaces.images import as_float, reading, refuse_special

Hemisphere = Literal["L", "R"]
STRUCTURES: dict[Hemisphere, str] = {"L": "CortexLeft", "R": "CortexRight"}
STRUCTURE_KEY = "AnatomicalStructurePrimary"
TIME_KEY = "TimeStep"
_BUFFER_BYTES = 2**20
# what {hemi} in a path may stand for: BIDS' and FreeSurfer's names
_IN_PATHS: dict[Hemisphere, tuple[str, ...]] = {
    "L": ("L", "lh", "left"), "R": ("R", "rh", "right"),
}  # fmt: skip
# hemi-L of BIDS; lh. of FreeSurfer; .L. of the Human Connectome Project
_NAMED = (
    re.compile(r"(?:^|_)hemi-([LR])(?:_|\.)"),
    re.compile(r"^([lr])h\."),
    re.compile(r"\.([LR])\."),
)


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Parameters
    ----------
    coordinates_mm : ndarray, shape (n_vertices, 3), float64
    triangles : ndarray, shape (n_triangles, 3), int32
    hemisphere : {"L", "R"} or None
        What the file says; None where it says nothing.
    path : str
    """

    coordinates_mm: NDArray[np.float64]
    triangles: NDArray[np.int32]
    hemisphere: Hemisphere | None
    path: str


@dataclass(frozen=True, eq=False)
class VertexMaps:
    """Maps on the vertices of one hemisphere.

    Parameters
    ----------
    values : ndarray, shape (n_vertices, n_maps), float32 or float64
    names : tuple of str
        Of each map; empty texts where the file has none.
    hemisphere : {"L", "R"} or None
    path : str
    time_step : float
        ``TimeStep`` of its metadata, in whatever unit; 0 where it has none.
    """

    values: NDArray[Any]
    names: tuple[str, ...]
    hemisphere: Hemisphere | None
    path: str
    time_step: float = 0.0


def open_gifti(path: str | os.PathLike[str]) -> GiftiImage:
    """Read a GIFTI file.

    Raises
    ------
    MissingFileError, ContentError, InputError, ReadWriteError
        No such file, or it is damaged or no GIFTI file.
    """
    with reading(path):
        refuse_special(path)
        refuse_missing_external(path)
        try:
            image = nib.load(path)
        except Exception as error:  # expat's and base64's errors share no class but this one
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise ContentError(
                f"{os.fspath(path)} cannot be read as GIFTI: {error}.", "Write the file again."
            ) from error
    if not isinstance(image, GiftiImage):
        raise ContentError(f"{os.fspath(path)} is a {type(image).__name__}; GIFTI is expected.")
    return image


def read_mesh(path: str | os.PathLike[str]) -> Mesh:
    """Read a surface: one array of coordinates and one of triangles.

    Raises
    ------
    ContentError
        Other arrays, coordinates that are not finite, triangles of vertices that are not there.
    """
    image, name = open_gifti(path), os.fspath(path)
    points = image.get_arrays_from_intent("NIFTI_INTENT_POINTSET")
    faces = image.get_arrays_from_intent("NIFTI_INTENT_TRIANGLE")
    if len(points) != 1 or len(faces) != 1:
        raise ContentError(
            f"{name} holds {len(points)} arrays of coordinates and {len(faces)} of triangles; a "
            "surface has one of each.",
            "Give a .surf.gii file.",
        )
    coordinates = np.asarray(points[0].data, dtype=np.float64)
    triangles = np.asarray(faces[0].data)
    if coordinates.ndim != 2 or coordinates.shape[1] != 3 or not np.isfinite(coordinates).all():
        raise ContentError(f"{name}: its coordinates are not finite triples.")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        raise ContentError(f"{name}: its triangles are not triples of whole numbers.")
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(coordinates)):
        raise ContentError(
            f"{name}: its triangles name vertices {triangles.min()} to {triangles.max()}, and it "
            f"has {len(coordinates)}."
        )
    return Mesh(coordinates, triangles.astype(np.int32), hemisphere_of(image, name), name)


def read_maps(path: str | os.PathLike[str]) -> VertexMaps:
    """Read maps: one array a map, or one two-dimensional array of all.

    Raises
    ------
    ContentError
        No array, or arrays of different lengths.
    """
    image, name = open_gifti(path), os.fspath(path)
    arrays = [array for array in image.darrays if array.data is not None]
    lengths = sorted({len(array.data) for array in arrays})
    if len(lengths) != 1 or any(array.data.ndim > 2 for array in arrays):
        found = ", ".join(dict.fromkeys(str(array.data.shape) for array in arrays)) or "none"
        raise ContentError(
            f"{name} holds arrays of shape {found}; maps of the same vertices are expected."
        )
    columns = [array.data.reshape(lengths[0], -1) for array in arrays]
    names = [
        str(array.meta.get("Name", "")) if block.shape[1] == 1 else ""
        for array, block in zip(arrays, columns, strict=True)
        for _ in range(block.shape[1])
    ]
    values = as_float(np.concatenate(columns, axis=1), name)
    metas = [image.meta, *(array.meta for array in image.darrays)]
    return VertexMaps(values, tuple(names), hemisphere_of(image, name), name, time_step_of(metas))


def time_step_of(metas: Iterable[Mapping[str, str]]) -> float:
    """Find the time between two maps in the metadata of a file: FreeSurfer writes s, AFNI ms."""
    for meta in metas:
        try:
            return float(meta[TIME_KEY])
        except (KeyError, ValueError):
            continue
    return 0.0


class _Streaming(GiftiImageParser):
    """Hands each array over when it was read, and keeps none."""

    def __init__(self, take: Callable[[NDArray[Any]], None]) -> None:
        super().__init__(buffer_size=_BUFFER_BYTES)
        self._take = take

    def EndElementHandler(self, name: str) -> None:  # noqa: N802 - nibabel's name
        """Hand over the values of an array."""
        super().EndElementHandler(name)
        if name == "Data":
            self._take(self.da.data)
            self.da.data = None


def stream_arrays(path: str, take: Callable[[NDArray[Any]], None]) -> None:
    """Read the arrays of a file one after the other, each given to a function.

    A series of volumes is larger than what is kept of it, which is why the file is not read as a
    whole.

    Raises
    ------
    MissingFileError, ContentError, InputError, ReadWriteError
        No such file, or it is damaged.
    """
    with reading(path):
        refuse_special(path)
        refuse_missing_external(path)
        opener: Callable[..., Any] = gzip.open if path.endswith(".gz") else open
        try:
            with opener(path, "rb") as file:
                _Streaming(take).parse(fptr=file)
        except (expat.ExpatError, binascii.Error, AssertionError) as error:
            raise ContentError(
                f"{path} cannot be read as GIFTI: {error}.", "Write the file again."
            ) from error


def hemisphere_of(image: GiftiImage, name: str) -> Hemisphere | None:
    """Find the hemisphere that a file is of: by its metadata, else by its name.

    Raises
    ------
    ContentError
        Metadata and name contradict each other.
    """
    metas = [image.meta, *(array.meta for array in image.darrays)]
    told = {str(meta.get(STRUCTURE_KEY, "")) for meta in metas}
    inside = {side for side, structure in STRUCTURES.items() if structure in told}
    named = hemisphere_named(name)
    if len(inside) > 1 or (inside and named is not None and named not in inside):
        structures = ", ".join(STRUCTURES[side] for side in sorted(inside))
        raise ContentError(
            f"{name}: its metadata say {structures}" + (f", its name hemi-{named}." * bool(named)),
            "Left and right may have been swapped: check which hemisphere the file is of.",
        )
    return next(iter(inside), named)


def of_hemisphere(pattern: str, side: Hemisphere) -> str:
    """Replace ``{hemi}`` in a path by L, lh or left (R, rh or right): the first that is a file."""
    named = [pattern.replace("{hemi}", name) for name in _IN_PATHS[side]]
    return next((path for path in named if Path(path).is_file()), named[0])


def hemisphere_named(name: str) -> Hemisphere | None:
    """Find the hemisphere in a file name."""
    for pattern in _NAMED:
        if found := pattern.search(Path(name).name):
            return "L" if found.group(1).upper() == "L" else "R"
    return None


def maps_image(
    values: NDArray[Any], hemisphere: Hemisphere, names: tuple[str, ...] = (),
    intent: str = "NIFTI_INTENT_SHAPE",
) -> GiftiImage:  # fmt: skip
    """Make a GIFTI image of maps.

    Parameters
    ----------
    values : ndarray, shape (n_vertices,) or (n_vertices, n_maps)
    hemisphere : {"L", "R"}
    names : tuple of str
        Of each map.
    intent : str
    """
    columns = np.asarray(values).reshape(len(values), -1)
    kind = "NIFTI_TYPE_INT32" if columns.dtype.kind in "iub" else "NIFTI_TYPE_FLOAT32"
    stored = columns.astype(np.int32 if columns.dtype.kind in "iub" else np.float32)
    arrays = [
        GiftiDataArray(
            np.ascontiguousarray(stored[:, k]),
            intent=intent,
            datatype=kind,
            meta=GiftiMetaData({"Name": names[k]} if names else {}),
        )
        for k in range(stored.shape[1])
    ]
    meta = GiftiMetaData({STRUCTURE_KEY: STRUCTURES[hemisphere]})
    return GiftiImage(meta=meta, darrays=arrays)


def write_series(
    path: str | os.PathLike[str],
    volumes: Iterable[NDArray[np.float32]],
    n_volumes: int,
    hemisphere: Hemisphere,
    step_s: float,
) -> None:
    """Write a series, an array (n_vertices,) at a time: nibabel would make one text of all.

    Parameters
    ----------
    path : path
    volumes : iterable of ndarray
    n_volumes : int
    hemisphere : {"L", "R"}
    step_s : float
        From each volume to the next.
    """
    meta = {STRUCTURE_KEY: STRUCTURES[hemisphere], TIME_KEY: f"{step_s:g}"}
    whole = bytes(GiftiImage(meta=GiftiMetaData(meta)).to_xml())
    whole = whole.replace(b'NumberOfDataArrays="0"', b'NumberOfDataArrays="%d"' % n_volumes)
    before, _, after = whole.rpartition(b"</GIFTI>")
    with Path(path).open("wb") as file:
        file.write(before)
        for values in volumes:
            array = GiftiDataArray(
                values, "NIFTI_INTENT_TIME_SERIES", "NIFTI_TYPE_FLOAT32",
                encoding="GIFTI_ENCODING_B64BIN",  # noise hardly gets smaller by compression
            )  # fmt: skip
            file.write(array.to_xml())
        file.write(b"</GIFTI>" + after)


def mask_image(inside: NDArray[Any], hemisphere: Hemisphere) -> GiftiImage:
    """Make a GIFTI label image of a mask (n_vertices,): 1 is inside."""
    labels = GiftiLabelTable()
    for key, name, rgba in ((0, "outside", (0, 0, 0, 0)), (1, "inside", (0.9, 0.3, 0.2, 1))):
        label = GiftiLabel(key, *rgba)
        label.label = name  # type: ignore[attr-defined]
        labels.labels.append(label)
    image = maps_image(
        np.asarray(inside, dtype=np.int32), hemisphere, ("mask",), "NIFTI_INTENT_LABEL"
    )
    image.labeltable = labels
    return image
