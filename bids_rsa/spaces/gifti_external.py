"""GIFTI files whose values are in other files (ExternalFileBinary)."""

from __future__ import annotations

import gzip
import html
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from bids_rsa.errors import MissingFileError
from bids_rsa.spaces.read_errors import reading

_CHUNK_BYTES = 2**22
_LONGEST_TAG = 2**12
_EXTERNAL = re.compile(rb"<DataArray\s[^>]*ExternalFileBinary[^>]*>")
_NAME = re.compile(rb"""\sExternalFileName\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def external_files(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Name the files that contain the values of a GIFTI file; none for any other file.

    Raises
    ------
    MissingFileError, ContentError, ReadWriteError
        No such GIFTI file, or it cannot be read.
    """
    name = os.fspath(path)
    if not name.lower().endswith((".gii", ".gii.gz")):
        return ()
    with reading(name):
        found = Path(name).stat()
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        return _known_files(name, stamp)


@lru_cache(maxsize=20_000)
def _known_files(name: str, stamp: tuple[int, ...]) -> tuple[str, ...]:
    """Remember the files as long as the GIFTI file has the same stamp."""
    opener: Callable[..., Any] = gzip.open if name.lower().endswith(".gz") else open
    files: list[str] = []
    with opener(name, "rb") as file:
        before = b""
        while chunk := file.read(_CHUNK_BYTES):
            text, end = before + chunk, 0
            for tag in _EXTERNAL.finditer(text):
                end = tag.end()
                if found := _NAME.search(tag[0]):
                    relative = html.unescape((found[1] or found[2] or b"").decode("utf-8"))
                    files.append(str(Path(name).parent / relative))
            # a tag may go on in the next chunk
            before = text[max(end, len(text) - _LONGEST_TAG) :]
    return tuple(dict.fromkeys(files))


def refuse_missing_external(path: str | os.PathLike[str]) -> None:
    """Refuse a GIFTI file whose values are missing.

    Raises
    ------
    MissingFileError
        Names both files.
    """
    for external in external_files(path):
        if not Path(external).is_file():
            raise MissingFileError(
                f"The values of {os.fspath(path)} are in another file, {external}, which does not "
                "exist.",
                "Copy it to that place, or write the GIFTI file with its values inside.",
            )
