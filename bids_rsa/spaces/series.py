"""The BOLD series of a run as an array, whatever files hold it, and files of what is made of it.

Three kinds of files differ in nothing but how they are read and written: NIfTI images, GIFTI files
of one or two hemispheres, and CIFTI files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import nibabel as nib
import numpy as np
from nibabel.cifti2 import Cifti2Header, Cifti2Image, SeriesAxis
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.cifti import GrayordinateLayout, open_cifti, scalar_image
from bids_rsa.spaces.gifti import maps_image
from bids_rsa.spaces.gifti_series import stream_arrays, write_series
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.images import (
    as_float,
    grid_of,
    n_volumes,
    open_image,
    read_volume,
    volume_image,
)
from bids_rsa.spaces.map_files import MapsHeader, is_gifti, is_series, maps_header
from bids_rsa.spaces.read_errors import reading
from bids_rsa.spaces.vertex_layout import VertexLayout

Floats = NDArray[np.float32]
Inside = NDArray[np.bool_]
# grayordinates whose series are read or written at a time: a file holds them one after the other
_LOCATIONS = 4096


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


def open_time_series(paths: Sequence[str]) -> BoldSeries:
    """Open the file of a run, or the files of its hemispheres, without reading values.

    Raises
    ------
    BidsRsaError
        A file is missing or damaged, or is no series; hemispheres of different lengths.
    """
    if is_gifti(paths[0]):
        return VertexSeries(paths)
    return GrayordinateSeries(paths[0]) if is_series(paths[0]) else VolumeSeries(paths[0])


class VolumeSeries:
    """A 4D image."""

    def __init__(self, path: str) -> None:
        self._image = open_image(path)
        shape = self._image.shape
        if len(shape) != 4 or n_volumes(self._image) < 2:
            raise ContentError(f"{path} has shape {shape}; a 4D image of a run was expected.")
        self.layout: Grid = grid_of(self._image)
        self.n_volumes = int(shape[3])
        unit = "unknown"
        if isinstance(self._image.header, Nifti1Header):
            unit = self._image.header.get_xyzt_units()[1]
        value = float(self._image.header.get_zooms()[3])
        self.step = Step(value, unit, "pixdim[4] of the image")

    def read(self, inside: Inside) -> Floats:
        """Read volume by volume; see `BoldSeries.read`."""
        mask = inside.reshape(self.layout.shape)
        series = np.empty((self.n_volumes, int(mask.sum())), np.float32)
        for volume in range(len(series)):
            series[volume] = read_volume(self._image, volume)[mask]
        return series

    def save_maps(
        self, values: Floats, inside: Inside, paths: Sequence[Path], title: str, stacked: bool
    ) -> None:
        """Write a NIfTI image, 4D if it is ``stacked``; 0 outside."""
        mask = inside.reshape(self.layout.shape)
        volumes = [_volume(one, mask) for one in values]
        data = np.stack(volumes, axis=-1) if stacked else volumes[0]
        image = volume_image(data, self._image.affine, self._image)
        image.header["descrip"] = title.encode("ascii", "replace")[:79]
        nib.save(image, paths[0])

    def save_series(
        self, series: Floats, inside: Inside, step_s: float, paths: Sequence[Path]
    ) -> None:
        """Write a 4D NIfTI image (.nii), volume by volume; 0 outside."""
        mask = inside.reshape(self.layout.shape)
        first = volume_image(np.zeros(mask.shape, np.float32), self._image.affine, self._image)
        header = first.header.copy()
        header.set_data_shape((*mask.shape, len(series)))
        header.set_zooms((*header.get_zooms()[:3], step_s))
        header.set_xyzt_units("mm", "sec")
        header["magic"] = b"n+1"
        header["vox_offset"] = 352
        with paths[0].open("wb") as file:
            header.write_to(file)
            file.write(bytes(352 - file.tell()))
            for values in series:
                file.write(_volume(values, mask).tobytes(order="F"))


def _volume(values: Floats, mask: Inside) -> Floats:
    """Put the values of a mask's voxels on its grid."""
    volume = np.zeros(mask.shape, "<f4")
    volume[mask] = values
    return volume


class VertexSeries:
    """GIFTI files of one hemisphere, or of the left and the right one."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        headers = [maps_header(path) for path in paths]
        self.layout: VertexLayout = headers[0].layout
        self.n_volumes = headers[0].n_maps
        self.step = _common_step(paths, headers)
        _refuse_short(paths[0], self.n_volumes)
        for path, header in zip(paths[1:], headers[1:], strict=True):
            self.layout = self.layout.followed_by(header.layout)
            if header.n_maps != self.n_volumes:
                raise ContentError(
                    f"{paths[0]} holds {self.n_volumes} volumes, and {path} {header.n_maps}: both "
                    "hemispheres of a run must have the same volumes.",
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
        names = _map_names(title, len(values), stacked)
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
        raise ContentError(f"{path} holds {done} volumes, and its header says {len(out)}.")


class GrayordinateSeries:
    """A CIFTI file of a dense series."""

    def __init__(self, path: str) -> None:
        self._opened = open_cifti(path)
        self.layout: GrayordinateLayout = self._opened.layout
        self.n_volumes = len(self._opened.names)
        self.step = Step(*self._opened.step, "the series of the image")
        _refuse_short(path, self.n_volumes)

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
        names = _map_names(title, len(values), stacked)
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
                # a grayordinate's values lie side by side
                values = np.full((own.stop - own.start, shape[0]), np.nan, "<f4")
                n_inside = int(inside[own].sum())
                values[inside[own]] = series[:, column : column + n_inside].T
                file.write(values.tobytes())
                column += n_inside


def _map_names(title: str, n_maps: int, stacked: bool) -> tuple[str, ...]:
    """Name each map of a file."""
    return tuple(f"{title} {k + 1}" if stacked else title for k in range(n_maps))


def _slices(n_locations: int) -> Iterator[slice]:
    """Cut the locations of a file into slices."""
    for start in range(0, n_locations, _LOCATIONS):
        yield slice(start, min(start + _LOCATIONS, n_locations))


def _refuse_short(path: str, n_maps: int) -> None:
    """Refuse a file that is no series."""
    if n_maps < 2:
        raise ContentError(f"{path} holds a single volume; the series of a run was expected.")
