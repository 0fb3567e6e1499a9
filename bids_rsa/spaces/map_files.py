"""Files of maps on surfaces and grayordinates: what their headers say, and their values."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any
from xml.parsers import expat

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.cifti import SERIES_ENDING, open_cifti, read_cifti_map
from bids_rsa.spaces.gifti import VertexMaps, read_maps
from bids_rsa.spaces.gifti_series import time_step_of
from bids_rsa.spaces.hemispheres import STRUCTURE_KEY, STRUCTURES, hemisphere_named
from bids_rsa.spaces.images import as_float
from bids_rsa.spaces.read_errors import reading
from bids_rsa.spaces.vertex_layout import VertexLayout, layout_of
from bids_rsa.tables import refuse_special

GIFTI_ENDINGS = (".gii", ".gii.gz")
CIFTI_ENDINGS = (".dscalar.nii",)
_CHUNK_BYTES = 2**16
_VOLUMES = 64  # of a series that are read at a time
_IMAGE_ENDING = re.compile(
    r"\.(?:d(?:scalar|tseries)\.nii|(?:func\.|shape\.)?gii(?:\.gz)?|nii(?:\.gz)?|HEAD|BRIK(?:\.gz)?)$"
)


@dataclass(frozen=True)
class MapsHeader:
    """What planning needs of a file of maps: where its values are, and the maps' names.

    Names are empty texts where the file has none. ``step`` is the time from each map of a series to
    the next and its unit; 0 where the file does not say it.
    """

    layout: Any
    names: tuple[str, ...]
    step: tuple[float, str] = (0.0, "unknown")

    @property
    def n_maps(self) -> int:
        """Number of maps."""
        return len(self.names)


def is_gifti(path: str) -> bool:
    """Tell by the name whether a file is GIFTI."""
    return path.lower().endswith(GIFTI_ENDINGS)


def is_cifti(path: str) -> bool:
    """Tell by the name whether a file is CIFTI with one value for each map."""
    return path.lower().endswith(CIFTI_ENDINGS)


def is_series(path: str) -> bool:
    """Tell by the name whether a file is a CIFTI series."""
    return path.lower().endswith(SERIES_ENDING)


def sidecar_of(path: str) -> Path:
    """Name the JSON file next to an image of any format."""
    return Path(_IMAGE_ENDING.sub(".json", path))


def maps_header(path: str | os.PathLike[str]) -> MapsHeader:
    """Read where the values of a file of maps are, once while the file stays what it is.

    Raises
    ------
    MissingFileError, ContentError, InputError, ReadWriteError
        No such file, or it is damaged; nothing says which hemisphere it is of.
    """
    name = os.fspath(path)
    with reading(name):
        refuse_special(name, "an image file")
        found = Path(name).stat()
    return _known_header(name, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@lru_cache(maxsize=20_000)
def _known_header(name: str, stamp: tuple[int, ...]) -> MapsHeader:
    """Remember a header as long as its file has the same stamp."""
    if is_cifti(name) or is_series(name):
        image = open_cifti(name)
        return MapsHeader(image.layout, image.names, image.step)
    maps = _gifti_header(name) or read_maps(name)
    return MapsHeader(layout_of(maps), maps.names, (maps.time_step, "unknown"))


class _EnoughError(Exception):
    """The rest of a file need not be read."""


class _HeaderParser:
    """Reads a GIFTI file up to the values of its only array, or to the end without the values."""

    def __init__(self) -> None:
        self.n_arrays = 0
        self.shapes: list[list[int]] = []
        self.metas: list[dict[str, str]] = [{}]
        self._text: list[str] = []
        self._key = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take what the attributes say."""
        self._text = []
        if tag == "GIFTI":
            self.n_arrays = int(attributes["NumberOfDataArrays"])
        elif tag == "DataArray":
            n_dimensions = int(attributes["Dimensionality"])
            self.shapes.append([int(attributes[f"Dim{k}"]) for k in range(n_dimensions)])
            self.metas.append({})
        elif tag == "Data" and self.n_arrays == 1:
            raise _EnoughError

    def end(self, tag: str) -> None:
        """Take names and values of metadata."""
        text = "".join(self._text).strip()
        if tag == "Name":
            self._key = text
        elif tag == "Value":
            self.metas[-1][self._key] = text

    def characters(self, text: str) -> None:
        """Collect the text of a short element; values are long."""
        if len(self._text) < 64:
            self._text.append(text)


def _gifti_header(name: str) -> VertexMaps | None:
    """Read the header of a GIFTI file without decoding its values; None where that is not clear."""
    found, parser = _HeaderParser(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = found.start, found.end
    parser.CharacterDataHandler = found.characters
    opener: Callable[..., Any] = gzip.open if name.endswith(".gz") else open
    try:
        with opener(name, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                parser.Parse(chunk, False)
    except _EnoughError:
        pass
    except (expat.ExpatError, KeyError, ValueError, OSError, EOFError):
        return None  # nibabel's reader says what is wrong
    lengths = {shape[0] for shape in found.shapes if shape}
    if len(lengths) != 1 or len(found.shapes) != found.n_arrays:
        return None
    names = []
    for shape, meta in zip(found.shapes, found.metas[1:], strict=True):
        n_columns = int(np.prod(shape[1:]))
        names += [meta.get("Name", "")] if n_columns == 1 else [""] * n_columns
    told = {meta[STRUCTURE_KEY] for meta in found.metas if STRUCTURE_KEY in meta}
    sides = {side for side, structure in STRUCTURES.items() if structure in told}
    named = hemisphere_named(name)
    if len(sides) > 1 or (sides and named is not None and named not in sides):
        return None
    empty: NDArray[Any] = np.broadcast_to(np.float32(0), (lengths.pop(), len(names)))
    step = time_step_of(found.metas)
    return VertexMaps(empty, tuple(names), next(iter(sides), named), name, step)


class GiftiSource:
    """One open GIFTI file of maps of a hemisphere; it is read when its first map is asked for."""

    def __init__(self, path: str, reference: str | None = None) -> None:
        self._path = path
        self.image: SpatialImage | None = None
        self._maps: VertexMaps | None = None
        self._lock = Lock()
        self.layout: VertexLayout = maps_header(path).layout

    def read(self, volume: int | None) -> NDArray[Any]:
        """Read one map (n_vertices,), float32 or float64.

        Raises
        ------
        ContentError
            There is no such map, or there are several and none is named.
        """
        with self._lock:
            if self._maps is None:
                self._maps = read_maps(self._path)
        values = self._maps.values
        return values[:, chosen_map(self._path, values.shape[1], volume)]


class CiftiSource:
    """One open CIFTI file of maps of grayordinates."""

    def __init__(self, path: str, reference: str | None = None) -> None:
        self._opened = open_cifti(path)
        self.image: SpatialImage | None = None
        self._lock = Lock()
        self.layout = self._opened.layout

    def read(self, volume: int | None) -> NDArray[Any]:
        """Read one map (n_grayordinates,); errors as in `GiftiSource.read`."""
        opened = self._opened
        with self._lock:
            return read_cifti_map(opened, chosen_map(opened.path, len(opened.names), volume))


class SeriesSource:
    """One open CIFTI file of a series, of which several volumes are read at a time.

    The values of a grayordinate are side by side in the file, so that a single volume takes about
    as long as many.
    """

    def __init__(self, path: str, reference: str | None = None) -> None:
        self._opened = open_cifti(path)
        self.image: SpatialImage | None = None
        self._lock = Lock()
        self.layout = self._opened.layout
        self._start, self._block = 0, np.empty((0, self.layout.n_locations), np.float32)

    def read(self, volume: int | None) -> NDArray[Any]:
        """Read one volume (n_grayordinates,); errors as in `GiftiSource.read`."""
        opened = self._opened
        number = chosen_map(opened.path, len(opened.names), volume)
        with self._lock:
            if not self._start <= number < self._start + len(self._block):
                self._start = number - number % _VOLUMES
                wanted = slice(self._start, self._start + _VOLUMES)
                with reading(opened.path):
                    values = np.asanyarray(opened.values[0, 0, 0, 0, wanted])
                self._block = as_float(np.ascontiguousarray(values), opened.path)
            return self._block[number - self._start]


def chosen_map(path: str, n_maps: int, volume: int | None) -> int:
    """Check which map of a file is asked for.

    Raises
    ------
    ContentError
        There is no such map, or there are several and none is named.
    """
    if volume is None and n_maps != 1:
        raise ContentError(
            f"{path} contains {n_maps} maps; one is expected.",
            "Name the map, or split the file into one file for each map.",
        )
    if volume is not None and not 0 <= volume < n_maps:
        raise ContentError(f"{path} has {n_maps} maps; map {volume} (from 0) is not there.")
    return volume or 0
