"""A run's BOLD as a 4D image, and images of its maps and residuals."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.nifti1 import Nifti1Header

from bids_rsa.errors import ContentError
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.images import grid_of, n_volumes, open_image, read_volume, volume_image
from bids_rsa.spaces.series import Floats, Inside, Step


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
