"""The slice viewer of the voxels of grayordinates, which no surface shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bids_rsa.reports.analysis_view import as_drawn, view
from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.grayordinate_voxels import volume_of, voxel_anatomy
from bids_rsa.reports.surface_viewer import SurfaceMap
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
    mask = np.nan_to_num(volume_of(np.isfinite(fitting[0][1]), layout)) > 0
    volumes = [(title, volume_of(values, layout), scale) for title, values, scale in fitting]
    packed = [
        (pack_map(title, data, mask, layout.affine, scale), scale) for title, data, scale in volumes
    ]
    place = box_mm(mask, layout.affine), highest_mm(volumes[0][1], layout.affine)
    return view(name, packed, voxel_anatomy(mask, layout, is_mni), place, budget)
