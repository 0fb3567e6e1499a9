"""The betas of a GLMsingle result in HDF5, which has no affine: a reference image gives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import BidsRsaError, ContentError, InputError, MissingFileError
from bids_rsa.spaces.images import as_float, grid_of, open_image
from bids_rsa.tables import refuse_special

FIELDS = ("betasmd", "modelmd")
_SLAB = 16  # volumes read at once: trials are side by side in the file


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Turn what h5py raises on damaged files into an error that names them."""
    try:
        yield
    except BidsRsaError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise ContentError(
            f"{path} is damaged: {type(error).__name__}: {error}.", "Copy or write the file again."
        ) from error


@contextmanager
def open_betas(path: Path) -> Iterator[tuple[Any, bool]]:
    """Open the betas of a result, and say whether its axes are reversed (MATLAB)."""
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} is an HDF5 file, which needs h5py.", "pip install h5py") from None
    try:
        refuse_special(path)
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise MissingFileError(f"There is no file {path}.") from None
    except OSError as error:
        raise ContentError(f"{path} cannot be read as HDF5: {error}.") from error
    with file, _damaged(path):
        field = next((f for f in FIELDS if isinstance(file.get(f), h5py.Dataset)), None)
        if field is None or file[field].ndim != 4:
            found = (
                ", ".join(f"{k} {getattr(file[k], 'shape', '')}".strip() for k in file) or "nothing"
            )
            raise ContentError(
                f"{path} has no betas of volumes: expected betasmd (X, Y, Z, trial) or MATLAB's "
                f"modelmd; found {found}.",
                "GLMsingle must be given volumes, not lists of voxels.",
            )
        yield file[field], "MATLAB_class" in file[field].attrs


def shape_of(betas: Any, reversed_axes: bool) -> tuple[int, ...]:
    """Return the shape as (X, Y, Z, trial)."""
    return tuple(betas.shape[::-1] if reversed_axes else betas.shape)


class GlmsingleSource:
    """One open GLMsingle result, on the grid of its reference image.

    Parameters
    ----------
    path : str
    reference : str
        Image that gives the affine.
    """

    def __init__(self, path: str, reference: str | None) -> None:
        self._path = Path(path)
        opened = open_image(str(reference))
        self.layout = grid_of(opened)
        self.image: SpatialImage | None = opened
        self._lock = Lock()
        self._first = -1
        self._slab: NDArray[Any] = np.empty((0, 0, 0, 0))

    def read(self, volume: int | None) -> NDArray[Any]:
        """Read the betas of one trial, (X, Y, Z)."""
        index = volume or 0
        with self._lock:
            start = index - index % _SLAB
            if self._first != start:
                with open_betas(self._path) as (betas, reversed_axes):
                    stop = min(start + _SLAB, shape_of(betas, reversed_axes)[3])
                    if reversed_axes:
                        self._slab = np.asarray(betas[start:stop]).T
                    else:
                        self._slab = np.asarray(betas[..., start:stop])
                self._first = start
            return as_float(self._slab[..., index - start], str(self._path))
