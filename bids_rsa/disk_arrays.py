"""Arrays that are written in files, where memory is too small for them."""

import os
from pathlib import Path
from typing import Any

import numpy as np


def create_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """Create a file of an array that can be written like one in memory.

    Its room on the disk is taken at once: on a full disk the system would end the process when a
    part of the array is written that has no room.

    Parameters
    ----------
    path : Path
    dtype : dtype
    shape : tuple of int

    Raises
    ------
    OSError
        The disk is full; nothing is left of the file.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):  # macOS has none
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            del array
            path.unlink()
            raise OSError(error.errno, error.strerror, str(path)) from None
    return array
