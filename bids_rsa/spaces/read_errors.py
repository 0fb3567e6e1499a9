"""What can go wrong while an image file is read, as errors that name the file."""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from bids_rsa.errors import BidsRsaError, ContentError, MissingFileError, ReadWriteError

# what is in the place of a file whose content was not fetched
_POINTERS = {
    b"/annex/objects/": ("git-annex", "datalad get (or git annex get)"),
    b"version https://git-lfs": ("Git LFS", "git lfs pull --include"),
}
_DAMAGED = (
    EOFError,
    ValueError,
    KeyError,
    struct.error,
    zlib.error,
    igzip.BadGzipFile,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
    # numbers in a header that no image can have
    OverflowError,
    MemoryError,
    TypeError,
    IndexError,
)
# deflate, gzip's method, never makes data smaller than this
_MOST_COMPRESSED = 1040


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what can go wrong while a file is read into errors that name it."""
    try:
        yield
    except BidsRsaError:
        raise
    except FileNotFoundError as error:
        raise missing_file(error.filename or os.fspath(path)) from error
    except _DAMAGED as error:
        raise _damage(path, error) from error
    except OSError as error:
        if error.errno is None:  # nibabel's word for fewer bytes than the header promises
            raise _damage(path, error) from error
        raise ReadWriteError(f"{os.fspath(path)} cannot be read: {error.strerror}.") from error


def missing_file(path: str | os.PathLike[str]) -> MissingFileError:
    """Say that a file is not there; git-annex leaves links that lead nowhere."""
    if Path(path).is_symlink():
        return MissingFileError(
            f"{os.fspath(path)} is a broken link ({Path(path).readlink()}).",
            "If this is a DataLad dataset: datalad get the file.",
        )
    return MissingFileError(f"There is no file {os.fspath(path)}.", "Check the path.")


def _damage(path: str | os.PathLike[str], error: Exception) -> ContentError:
    """Describe a file that is not the image it should be."""
    name, again = os.fspath(path), "Copy or write the file again."
    try:
        with Path(path).open("rb") as file:
            start = file.read(64)
    except OSError:
        start = b""
    for first, (program, command) in _POINTERS.items():
        if start.startswith(first):
            return ContentError(
                f"{name} contains no image, only {program}'s pointer to it.",
                f"Get the content: {command} the file.",
            )
    if name.endswith("gz") and not start.startswith(b"\x1f\x8b"):
        found = f"its first bytes are {start[:16]!r}" if start else "it is empty"
        said = f"{name} is named as a gzip-compressed image, but it is none: {found}."
        return ContentError(said, again)
    if isinstance(error, EOFError):
        said = f"{name} is truncated: its compressed data end before the end of the stream."
        return ContentError(said, again)
    return ContentError(f"{name} cannot be read as an image: {error}", again)


def refuse_truncated(
    name: str, file: str, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> None:
    """Refuse a header that promises more data than the file can hold.

    Raises
    ------
    ContentError
        With the header's numbers and the file's size.
    """
    promised = offset + math.prod(shape) * dtype.itemsize
    size = Path(file).stat().st_size
    compressed = file.endswith((".gz", ".mgz", ".bz2", ".zst", ".Z"))
    if promised > size * (_MOST_COMPRESSED if compressed else 1):
        raise ContentError(
            f"{name} is truncated, or its header is damaged: the header promises "
            f"{promised:,} bytes (shape {tuple(map(int, shape))}, {dtype}), and the "
            f"file has {size:,}{' compressed ones' * compressed}.",
            "Copy or write the file again.",
        )
