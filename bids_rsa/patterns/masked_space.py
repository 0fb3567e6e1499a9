"""The space of one analysis, its masks in it, and the locations that they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.patterns.places import cortex_of, space_of
from bids_rsa.patterns.stack_plan import StackPlan
from bids_rsa.patterns.stacked import MaskUse
from bids_rsa.records import Analysis, MaskChoice
from bids_rsa.spaces.ribbon import RibbonSpace
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace


@dataclass(frozen=True, eq=False)
class MaskedSpace:
    """The space of an analysis and its masks in it."""

    space: Space
    first: str
    brain: NDArray[np.bool_]
    roi: NDArray[np.bool_] | None
    brain_use: MaskUse
    roi_use: MaskUse


def masked_space_of(analysis: Analysis, plan: StackPlan) -> MaskedSpace:
    """Take the space of the first image, and bring the masks to it."""
    space = space_of(analysis, plan.images[0])
    brain, brain_use = _brain(analysis, space)
    roi, roi_use = _masks(analysis.roi_mask, space, "ROI mask", of_centers=True)
    if brain is None:
        brain = np.ones(space.n_locations, dtype=bool)
    among, one, other = brain, space.words[0], f"brain mask {', '.join(brain_use.paths)}"
    if isinstance(space, RibbonSpace):
        among, one, other = space.center_mask(), "vertex", "cortex"
    if roi is not None and not (among & roi).any():
        raise ContentError(
            f"{analysis.label}: the ROI mask {', '.join(roi_use.paths)} shares no {one} with the "
            f"{other}.",
            "Check that both masks are of the same space.",
        )
    return MaskedSpace(space, plan.images[0].path, brain, roi, brain_use, roi_use)


def _brain(analysis: Analysis, space: Space) -> tuple[NDArray[np.bool_] | None, MaskUse]:
    """Read the brain mask of a volume, or the cortex of surfaces."""
    if analysis.images[0].form == "volume":
        return _masks(analysis.brain_mask, space, "brain mask")
    cortex, choice = cortex_of(analysis, space), analysis.brain_mask
    return cortex, MaskUse(choice.paths, choice.origin, (), int(cortex.sum()))


def _masks(
    choice: MaskChoice, space: Space, kind: str, of_centers: bool = False
) -> tuple[NDArray[np.bool_] | None, MaskUse]:
    """Intersect the files of a mask in the images' space; None when there are none."""
    if not choice.paths:
        return None, MaskUse(origin=choice.origin)
    if of_centers and isinstance(space, RibbonSpace):
        found = space.load_center_mask(choice.paths, kind)
    else:
        found = space.load_mask(choice.paths, kind)
    n_inside = int(found.inside.sum())
    use = MaskUse(choice.paths, choice.origin, found.notes, n_inside, found.warnings)
    return found.inside, use


def cortex_use(analysis: Analysis, space: Space) -> MaskUse:
    """Say which masks restrict the centres of a ribbon."""
    if not isinstance(space, RibbonSpace):
        return MaskUse()
    paths = tuple(path for one in analysis.surfaces for path in one.cortex)
    origins = "; ".join(dict.fromkeys(one.cortex_origin for one in analysis.surfaces))
    return MaskUse(paths, origins, n_voxels=int(space.center_mask().sum()))


def centers_of(
    analysis: Analysis, masked: MaskedSpace, patch_mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Locations of the patch mask that are inside the ROI; of a ribbon the cortex."""
    if isinstance(masked.space, RibbonSpace):
        cortex = masked.space.center_mask()
        return cortex if masked.roi is None else cortex & masked.roi
    centers = patch_mask if masked.roi is None else patch_mask & masked.roi
    (one, several), roi = masked.space.words, ", ".join(masked.roi_use.paths)
    if not centers.any():
        raise ContentError(
            f"{analysis.label}: the ROI mask {roi} shares no {one} with "
            f"the {several} that the images and the brain mask leave.",
            "Check the masks.",
        )
    if not isinstance(masked.space, SurfaceSpace):
        return centers
    centers = masked.space.centers_among(centers)
    if not centers.any():
        inside = f" inside the ROI mask {roi}" * bool(roi)
        raise ContentError(
            f"{analysis.label}: no vertex of the coarser mesh of --center-density is among the "
            f"vertices that the images and the masks leave{inside}.",
            "Give a larger ROI mask, a finer mesh, or leave --center-density out.",
        )
    return centers


def region_mask_of(masked: MaskedSpace, patch_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Locations of the patch mask inside the ROI; of a ribbon those that belong to its vertices."""
    if masked.roi is None:
        return patch_mask
    if not isinstance(masked.space, RibbonSpace):
        return np.asarray(patch_mask & masked.roi)
    inside = np.zeros_like(patch_mask)
    inside[masked.space.voxels_at(np.flatnonzero(masked.roi))] = True
    return np.asarray(patch_mask & inside)
