"""A run's BOLD as GIFTI files, and files of its maps and residuals."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.gifti import maps_image
from bids_rsa.spaces.gifti_series import stream_arrays, write_series
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.images import as_float
from bids_rsa.spaces.map_files import MapsHeader, maps_header
from bids_rsa.spaces.series import Floats, Inside, Step, map_names, refuse_short
from bids_rsa.spaces.vertex_layout import VertexLayout


class VertexSeries:
    """GIFTI files of one hemisphere, or of the left and the right one."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        headers = [maps_header(path) for path in paths]
        self.layout: VertexLayout = headers[0].layout
        self.n_volumes = headers[0].n_maps
        self.step = _common_step(paths, headers)
        refuse_short(paths[0], self.n_volumes)
        for path, header in zip(paths[1:], headers[1:], strict=True):
            self.layout = self.layout.followed_by(header.layout)
            if header.n_maps != self.n_volumes:
                raise ContentError(
                    f"{paths[0]} contains {self.n_volumes} volumes, and {path} {header.n_maps}: "
                    "both hemispheres of a run must have the same volumes.",
                    "Copy or write the files again.",
                )

    def _hemispheres(self, inside: Inside) -> Iterator[tuple[str, Hemisphere, slice, slice]]:
        """Give the path and the side of each file, its vertices, and the columns inside."""
        column = 0
        for path, (side, own, *_) in zip(self._paths, self.layout.cortices(), strict=True):
            n_inside = int(inside[own].sum())
            yield path, side, own, slice(column, column + n_inside)
            column += n_inside

    def read(self, inside: Inside) -> Floats:
        """Read array by array; see `BoldSeries.read`."""
        series = np.empty((self.n_volumes, int(inside.sum())), np.float32)
        for path, _, own, columns in self._hemispheres(inside):
            _read_hemisphere(path, inside[own], series[:, columns])
        return series

    def save_maps(
        self, values: Floats, inside: Inside, paths: Sequence[Path], title: str, stacked: bool
    ) -> None:
        """Write an array for each map; NaN outside."""
        names = map_names(title, len(values), stacked)
        for path, (_, side, own, columns) in zip(paths, self._hemispheres(inside), strict=True):
            maps = np.full((own.stop - own.start, len(values)), np.nan, np.float32)
            maps[inside[own]] = values[:, columns].T
            nib.save(maps_image(maps, side, names), path)

    def save_series(
        self, series: Floats, inside: Inside, step_s: float, paths: Sequence[Path]
    ) -> None:
        """Write an array for each volume; NaN outside."""
        for path, (_, side, own, columns) in zip(paths, self._hemispheres(inside), strict=True):
            volumes = (_spread(one, inside[own]) for one in series[:, columns])
            write_series(path, volumes, len(series), side, step_s)


def _common_step(paths: Sequence[str], headers: Sequence[MapsHeader]) -> Step:
    """Find the time step that the hemispheres of a run say; one of them may say nothing."""
    said = {
        path: header.step for path, header in zip(paths, headers, strict=True) if header.step[0]
    }
    if len(set(said.values())) > 1:
        steps = " and ".join(f"{value:g} ({path})" for path, (value, _) in said.items())
        raise ContentError(
            f"The hemispheres of a run have different values of TimeStep: {steps}.",
            "Are both of the same run? Copy or write the files again.",
        )
    value, unit = next(iter(said.values()), headers[0].step)
    return Step(value, unit, "TimeStep of the image")


def _spread(values: Floats, inside: Inside) -> Floats:
    """Put the values of the vertices inside among all of a hemisphere."""
    volume = np.full(len(inside), np.nan, np.float32)
    volume[inside] = values
    return volume


def _read_hemisphere(path: str, inside: Inside, out: Floats) -> None:
    """Read the vertices inside from all arrays of a file into an array (n_volumes, n_inside)."""
    done = 0

    def take(data: NDArray[Any]) -> None:
        nonlocal done
        maps = as_float(np.asarray(data), path).reshape(len(inside), -1)
        out[done : done + maps.shape[1]] = maps[inside].T
        done += maps.shape[1]

    stream_arrays(path, take)
    if done != len(out):
        raise ContentError(f"{path} contains {done} volumes, and its header says {len(out)}.")
