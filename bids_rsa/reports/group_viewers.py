"""The interactive viewers of the group's page: one for each test in a volume, one for a surface."""

from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np

from bids_rsa.outputs.input_hashes import digest
from bids_rsa.reports.analysis_view import view
from bids_rsa.reports.collect import FoundMap, open_map
from bids_rsa.reports.found_tests import FoundTest
from bids_rsa.reports.map_words import stat_of
from bids_rsa.reports.participant_pictures import MNI_TEMPLATE
from bids_rsa.reports.pictures import DIVERGING, ONE_SIDED, Scale
from bids_rsa.reports.slices import Anatomy, read_anatomy
from bids_rsa.reports.surface_packing import Geometry
from bids_rsa.reports.surface_viewer import SurfaceMap, read_geometry, surface_viewer
from bids_rsa.reports.template import mni_template
from bids_rsa.reports.volumes import box_mm, highest_mm, pack_map
from bids_rsa.reports.voxel_viewer import layout_of_voxels, voxel_viewer
from bids_rsa.spaces.grayordinate_layout import GrayordinateLayout

VIEWER_BUDGET = 5_000_000
# what is shown of a test, where there is room: stat- label, unit
SHOWN = (("t", "t"), ("mean", "mean score"), ("slope", "slope"), ("tThr", "t where significant"))
Viewer = dict[str, Any]


def group_viewers(tests: Sequence[FoundTest]) -> list[Viewer]:
    """Pack the maps of all tests; those on the same surfaces go into one viewer."""
    budget = VIEWER_BUDGET // max(1, len(tests))
    made: list[Viewer] = []
    on_surfaces: dict[str, tuple[Geometry, list[FoundTest]]] = {}
    with_voxels: dict[str, tuple[GrayordinateLayout, list[FoundTest]]] = {}
    for number, test in enumerate(tests):
        if layout := layout_of_voxels(test.maps[0]):
            key = digest([layout.structures, layout.voxels.tolist(), layout.affine.tolist()])
            with_voxels.setdefault(key, (layout, []))[1].append(test)
        geometry = read_geometry(test.geometry_file)
        if geometry is not None:
            on_surfaces.setdefault(digest(geometry), (geometry, []))[1].append(test)
            continue
        viewer = _volume_viewer(f"viewer-{number}", test, budget)
        made += [{"label": test.title, "viewer": viewer}] if viewer else []
    for number, (geometry, own) in enumerate(on_surfaces.values()):
        viewer = surface_viewer(f"surfaces-{number}", _in_order(own), geometry, budget * len(own))
        label = own[0].title if len(own) == 1 else f"{len(own)} tests on the same surfaces"
        made += [{"label": label, "viewer": viewer}] if viewer else []
    for number, (layout, own) in enumerate(with_voxels.values()):
        viewer = voxel_viewer(
            f"voxels-{number}", _in_order(own), layout, "_space-fsLR_" in own[0].name, budget
        )
        label = "Voxels below the cortex"
        made += [{"label": label, "viewer": viewer, "is_drawn": False}] if viewer else []
    return made


def _in_order(tests: Sequence[FoundTest]) -> list[SurfaceMap]:
    """List the maps of tests: first t of every test, so that none is left out for lack of room."""
    maps = [(title, one.data, scale) for test in tests for title, one, scale in _shown(test)]
    return sorted(maps, key=lambda one: one[2].unit != "t")


def _shown(test: FoundTest) -> list[tuple[str, FoundMap, Scale]]:
    """List the maps of a test that a viewer shows: title, map, colours."""
    by_stat = {stat_of(one.stem): one for one in test.maps}
    sidecar, shown = test.sidecar, []
    if "t" not in by_stat:  # maps of a noise ceiling
        return []
    for stat, unit in SHOWN:
        one = by_stat.get(stat)
        if one is None or not np.any(np.nan_to_num(one.data)):
            continue
        largest = float(np.nanmax(np.abs(one.data))) or 1.0
        # of null maps the mean is compared, and the threshold is one of the mean
        of_t = stat == "t" and "Null" not in sidecar
        mark = sidecar.get("ClusterFormingThreshold") if of_t else None
        one_sided = stat in ("t", "tThr") and sidecar.get("Tail") == "greater"
        scale = (
            Scale(0.0, largest, ONE_SIDED, unit, mark)
            if one_sided
            else Scale(-largest, largest, DIVERGING, unit, mark)
        )
        shown.append((f"{unit}, {test.title}", one, scale))
    return shown


def _volume_viewer(name: str, test: FoundTest, budget: int) -> Viewer | None:
    """Pack the maps of a test in a volume."""
    path = test.folder / f"{test.name}_mask.nii.gz"
    shown = _shown(test)
    if not path.exists() or not shown:
        return None
    mask = np.asarray(open_map(path).dataobj) != 0
    first = shown[0][1]
    affine = first.image.affine
    packed = [
        (pack_map(title, one.data, mask, one.image.affine, scale), scale)
        for title, one, scale in shown
    ]
    place = box_mm(mask, affine), highest_mm(first.data, affine)
    return view(name, packed, _anatomy(first, mask), place, budget)


def _anatomy(one: FoundMap, mask: Any) -> Anatomy:
    """Give the MNI template, or the voxels tested where the space is another."""
    if "space-MNI" in one.stem:
        return read_anatomy(mni_template(), MNI_TEMPLATE)
    return read_anatomy(nib.Nifti1Image(mask.astype(np.float32), one.image.affine), "the mask")
