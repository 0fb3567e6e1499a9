"""GIFTI: triangle meshes, maps on their vertices, and labels."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.gifti import (
    GiftiDataArray,
    GiftiImage,
    GiftiLabel,
    GiftiLabelTable,
    GiftiMetaData,
)
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.gifti_external import refuse_missing_external
from bids_rsa.spaces.gifti_series import time_step_of
from bids_rsa.spaces.hemispheres import STRUCTURE_KEY, STRUCTURES, Hemisphere, hemisphere_of
from bids_rsa.spaces.images import as_float
from bids_rsa.spaces.read_errors import reading
from bids_rsa.tables import refuse_special


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
            f"{name} contains {len(points)} arrays of coordinates and {len(faces)} of triangles; a "
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
            f"{name} contains arrays of shape {found}; maps of the same vertices are expected."
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
