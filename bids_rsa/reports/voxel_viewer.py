"""The slice viewer of the voxels of grayordinates, which no surface shows."""

from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.reports.analysis_view import as_drawn, view
from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.participant_pictures import MNI_TEMPLATE
from bids_rsa.reports.slices import Anatomy, read_anatomy
from bids_rsa.reports.surface_viewer import SurfaceMap
from bids_rsa.reports.template import mni_template
from bids_rsa.reports.volumes import box_mm, highest_mm, pack_map
from bids_rsa.spaces.cifti import open_cifti
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout


def layout_of_voxels(one: FoundMap) -> GrayordinateLayout | None:
    """Read which grayordinates a map has, if some of those that it has values at are voxels."""
    if not one.path.name.endswith(".dscalar.nii"):
        return None
    layout = open_cifti(str(one.path)).layout
    known = np.isfinite(one.data[layout.vertices < 0])
    return layout if known.any() else None


def participant_voxels(name: str, maps: Sequence[FoundMap], budget: int) -> dict[str, Any] | None:
    """Pack the voxels of a participant's analysis; None where it has none."""
    layout = layout_of_voxels(maps[0])
    if layout is None:
        return None
    drawn = [(one.title, *as_drawn(one)) for one in maps]
    return voxel_viewer(name, drawn, layout, "_space-fsLR_" in maps[0].stem, budget)


def voxel_viewer(
    name: str,
    maps: Sequence[SurfaceMap],
    layout: GrayordinateLayout,
    is_mni: bool,
    budget: int,
) -> dict[str, Any] | None:
    """Pack the voxels of maps for the slice viewer.

    Parameters
    ----------
    name : str
        The viewer's id in the page.
    maps : sequence of SurfaceMap
        Values of all grayordinates, in the colours of the cortex.
    layout : GrayordinateLayout
    is_mni : bool
        The voxels are in MNI space, as those that go with fsLR are, and drawn on its template;
        else on themselves.
    budget : int
        Most letters of packed data.
    """
    fitting = [one for one in maps if len(one[1]) == layout.n_locations]
    if not fitting:
        return None
    mask = np.nan_to_num(_volume(np.isfinite(fitting[0][1]), layout)) > 0
    volumes = [(title, _volume(values, layout), scale) for title, values, scale in fitting]
    packed = [
        (pack_map(title, data, mask, layout.affine, scale), scale) for title, data, scale in volumes
    ]
    place = box_mm(mask, layout.affine), highest_mm(volumes[0][1], layout.affine)
    return view(name, packed, _anatomy(mask, layout, is_mni), place, budget)


def _volume(values: NDArray[Any], layout: GrayordinateLayout) -> NDArray[np.float32]:
    """Put the values of the voxels on their grid, NaN elsewhere."""
    below = layout.vertices < 0
    volume = np.full(layout.shape, np.nan, np.float32)
    volume[tuple(layout.voxels[below].T)] = values[below]
    return volume


def _anatomy(mask: NDArray[np.bool_], layout: GrayordinateLayout, is_mni: bool) -> Anatomy:
    """Give the MNI template, or the voxels themselves."""
    if is_mni:
        return read_anatomy(mni_template(), MNI_TEMPLATE)
    return read_anatomy(nib.Nifti1Image(mask.astype(np.float32), layout.affine), "the voxels")
