"""What the three kinds of files of a run's BOLD have in common: NIfTI, GIFTI and CIFTI.

They differ in nothing but how they are read and written.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError

Floats = NDArray[np.float32]
Inside = NDArray[np.bool_]


class Step(NamedTuple):
    """The repetition time that an image itself says, its unit, and where it says so."""

    value: float
    unit: str
    place: str = "the header of the image"


class BoldSeries(Protocol):
    """An open series of volumes, and the files like it that maps and residuals are written to.

    ``inside`` is a mask of its locations in the order of its layout, ``paths`` is one file, or one
    of each hemisphere.
    """

    layout: Any
    n_volumes: int
    step: Step

    def read(self, inside: Inside) -> Floats:
        """Read the series of some locations, (n_volumes, n_inside), float32."""

    def save_maps(
        self, values: Floats, inside: Inside, paths: Sequence[Path], title: str, stacked: bool
    ) -> None:
        """Write maps (n_maps, n_inside) to one file; ``stacked``: one map is a stack of one."""

    def save_series(
        self, series: Floats, inside: Inside, step_s: float, paths: Sequence[Path]
    ) -> None:
        """Write series like those read, with the time between two volumes in seconds."""


def map_names(title: str, n_maps: int, stacked: bool) -> tuple[str, ...]:
    """Name each map of a file."""
    return tuple(f"{title} {k + 1}" if stacked else title for k in range(n_maps))


def refuse_short(path: str, n_maps: int) -> None:
    """Refuse a file that is no series."""
    if n_maps < 2:
        raise ContentError(f"{path} contains a single volume; the series of a run was expected.")
