"""A run's BOLD as a CIFTI file, and files of its maps and residuals."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.cifti2 import Cifti2Header, Cifti2Image, SeriesAxis

from bids_rsa.spaces.cifti import open_cifti, scalar_image
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout
from bids_rsa.spaces.images import as_float
from bids_rsa.spaces.read_errors import reading
from bids_rsa.spaces.series import Floats, Inside, Step, map_names, refuse_short

# grayordinates whose series are read or written at a time: a file contains them one after the other
_LOCATIONS = 4096


class GrayordinateSeries:
    """A CIFTI file of a dense series."""

    def __init__(self, path: str) -> None:
        self._opened = open_cifti(path)
        self.layout: GrayordinateLayout = self._opened.layout
        self.n_volumes = len(self._opened.names)
        self.step = Step(*self._opened.step, "the series of the image")
        refuse_short(path, self.n_volumes)

    def read(self, inside: Inside) -> Floats:
        """Read some grayordinates at a time; see `BoldSeries.read`."""
        series = np.empty((self.n_volumes, int(inside.sum())), np.float32)
        opened, column = self._opened, 0
        for own in _slices(len(inside)):
            with reading(opened.path):
                values = np.asanyarray(opened.values[0, 0, 0, 0, :, own])
            chosen = as_float(values, opened.path)[:, inside[own]]
            series[:, column : column + chosen.shape[1]] = chosen
            column += chosen.shape[1]
        return series

    def save_maps(
        self, values: Floats, inside: Inside, paths: Sequence[Path], title: str, stacked: bool
    ) -> None:
        """Write a dense scalar file; NaN outside."""
        maps = np.full((len(inside), len(values)), np.nan, np.float32)
        maps[inside] = values.T
        names = map_names(title, len(values), stacked)
        nib.save(scalar_image(maps, self.layout, names), paths[0])

    def save_series(
        self, series: Floats, inside: Inside, step_s: float, paths: Sequence[Path]
    ) -> None:
        """Write a dense series, some grayordinates at a time; NaN outside."""
        shape = (len(series), len(inside))
        axes = (SeriesAxis(0, step_s, shape[0]), self.layout.axis())
        header = Cifti2Header.from_axes(axes)
        # the header is written with values that take no memory, then the values over them
        image = Cifti2Image(np.broadcast_to(np.float32(0), shape), header=header)
        image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_SERIES")
        nib.save(image, paths[0])
        values_there: Any = nib.Nifti2Image.from_filename(paths[0]).dataobj
        column = 0
        with paths[0].open("r+b") as file:
            file.seek(values_there.offset)
            for own in _slices(len(inside)):
                # a grayordinate's values are side by side
                values = np.full((own.stop - own.start, shape[0]), np.nan, "<f4")
                n_inside = int(inside[own].sum())
                values[inside[own]] = series[:, column : column + n_inside].T
                file.write(values.tobytes())
                column += n_inside


def _slices(n_locations: int) -> Iterator[slice]:
    """Cut the locations of a file into slices."""
    for start in range(0, n_locations, _LOCATIONS):
        yield slice(start, min(start + _LOCATIONS, n_locations))
