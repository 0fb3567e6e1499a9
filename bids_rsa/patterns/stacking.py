"""The images of one analysis become one array of patterns, each image read once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.folds import FoldMeans, center_conditions
from bids_rsa.core.voxel_rule import VoxelRule
from bids_rsa.errors import ContentError
from bids_rsa.patterns import checks
from bids_rsa.patterns.design_covariance import mean_design_covariance, run_warnings
from bids_rsa.patterns.masked_space import (
    MaskedSpace,
    centers_of,
    cortex_use,
    masked_space_of,
    region_mask_of,
)
from bids_rsa.patterns.noise_plan import plan_noise
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
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.records import Analysis, ConditionImage
from bids_rsa.settings import ReadingSettings, RsaSettings
from bids_rsa.spaces.ribbon import RibbonSpace
from bids_rsa.words import few

logger = logging.getLogger(__name__)


def check_analysis(analysis: Analysis, rsa: RsaSettings) -> StackPlan:
    """Check an analysis without reading its values: runs and folds, headers, grids, masks, radius.

    Raises
    ------
    BidsRsaError
        What `stack_analysis` would raise before it reads values.
    """
    plan = plan_stack(analysis, rsa.reading)
    masked = masked_space_of(analysis, plan)
    masked.space.check_radius(rsa.radius_mm, masked.first)
    if isinstance(masked.space, RibbonSpace):
        masked.space.check_position(masked.brain, masked.first)
    if rsa.reliability:
        half_labels(analysis, rsa.reading)
    for image in plan.images:
        if not masked.space.layout.equals(source_layout(image)):
            _refuse_layout(image, plan.images[0])
        if rsa.normalize == "variance" and not image.is_estimate:  # which share their BOLD's grid
            _check_layout(variance_layout(image), masked, variance_of(image))
    plan_noise(analysis, plan, rsa, masked.space.layout)
    return plan


def _refuse_layout(image: ConditionImage, first: ConditionImage) -> None:
    """Name the files in which an image's locations and those of the first differ."""
    for half, expected in zip(image.halves, first.halves, strict=True):
        own, wanted = (source_layout(replace(one, right=None)) for one in (half, expected))
        if not wanted.equals(own):
            wanted.refuse_other(own, half.layout_file, expected.layout_file)


def _check_layout(layout: Any, masked: MaskedSpace, path: str) -> None:
    """Refuse an image whose locations are not those of the first."""
    if not masked.space.layout.equals(layout):
        masked.space.layout.refuse_other(layout, path, masked.first)


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
        If a file is damaged, images are on different grids, or masks and images share no voxel.
    """
    plan = plan_stack(analysis, rsa)
    masked = masked_space_of(analysis, plan)
    for note in (*masked.brain_use.notes, *masked.roi_use.notes):
        logger.info("%s: %s", analysis.title, note)
    patterns, patch_mask, left_out, empty = _read(analysis, plan, masked, rsa, n_threads)
    if rsa.center == "conditions":
        center_conditions(patterns)
    return StackedPatterns(
        patterns=patterns,
        space=masked.space,
        patch_mask=patch_mask,
        center_mask=centers_of(analysis, masked, patch_mask),
        conditions=plan.conditions,
        fold_labels=plan.fold_labels,
        images_per_condition=images_per_condition(plan),
        runs_per_condition=runs_per_condition(plan),
        voxels_left_out=left_out,
        brain_mask=masked.brain_use,
        roi_mask=masked.roi_use,
        warnings=(
            *masked.brain_use.warnings,
            *masked.roi_use.warnings,
            *run_warnings(analysis),
            *_warnings(plan, rsa, patterns),
            *checks.warn_empty_images(empty),
        ),
        notes=(*analysis.notes, *masked.brain_use.notes, *masked.roi_use.notes),
        files=_files(analysis, plan, rsa, masked),
        statistics=tuple(sorted({image.statistic for image in plan.images})),
        n_trials=trials_per_condition(plan),
        design_covariance=mean_design_covariance(analysis, plan),
        cortex_mask=cortex_use(analysis, masked.space),
        region_mask=region_mask_of(masked, patch_mask),
    )


def _read(
    analysis: Analysis, plan: StackPlan, masked: MaskedSpace, rsa: ReadingSettings, n_threads: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_], dict[str, int], list[str]]:
    """Read all images.

    Returns
    -------
    patterns, patch_mask, left_out, empty
        Patterns, the mask of their voxels, counts of those left out, images that contain nothing.
    """
    candidates = np.flatnonzero(masked.brain)
    runs = list(dict.fromkeys(image.run for image in plan.images))
    means = FoldMeans(len(candidates), plan.counts, rsa.ignore_nan)
    rule = VoxelRule(len(candidates), len(runs), rsa.ignore_nan)
    bring = _bringer(masked, candidates)
    empty: list[str] = []
    seen: dict[bytes, int] = {}
    for index, values in read_images(plan.images, bring, rsa.normalize == "variance", n_threads):
        if rule.see(values, runs.index(plan.images[index].run)):
            _refuse_copy(analysis, plan.images, index, values, seen)
        else:
            empty.append(_name(plan.images[index]))
        means.add(values, plan.fold_of[index], plan.condition_of[index])
    keep, left_out = rule.result()
    _refuse_empty(analysis, masked, keep, left_out, empty)
    patch_mask = np.zeros(masked.space.n_locations, dtype=bool)
    patch_mask[candidates[keep]] = True
    return means.means(keep), patch_mask, left_out, empty


def _refuse_copy(
    analysis: Analysis,
    images: Sequence[ConditionImage],
    index: int,
    values: NDArray[Any],
    seen: dict[bytes, int],
) -> None:
    """Refuse an image that contains the values of another one: noise would count as signal.

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
            f"{analysis.label}: two images contain the same values: {_name(first)} and "
            f"{_name(second)}, {first.path} and {second.path}.",
            "One of them is a copy, or the same run was analysed twice: leave one out.",
        )


def _name(image: ConditionImage) -> str:
    """Name an image by its condition, run and file; its volume where there are several."""
    run = "" if image.run is None else f", run {image.run}"
    volume = "" if image.volume is None else f", volume {image.volume} from 0"
    return f"{image.condition}{run} ({Path(image.path).name}{volume})"


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
    analysis: Analysis, plan: StackPlan, rsa: ReadingSettings, masked: MaskedSpace
) -> tuple[str, ...]:
    """List each file used, once, in the order of use."""
    halves = [half for image in plan.images for half in image.halves]
    paths = [half.path for half in halves]
    if rsa.normalize == "variance":
        paths += [variance_of(half) for half in halves]
    masks = (*masked.brain_use.paths, *masked.roi_use.paths)
    return tuple(dict.fromkeys([*paths, *analysis.surface_files, *masks]))


def _bringer(masked: MaskedSpace, candidates: NDArray[np.intp]) -> Bring:
    """Make the function that takes an image to the analysis' layout and picks the candidates."""
    wanted = masked.space.layout

    def bring(values: NDArray[Any], layout: Any, path: str) -> NDArray[Any]:
        return np.asarray(wanted.bring(values, layout, path, masked.first)[candidates])

    return bring


def _refuse_empty(
    analysis: Analysis,
    masked: MaskedSpace,
    keep: NDArray[np.bool_],
    left_out: dict[str, int],
    empty: Sequence[str],
) -> None:
    """Refuse an analysis of which the voxel rule leaves nothing; else log what it left out."""
    listed = f"{left_out['NotFinite']} not finite, {left_out['ZeroInARun']} zero in a whole run"
    where = "inside the brain mask" if masked.brain_use.paths else "of the images"
    several = masked.space.words[1]
    if not keep.any():
        named = f" Images that contain nothing: {few(empty)}." if empty else ""
        raise ContentError(
            f"{analysis.label}: none of the {len(keep)} {several} {where} can be used: {listed}."
            f"{named}",
            f"Check the images and the mask; --ignore-nan keeps {several} finite in some images.",
        )
    if any(left_out.values()):
        what = f"{len(keep)} {several} {where}"
        logger.info("%s: of %s, left out: %s.", analysis.title, what, listed)
