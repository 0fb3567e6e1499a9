"""The interactive viewer of an analysis: its anatomy, its maps, their colours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.outputs.derivatives import GEOMETRY
from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.drawing import scale_of
from bids_rsa.reports.packing import PackedNumbers, pack_viewer
from bids_rsa.reports.participant_pictures import MNI_TEMPLATE
from bids_rsa.reports.pictures import Scale
from bids_rsa.reports.slices import Anatomy, read_anatomy
from bids_rsa.reports.surface_viewer import read_geometry, surface_viewer
from bids_rsa.reports.template import mni_template
from bids_rsa.reports.volumes import box_mm, highest_mm, pack_anatomy, pack_map

STEP_MM = 2.0  # of the crosshair by a key


def read_background(one: FoundMap, folder: Path, mask: NDArray[np.bool_]) -> Anatomy:
    """Read the anatomy that an analysis was drawn on.

    It is next to the pictures unless it is the MNI template; without either it is the mask.
    """
    kept = folder / "figures" / f"{one.analysis}_desc-background_anatomy.nii.gz"
    if kept.exists():
        return read_anatomy(nib.load(kept), "the anatomy")
    if "_space-MNI" in one.stem:
        return read_anatomy(mni_template(), MNI_TEMPLATE)
    return read_anatomy(nib.Nifti1Image(mask.astype(np.float32), one.image.affine), "the mask")


def make_viewer(
    name: str, maps: Sequence[FoundMap], mask: NDArray[np.bool_], anatomy: Anatomy, budget: int
) -> dict[str, Any] | None:
    """Pack an analysis for the viewer.

    Parameters
    ----------
    name : str
        The viewer's id in the page.
    maps : sequence of FoundMap
    mask : (X, Y, Z) bool
        Where maps have values.
    anatomy : Anatomy
    budget : int
        Most letters of packed data.
    """
    packed = []
    for one in maps:
        inside = mask if mask.shape == one.data.shape else np.nan_to_num(one.data) != 0
        values, scale = as_drawn(one)
        packed.append((pack_map(one.title, values, inside, one.image.affine, scale), scale))
    if not packed:
        return None
    affine = maps[0].image.affine
    place = box_mm(mask, affine), highest_mm(maps[0].data, affine)
    return view(name, packed, anatomy, place, budget)


def as_drawn(one: FoundMap) -> tuple[NDArray[Any], Scale]:
    """Give what is drawn of a map's values, and in which colours."""
    values = one.words.drawn(one.data)
    return values, scale_of(np.nan_to_num(values), one.words.unit, one.words.kind)


def make_surface_viewer(
    name: str, maps: Sequence[FoundMap], folder: Path, budget: int
) -> dict[str, Any] | None:
    """Pack an analysis on surfaces for their viewer; None where no surface was kept.

    Parameters
    ----------
    name : str
        The viewer's id in the page.
    maps : sequence of FoundMap
    folder : Path
        The participant's.
    budget : int
        Most letters of packed data.
    """
    geometry = read_geometry(folder / "figures" / f"{maps[0].analysis}{GEOMETRY}")
    if geometry is None:
        return None
    drawn = [(one.title, *as_drawn(one)) for one in maps]
    return surface_viewer(name, drawn, geometry, budget)


def view(
    name: str,
    packed: Sequence[tuple[PackedNumbers, Scale]],
    anatomy: Anatomy,
    place: tuple[list[list[float]], list[float]],
    budget: int,
) -> dict[str, Any] | None:
    """Put packed volumes together as the viewer reads them; ``place``: box shown, and start."""
    behind = pack_anatomy(anatomy)
    return pack_viewer(
        name,
        [volume for volume, _ in packed],
        [scale for _, scale in packed],
        budget - behind.size,
        box=place[0],
        start=place[1],
        stepMm=STEP_MM,
        anatomy=behind.content,
    )
