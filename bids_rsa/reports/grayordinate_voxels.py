"""The voxels of grayordinates, below the cortex: as a volume, and in slices below hemispheres."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.reports.participant_pictures import MNI_TEMPLATE
from bids_rsa.reports.slices import Anatomy, Label, Mosaic, cuts_through, lay_out, read_anatomy
from bids_rsa.reports.surface_view import SurfaceMosaic
from bids_rsa.reports.template import mni_template
from bids_rsa.spaces.cifti import GrayordinateLayout

# spaces of grayordinates whose voxels are in MNI space
_MNI_BELOW = ("fsLR",)


def is_mni_below(space: str | None) -> bool:
    """Tell by the label of a space whether the voxels of its grayordinates are in MNI space."""
    return space in _MNI_BELOW


def volume_of(values: NDArray[Any], layout: GrayordinateLayout) -> NDArray[np.float32]:
    """Put the values (n_locations,) of the voxels on their grid, NaN elsewhere."""
    below = layout.vertices < 0
    volume = np.full(layout.shape, np.nan, np.float32)
    volume[tuple(layout.voxels[below].T)] = values[below]
    return volume


def voxel_anatomy(mask: NDArray[np.bool_], layout: GrayordinateLayout, is_mni: bool) -> Anatomy:
    """Give what voxels are drawn on: the MNI template, or the voxels themselves."""
    if is_mni:
        return read_anatomy(mni_template(), MNI_TEMPLATE)
    return read_anatomy(nib.Nifti1Image(mask.astype(np.float32), layout.affine), "the voxels")


@dataclass(frozen=True, eq=False)
class GrayordinateMosaic:
    """Hemispheres, and below them slices through the voxels: a canvas for maps of both.

    Attributes
    ----------
    hemispheres : SurfaceMosaic
    slices : Mosaic
        As wide as the hemispheres.
    layout : GrayordinateLayout
    """

    hemispheres: SurfaceMosaic
    slices: Mosaic
    layout: GrayordinateLayout

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.hemispheres.shape[0] + self.slices.shape[0], self.hemispheres.shape[1]

    @cached_property
    def grey(self) -> NDArray[np.float32]:
        """Grey values without a map, (height, width)."""
        return np.vstack([self.hemispheres.grey, self.slices.grey])

    @property
    def labels(self) -> tuple[Label, ...]:
        """The names of views, and the places of slices."""
        top = self.hemispheres.shape[0]
        return (
            *self.hemispheres.labels,
            *(replace(label, y=label.y + top) for label in self.slices.labels),
        )

    def sample(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Give the value (n_locations,) at each pixel; 0 where there is none, or no number."""
        volume = np.nan_to_num(volume_of(values, self.layout), posinf=0.0, neginf=0.0)
        return np.vstack(
            [self.hemispheres.sample(values), self.slices.sample(volume, self.layout.affine)]
        )


def with_voxels(
    hemispheres: SurfaceMosaic, layout: GrayordinateLayout, space: str | None
) -> GrayordinateMosaic:
    """Put slices in three directions through the voxels below the hemispheres.

    Parameters
    ----------
    hemispheres : SurfaceMosaic
    layout : GrayordinateLayout
        With voxels.
    space : str or None
        The label of the grayordinates' space.
    """
    mask = np.isfinite(volume_of(np.ones(layout.n_locations), layout))
    anatomy = voxel_anatomy(mask, layout, is_mni_below(space))
    cuts: Mapping[str, list[float]] = cuts_through(mask, layout.affine)
    return GrayordinateMosaic(hemispheres, lay_out(anatomy, mask, layout.affine, cuts), layout)
