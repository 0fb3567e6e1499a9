"""Series of volumes in GIFTI files, read and written an array at a time."""

import binascii
import gzip
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData
from nibabel.gifti.parse_gifti_fast import GiftiImageParser
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.gifti_external import refuse_missing_external
from bids_rsa.spaces.hemispheres import STRUCTURE_KEY, STRUCTURES, Hemisphere
from bids_rsa.spaces.read_errors import reading
from bids_rsa.tables import refuse_special

TIME_KEY = "TimeStep"
_BUFFER_BYTES = 2**20


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
