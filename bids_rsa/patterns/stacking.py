"""The images of one analysis become one array of patterns, each image read once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.folds import FoldMeans, center_conditions
from bids_rsa.core.voxel_rule import VoxelRule
from bids_rsa.errors import ContentError
from bids_rsa.patterns import checks
from bids_rsa.patterns.design_covariance import Matrix, mean_design_covariance, run_warnings
from bids_rsa.patterns.noise_plan import plan_noise
from bids_rsa.patterns.places import cortex_of, space_of
from bids_rsa.patterns.readers import (
    Bring,
    read_images,
    source_layout,
    variance_layout,
    variance_of,
)
from bids_rsa.patterns.stack_plan import (
    StackPlan,
    half_labels,
    images_per_condition,
    plan_stack,
    runs_per_condition,
    trials_per_condition,
)
from bids_rsa.records import Analysis, ConditionImage, MaskChoice
from bids_rsa.settings import ReadingSettings, RsaSettings
from bids_rsa.spaces.ribbon import RibbonSpace
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.words import few

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MaskUse:
    """A mask as it was used: its files, where it comes from, how it came to the images' grid."""

    paths: tuple[str, ...] = ()
    origin: str = "none"
    notes: tuple[str, ...] = ()
    n_voxels: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StackedPatterns:
    """The patterns of one analysis, ready for the searchlight.

    Parameters
    ----------
    patterns : ndarray, shape (n_patch_locations, n_folds, n_conditions), float32 or float64
        Rows in the order of ``np.flatnonzero(patch_mask)``; one fold without cross-validation.
    space : Space
        Where the locations lie.
    patch_mask, center_mask : ndarray of bool, shape (n_locations,)
        Locations that patches may hold; centres to evaluate.
    conditions : tuple of str
        Order of the last axis.
    fold_labels : tuple of str
        The runs of each fold; empty without cross-validation.
    images_per_condition, runs_per_condition : dict
        Counts by condition.
    voxels_left_out : dict
        Counts by reason, of the voxels inside the brain mask.
    brain_mask, roi_mask : MaskUse
    warnings, notes : tuple of str
        Sentences for the log and the sidecar.
    files : tuple of str
        Each image, variance and mask file used, once.
    design_covariance : tuple of tuple
        See `mean_design_covariance`; empty where the images were not estimated by the app.
    cortex_mask : MaskUse
        Of the vertices, where the centres of voxel patterns are vertices.
    region_mask : ndarray of bool, shape (n_locations,)
        Locations that regions may hold: those of patches, inside the ROI mask.
    """

    patterns: NDArray[np.floating]
    space: Space
    patch_mask: NDArray[np.bool_]
    center_mask: NDArray[np.bool_]
    conditions: tuple[str, ...]
    fold_labels: tuple[str, ...]
    images_per_condition: dict[str, int]
    runs_per_condition: dict[str, int]
    voxels_left_out: dict[str, int]
    brain_mask: MaskUse
    roi_mask: MaskUse
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    n_trials: dict[str, float] = field(default_factory=dict)
    design_covariance: Matrix = ()
    cortex_mask: MaskUse = MaskUse()
    region_mask: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))

    @property
    def n_images(self) -> int:
        """Number of images used."""
        return sum(self.images_per_condition.values())

    def mean_map(self) -> NDArray[np.float32]:
        """Mean over folds and conditions, (n_locations,), 0 outside the patch mask."""
        values = np.zeros(self.space.n_locations, np.float32)
        means = self.patterns.mean(axis=(1, 2), dtype=np.float64)
        values[self.patch_mask] = np.nan_to_num(means)
        return values


@dataclass(frozen=True, eq=False)
class _Frame:
    """The space of an analysis and its masks in it."""

    space: Space
    first: str
    brain: NDArray[np.bool_]
    roi: NDArray[np.bool_] | None
    brain_use: MaskUse
    roi_use: MaskUse


def check_analysis(analysis: Analysis, rsa: RsaSettings) -> StackPlan:
    """Check an analysis without reading its values: runs and folds, headers, grids, masks, radius.

    Raises
    ------
    BidsRsaError
        What `stack_analysis` would raise before it reads values.
    """
    plan = plan_stack(analysis, rsa.reading)
    frame = _frame(analysis, plan)
    frame.space.check_radius(rsa.radius_mm, frame.first)
    if isinstance(frame.space, RibbonSpace):
        frame.space.check_position(frame.brain, frame.first)
    if rsa.reliability:
        half_labels(analysis, rsa.reading)
    for image in plan.images:
        _check_layout(source_layout(image), frame, image.path)
        if rsa.normalize == "variance" and not image.is_estimate:  # which share their BOLD's grid
            _check_layout(variance_layout(image), frame, variance_of(image))
    plan_noise(analysis, plan, rsa, frame.space.layout)
    return plan


def _check_layout(layout: Any, frame: _Frame, path: str) -> None:
    """Refuse an image whose locations are not those of the first."""
    if not frame.space.layout.equals(layout):
        frame.space.layout.refuse_other(layout, path, frame.first)


def stack_analysis(analysis: Analysis, rsa: ReadingSettings, n_threads: int = 1) -> StackedPatterns:
    """Read the images of an analysis once, in parallel, into patterns.

    Voxels that are not finite in every image (with ``ignore_nan``: finite in none), or 0 in all
    images of a run, are left out of all patches.

    Parameters
    ----------
    analysis : Analysis
    rsa : ReadingSettings
    n_threads : int
        Files read at a time; does not change the result.

    Raises
    ------
    InputError, OptionError
        If the images do not make the folds asked for (see `plan_stack`), or a file is missing.
    ContentError
        If a file is damaged, images lie on different grids, or masks and images share no voxel.
    """
    plan = plan_stack(analysis, rsa)
    frame = _frame(analysis, plan)
    for note in (*frame.brain_use.notes, *frame.roi_use.notes):
        logger.info("%s: %s", analysis.title, note)
    patterns, patch_mask, left_out, empty = _read(analysis, plan, frame, rsa, n_threads)
    if rsa.center == "conditions":
        center_conditions(patterns)
    return StackedPatterns(
        patterns=patterns,
        space=frame.space,
        patch_mask=patch_mask,
        center_mask=_centers(analysis, frame, patch_mask),
        conditions=plan.conditions,
        fold_labels=plan.fold_labels,
        images_per_condition=images_per_condition(plan),
        runs_per_condition=runs_per_condition(plan),
        voxels_left_out=left_out,
        brain_mask=frame.brain_use,
        roi_mask=frame.roi_use,
        warnings=(
            *frame.brain_use.warnings,
            *frame.roi_use.warnings,
            *run_warnings(analysis),
            *_warnings(plan, rsa, patterns),
            *checks.warn_empty_images(empty),
        ),
        notes=(*analysis.notes, *frame.brain_use.notes, *frame.roi_use.notes),
        files=_files(analysis, plan, rsa, frame),
        statistics=tuple(sorted({image.statistic for image in plan.images})),
        n_trials=trials_per_condition(plan),
        design_covariance=mean_design_covariance(analysis, plan),
        cortex_mask=_cortex_use(analysis, frame.space),
        region_mask=_of_regions(frame, patch_mask),
    )


def _of_regions(frame: _Frame, patch_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Locations of the patch mask inside the ROI; of a ribbon those that belong to its vertices."""
    if frame.roi is None:
        return patch_mask
    if not isinstance(frame.space, RibbonSpace):
        return np.asarray(patch_mask & frame.roi)
    inside = np.zeros_like(patch_mask)
    inside[frame.space.voxels_at(np.flatnonzero(frame.roi))] = True
    return np.asarray(patch_mask & inside)


def _cortex_use(analysis: Analysis, space: Space) -> MaskUse:
    """Say which masks restrict the centres of a ribbon."""
    if not isinstance(space, RibbonSpace):
        return MaskUse()
    paths = tuple(path for one in analysis.surfaces for path in one.cortex)
    origins = "; ".join(dict.fromkeys(one.cortex_origin for one in analysis.surfaces))
    return MaskUse(paths, origins, n_voxels=int(space.center_mask().sum()))


def _read(
    analysis: Analysis, plan: StackPlan, frame: _Frame, rsa: ReadingSettings, n_threads: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_], dict[str, int], list[str]]:
    """Read all images.

    Returns
    -------
    patterns, patch_mask, left_out, empty
        Patterns, the mask of their voxels, counts of those left out, images that hold nothing.
    """
    candidates = np.flatnonzero(frame.brain)
    runs = list(dict.fromkeys(image.run for image in plan.images))
    means = FoldMeans(len(candidates), plan.counts, rsa.ignore_nan)
    rule = VoxelRule(len(candidates), len(runs), rsa.ignore_nan)
    bring = _bringer(frame, candidates)
    empty: list[str] = []
    seen: dict[bytes, int] = {}
    for index, values in read_images(plan.images, bring, rsa.normalize == "variance", n_threads):
        if rule.see(values, runs.index(plan.images[index].run)):
            _refuse_copy(analysis, plan.images, index, values, seen)
        else:
            empty.append(_name(plan.images[index]))
        means.add(values, plan.fold_of[index], plan.condition_of[index])
    keep, left_out = rule.result()
    _refuse_empty(analysis, frame, keep, left_out, empty)
    patch_mask = np.zeros(frame.space.n_locations, dtype=bool)
    patch_mask[candidates[keep]] = True
    return means.means(keep), patch_mask, left_out, empty


def _refuse_copy(
    analysis: Analysis,
    images: Sequence[ConditionImage],
    index: int,
    values: NDArray[Any],
    seen: dict[bytes, int],
) -> None:
    """Refuse an image that holds the values of another one: noise would count as signal.

    Raises
    ------
    ContentError
        Names both.
    """
    other = seen.setdefault(hashlib.blake2b(values, digest_size=16).digest(), index)
    if other != index:
        first, second = sorted(
            (images[other], images[index]), key=lambda i: (i.path, i.volume or 0)
        )
        raise ContentError(
            f"{analysis.label}: two images hold the same values: {_name(first)} and "
            f"{_name(second)}, {first.path} and {second.path}.",
            "One of them is a copy, or the same run was analysed twice: leave one out.",
        )


def _name(image: ConditionImage) -> str:
    """Name an image by its condition, run and file; its volume where there are several."""
    run = "" if image.run is None else f", run {image.run}"
    volume = "" if image.volume is None else f", volume {image.volume} from 0"
    return f"{image.condition}{run} ({Path(image.path).name}{volume})"


def _centers(analysis: Analysis, frame: _Frame, patch_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Locations of the patch mask that are inside the ROI; of a ribbon the cortex."""
    if isinstance(frame.space, RibbonSpace):
        cortex = frame.space.center_mask()
        return cortex if frame.roi is None else cortex & frame.roi
    centers = patch_mask if frame.roi is None else patch_mask & frame.roi
    one, several = frame.space.words
    if not centers.any():
        raise ContentError(
            f"{analysis.label}: the ROI mask {', '.join(frame.roi_use.paths)} shares no {one} with "
            f"the {several} that the images and the brain mask leave.",
            "Check the masks.",
        )
    if not isinstance(frame.space, SurfaceSpace):
        return centers
    centers = frame.space.centers_among(centers)
    if not centers.any():
        inside = f" inside the ROI mask {', '.join(frame.roi_use.paths)}" * bool(
            frame.roi_use.paths
        )
        raise ContentError(
            f"{analysis.label}: no vertex of the coarser mesh of --center-density is among the "
            f"vertices that the images and the masks leave{inside}.",
            "Give a larger ROI mask, a finer mesh, or leave --center-density out.",
        )
    return centers


def _warnings(
    plan: StackPlan, rsa: ReadingSettings, patterns: NDArray[np.floating]
) -> tuple[str, ...]:
    """Gather what could make noise look like an effect."""
    params = json.loads(rsa.dissimilarity_params)
    return (
        *plan.warnings,
        *checks.warn_unequal_counts(
            plan, rsa.dissimilarity, rsa.comparisons, rsa.standardize, rsa.pools_noise, params
        ),
        *checks.warn_few_conditions(len(plan.conditions)),
        *checks.warn_sum_regression(rsa.comparisons, rsa.dissimilarity, rsa.standardize),
        *checks.warn_without_noise(rsa.dissimilarity, rsa.noise),
        *checks.warn_common_pattern(patterns, rsa.dissimilarity),
    )


def _files(
    analysis: Analysis, plan: StackPlan, rsa: ReadingSettings, frame: _Frame
) -> tuple[str, ...]:
    """List each file used, once, in the order of use."""
    halves = [half for image in plan.images for half in image.halves]
    paths = [half.path for half in halves]
    if rsa.normalize == "variance":
        paths += [variance_of(half) for half in halves]
    masks = (*frame.brain_use.paths, *frame.roi_use.paths)
    return tuple(dict.fromkeys([*paths, *analysis.surface_files, *masks]))


def _frame(analysis: Analysis, plan: StackPlan) -> _Frame:
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
    return _Frame(space, plan.images[0].path, brain, roi, brain_use, roi_use)


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


def _bringer(frame: _Frame, candidates: NDArray[np.intp]) -> Bring:
    """Make the function that takes an image to the analysis' layout and picks the candidates."""
    wanted = frame.space.layout

    def bring(values: NDArray[Any], layout: Any, path: str) -> NDArray[Any]:
        return np.asarray(wanted.bring(values, layout, path, frame.first)[candidates])

    return bring


def _refuse_empty(
    analysis: Analysis,
    frame: _Frame,
    keep: NDArray[np.bool_],
    left_out: dict[str, int],
    empty: Sequence[str],
) -> None:
    """Refuse an analysis of which the voxel rule leaves nothing; else log what it left out."""
    listed = f"{left_out['NotFinite']} not finite, {left_out['ZeroInARun']} zero in a whole run"
    where = "inside the brain mask" if frame.brain_use.paths else "of the images"
    several = frame.space.words[1]
    if not keep.any():
        named = f" Images that hold nothing: {few(empty)}." if empty else ""
        raise ContentError(
            f"{analysis.label}: none of the {len(keep)} {several} {where} can be used: {listed}."
            f"{named}",
            f"Check the images and the mask; --ignore-nan keeps {several} finite in some images.",
        )
    if any(left_out.values()):
        what = f"{len(keep)} {several} {where}"
        logger.info("%s: of %s, left out: %s.", analysis.title, what, listed)
