"""The images of one group become one array of patterns, each image read once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.core.folds import FoldMeans, center_conditions
from bids_rsa.core.voxel_rule import VoxelRule
from bids_rsa.errors import ContentError
from bids_rsa.patterns import checks
from bids_rsa.patterns.design_covariance import Matrix, mean_design_covariance, run_warnings
from bids_rsa.patterns.noise_plan import plan_noise
from bids_rsa.patterns.readers import Bring, open_source, read_images, source_grid, variance_of
from bids_rsa.patterns.stack_plan import (
    StackPlan,
    half_labels,
    images_per_condition,
    plan_stack,
    runs_per_condition,
    trials_per_condition,
)
from bids_rsa.records import ESTIMATE, Analysis, ConditionImage, MaskChoice
from bids_rsa.settings import ReadingSettings, RsaSettings
from bids_rsa.spaces.grid import Grid, on_grid
from bids_rsa.spaces.images import header_of
from bids_rsa.spaces.masks import load_mask
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
    """The patterns of one group, ready for the searchlight.

    Parameters
    ----------
    patterns : ndarray, shape (n_voxels, n_folds, n_conditions), float32 or float64
        Rows in the order of ``np.argwhere(patch_mask)``; one fold without cross-validation.
    patch_mask, center_mask : ndarray of bool, shape (X, Y, Z)
        Voxels that patches may hold; centres to evaluate.
    affine : ndarray, shape (4, 4)
        From voxel indices to mm.
    template : SpatialImage or None
        The first image, for its header's space codes.
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
    """

    patterns: NDArray[np.floating]
    patch_mask: NDArray[np.bool_]
    center_mask: NDArray[np.bool_]
    affine: NDArray[np.float64]
    template: SpatialImage | None
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

    @property
    def n_images(self) -> int:
        """Number of images used."""
        return sum(self.images_per_condition.values())

    def mean_volume(self) -> NDArray[np.float32]:
        """Mean over folds and conditions, (X, Y, Z), 0 outside the patch mask."""
        volume = np.zeros(self.patch_mask.shape, np.float32)
        means = self.patterns.mean(axis=(1, 2), dtype=np.float64)
        volume[self.patch_mask] = np.nan_to_num(means)
        return volume


@dataclass(frozen=True, eq=False)
class _Frame:
    """The grid of a group and its masks on it."""

    grid: Grid
    first: str
    brain: NDArray[np.bool_]
    roi: NDArray[np.bool_] | None
    brain_use: MaskUse
    roi_use: MaskUse


def check_group(group: Analysis, rsa: RsaSettings) -> StackPlan:
    """Check a group without reading its values: runs and folds, headers, grids, masks, radius.

    Raises
    ------
    BidsRsaError
        What `stack_group` would raise before it reads values.
    """
    plan = plan_stack(group, rsa.reading)
    frame = _frame(group, plan)
    checks.check_radius(rsa.radius_mm, frame.grid, frame.first)
    if rsa.reliability:
        half_labels(group, rsa.reading)
    for image in plan.images:
        _check_grid(source_grid(image), frame.grid, image.path, frame.first)
        if (
            rsa.normalize == "variance" and image.reader != ESTIMATE
        ):  # which share their BOLD's grid
            path = variance_of(image)
            _check_grid(header_of(path).grid, frame.grid, path, frame.first)
    plan_noise(group, plan, rsa, frame.grid)
    return plan


def _check_grid(grid: Grid, wanted: Grid, path: str, first: str) -> None:
    """Refuse an image whose voxels are not those of the first."""
    if not grid.equals(wanted):
        on_grid(np.broadcast_to(np.False_, grid.shape), grid, wanted, path, first)


def stack_group(group: Analysis, rsa: ReadingSettings, n_threads: int = 1) -> StackedPatterns:
    """Read the images of a group once, in parallel, into patterns.

    Voxels that are not finite in every image (with ``ignore_nan``: finite in none), or 0 in all
    images of a run, are left out of all patches.

    Parameters
    ----------
    group : Analysis
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
    plan = plan_stack(group, rsa)
    frame = _frame(group, plan)
    for note in (*frame.brain_use.notes, *frame.roi_use.notes):
        logger.info("%s: %s", group.title, note)
    patterns, patch_mask, left_out, empty = _read(group, plan, frame, rsa, n_threads)
    if rsa.center == "conditions":
        center_conditions(patterns)
    first = plan.images[0]
    return StackedPatterns(
        patterns=patterns,
        patch_mask=patch_mask,
        center_mask=_centers(group, frame, patch_mask),
        affine=frame.grid.affine,
        template=open_source(first.path, first.reader, first.reference).image,
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
            *run_warnings(group),
            *_warnings(plan, rsa, patterns),
            *checks.warn_empty_images(empty),
        ),
        notes=(*group.notes, *frame.brain_use.notes, *frame.roi_use.notes),
        files=_files(plan, rsa, frame),
        statistics=tuple(sorted({image.statistic for image in plan.images})),
        n_trials=trials_per_condition(plan),
        design_covariance=mean_design_covariance(group, plan),
    )


def _read(
    group: Analysis, plan: StackPlan, frame: _Frame, rsa: ReadingSettings, n_threads: int
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
            _refuse_copy(group, plan.images, index, values, seen)
        else:
            empty.append(_name(plan.images[index]))
        means.add(values, plan.fold_of[index], plan.condition_of[index])
    keep, left_out = rule.result()
    _refuse_empty(group, frame, keep, left_out, empty)
    patch_mask = np.zeros(frame.grid.shape, dtype=bool)
    patch_mask.ravel()[candidates[keep]] = True
    return means.means(keep), patch_mask, left_out, empty


def _refuse_copy(
    group: Analysis,
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
            f"{group.label}: two images hold the same values: {_name(first)} and {_name(second)}, "
            f"{first.path} and {second.path}.",
            "One of them is a copy, or the same run was analysed twice: leave one out.",
        )


def _name(image: ConditionImage) -> str:
    """Name an image by its condition, run and file; its volume where there are several."""
    run = "" if image.run is None else f", run {image.run}"
    volume = "" if image.volume is None else f", volume {image.volume} from 0"
    return f"{image.condition}{run} ({Path(image.path).name}{volume})"


def _centers(group: Analysis, frame: _Frame, patch_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels of the patch mask that are inside the ROI."""
    centers = patch_mask if frame.roi is None else patch_mask & frame.roi
    if not centers.any():
        raise ContentError(
            f"{group.label}: the ROI mask {', '.join(frame.roi_use.paths)} shares no voxel with "
            "the voxels that the images and the brain mask leave.",
            "Check the masks.",
        )
    return centers


def _warnings(
    plan: StackPlan, rsa: ReadingSettings, patterns: NDArray[np.floating]
) -> tuple[str, ...]:
    """Gather what could make noise look like an effect."""
    return (
        *plan.warnings,
        *checks.warn_unequal_counts(plan, rsa.dissimilarity, rsa.comparisons, rsa.standardize),
        *checks.warn_few_conditions(len(plan.conditions)),
        *checks.warn_sum_regression(rsa.comparisons, rsa.dissimilarity, rsa.standardize),
        *checks.warn_common_pattern(patterns, rsa.dissimilarity),
    )


def _files(plan: StackPlan, rsa: ReadingSettings, frame: _Frame) -> tuple[str, ...]:
    """List each file used, once, in the order of use."""
    paths = [image.path for image in plan.images]
    if rsa.normalize == "variance":
        paths += [variance_of(image) for image in plan.images]
    return tuple(dict.fromkeys([*paths, *frame.brain_use.paths, *frame.roi_use.paths]))


def _frame(group: Analysis, plan: StackPlan) -> _Frame:
    """Take the grid of the first image, and bring the masks to it."""
    first = plan.images[0]
    grid = source_grid(first)
    brain, brain_use = _masks(group.brain_mask, grid, "brain mask")
    roi, roi_use = _masks(group.roi_mask, grid, "ROI mask")
    if brain is None:
        brain = np.ones(grid.shape, dtype=bool)
    if roi is not None and not (brain & roi).any():
        raise ContentError(
            f"{group.label}: the ROI mask {', '.join(roi_use.paths)} shares no voxel with the "
            f"brain mask {', '.join(brain_use.paths)}.",
            "Check that both masks are of the same space.",
        )
    return _Frame(grid, first.path, brain, roi, brain_use, roi_use)


def _masks(choice: MaskChoice, grid: Grid, kind: str) -> tuple[NDArray[np.bool_] | None, MaskUse]:
    """Intersect the files of a mask on the images' grid; None when there are none."""
    if not choice.paths:
        return None, MaskUse(origin=choice.origin)
    masks = [load_mask(path, grid, kind) for path in choice.paths]
    voxels = np.logical_and.reduce([mask.voxels for mask in masks])
    if not voxels.any():
        raise ContentError(
            f"The {kind}s {', '.join(choice.paths)} have no voxel in common.", "Check the masks."
        )
    notes = tuple(mask.note for mask in masks if mask.note)
    odd = tuple(mask.warning for mask in masks if mask.warning)
    return voxels, MaskUse(choice.paths, choice.origin, notes, int(voxels.sum()), odd)


def _bringer(frame: _Frame, candidates: NDArray[np.intp]) -> Bring:
    """Make the function that takes a volume to the group's grid and picks the candidates."""

    def bring(values: NDArray[Any], grid: Grid, path: str) -> NDArray[Any]:
        data = on_grid(values, grid, frame.grid, path, frame.first)
        return np.ascontiguousarray(data).ravel()[candidates]

    return bring


def _refuse_empty(
    group: Analysis,
    frame: _Frame,
    keep: NDArray[np.bool_],
    left_out: dict[str, int],
    empty: Sequence[str],
) -> None:
    """Refuse a group of which the voxel rule leaves nothing; else log what it left out."""
    listed = f"{left_out['NotFinite']} not finite, {left_out['ZeroInARun']} zero in a whole run"
    where = "inside the brain mask" if frame.brain_use.paths else "of the grid"
    if not keep.any():
        named = f" Images that hold nothing: {few(empty)}." if empty else ""
        raise ContentError(
            f"{group.label}: none of the {len(keep)} voxels {where} can be used: {listed}.{named}",
            "Check the images and the mask; --ignore-nan keeps voxels finite in some images.",
        )
    if any(left_out.values()):
        logger.info("%s: of %d voxels %s, left out: %s.", group.title, len(keep), where, listed)
