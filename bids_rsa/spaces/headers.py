"""What planning needs of an image, from its header alone, read once while the file stays."""

from __future__ import annotations

import math
import os
import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

import numpy as np
from nibabel.arrayproxy import ArrayProxy

from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.images import grid_of, n_volumes, open_image
from bids_rsa.spaces.read_errors import refuse_truncated

_FIRST_BYTES = 2048  # of a compressed file: enough for a header
_GZIP = 31  # zlib's number for gzip with the largest window
# fields of a NIfTI-1 header that say nothing of grid, type and size: names, descriptions, display
_HEADER_BYTES = 352
_SCALING = slice(112, 120)  # slope and intercept
_WORDS = (slice(4, 32), slice(124, 132), slice(140, 252), slice(328, 344))


@dataclass(frozen=True, eq=False)
class Header:
    """What planning needs of an image: its grid, and how many volumes it holds."""

    grid: Grid
    n_volumes: int


@dataclass(frozen=True, eq=False)
class _Known:
    """A header that was read and checked, and what it promises of the file."""

    header: Header
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


# by their bytes: the images of a study share a few headers, and nibabel takes 0.5 ms for each
_KNOWN: dict[tuple[str, bytes], _Known] = {}


def header_of(path: str | os.PathLike[str]) -> Header:
    """Read the header of an image, once while the file stays what it is.

    Raises
    ------
    MissingFileError, ContentError, ReadWriteError
        As `open_image` and `grid_of`.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib takes ten times as long
    except OSError:
        return _read(os.fspath(path))  # which says what is wrong
    if not S_ISREG(found.st_mode):
        return _read(os.fspath(path))
    stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return _unchanged_header(os.fspath(path), stamp)


@lru_cache(maxsize=100_000)
def _unchanged_header(path: str, stamp: tuple[int, ...]) -> Header:
    """Remember a header as long as its file has the same stamp."""
    key = (path[path.rfind(".") :], _vital_bytes(path))
    if not key[1]:
        return _read(path)
    known = _KNOWN.get(key)
    if known is None:
        image = open_image(path)
        header = Header(grid_of(image), n_volumes(image))
        if isinstance(image.dataobj, ArrayProxy):
            proxy = image.dataobj
            _KNOWN[key] = _Known(header, proxy.offset, tuple(image.shape), proxy.dtype)
        return header
    refuse_truncated(path, path, known.offset, known.shape, known.dtype)
    return known.header


def _read(path: str) -> Header:
    """Read a header by nibabel."""
    image = open_image(path)
    return Header(grid_of(image), n_volumes(image))


def _vital_bytes(path: str) -> bytes:
    """Read what counts of a NIfTI-1 header without extensions; nothing of any other file."""
    if not path.endswith((".nii", ".nii.gz")):
        return b""
    try:
        with Path(path).open("rb", buffering=0) as file:
            start = file.read(_FIRST_BYTES if path.endswith("gz") else _HEADER_BYTES)
        if path.endswith("gz"):
            start = zlib.decompressobj(_GZIP).decompress(start, _HEADER_BYTES)
    except (OSError, zlib.error):
        return b""
    if len(start) < _HEADER_BYTES or start[344:348] != b"n+1\0" or start[348] != 0:
        return b""
    header = bytearray(start)
    if all(map(math.isfinite, struct.unpack(_order(start) + "ff", start[_SCALING]))):
        header[_SCALING] = bytes(8)
    for words in _WORDS:
        header[words] = bytes(words.stop - words.start)
    return bytes(header)


def _order(start: bytes) -> str:
    """Name the byte order of a header, whose first number is its own size, 348."""
    return "<" if start[0] == 348 % 256 else ">"
