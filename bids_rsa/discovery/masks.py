"""Masks and backgrounds found next to the images, each choice said in words."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.discovery.fitting import (
    fits_analysis,
    fits_run,
    grid_of_file,
    grid_of_image,
    one_dataset,
    one_resolution,
)
from bids_rsa.discovery.given_files import given_file
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.selection import passes
from bids_rsa.entities import OF_SPACE
from bids_rsa.errors import ContentError, InputError, SelectionError
from bids_rsa.records import Analysis, MaskChoice
from bids_rsa.words import few, listing

IMAGES = (".nii", ".nii.gz")
Query = dict[str, Any]
# masks that differ in these are of different places, not of different runs
DISTINCT = (*OF_SPACE, "atlas", "seg", "scale", "label")


def brain_mask(
    analysis: Analysis,
    files: Sequence[IndexedFile],
    given: str | None,
    query: Query,
    for_roi: bool = False,
) -> MaskChoice:
    """Choose the brain mask of an analysis.

    The file given; else the runs' own masks, intersected; else the anatomical one of the
    participant in the same space and of the same voxels; else none. ``for_roi`` says that the
    filter was needed for the ROI mask, so that a brain mask need not pass it.

    Raises
    ------
    InputError
        No file where the pattern given leads.
    SelectionError
        The user's filter leaves no mask.
    ContentError
        Masks that must not be mixed.
    """
    if given:
        return MaskChoice((given_file(given, analysis, "--brain-mask"),), f"--brain-mask {given}")
    brains = _masks(files, {"desc": "brain"} | query)
    functional = _functional(brains, analysis)
    if functional:
        paths = tuple(dict.fromkeys(f.path for f in functional))
        many = f"{len(paths)} runs' brain masks, intersected" if len(paths) > 1 else "brain mask"
        return MaskChoice(paths, f"{many}: {_names(paths)}")
    anatomical = _anatomical(brains, analysis)
    for f in anatomical:
        if grid_of_file(f.path).holds_same_voxels(grid_of_image(analysis.images[0])):
            return MaskChoice((f.path,), f"anatomical brain mask: {_names([f.path])}")
    if query and not for_roi:
        raise _nothing_passes(analysis, files, {"desc": "brain"} | query)
    if query:
        return MaskChoice(
            (), "none passes --bids-filter-file: voxels are chosen by the images alone"
        )
    if anatomical:
        path, there = anatomical[0].path, grid_of_image(analysis.images[0])
        return MaskChoice(
            (),
            f"none: {_names([path])} is on another grid ({grid_of_file(path).differences(there)} "
            "differ), and is used only when --brain-mask names it; voxels are chosen by the "
            "images alone",
        )
    return MaskChoice((), "none found: voxels are chosen by the images alone")


def _functional(brains: Sequence[IndexedFile], analysis: Analysis) -> list[IndexedFile]:
    """Return the masks of the runs used: those that name a task or a run."""
    runs = {image.run for image in analysis.images}
    fitting = [
        f
        for f in brains
        if (f.task is not None or f.run is not None)
        and fits_analysis(f, analysis)
        and fits_run(f, runs)
    ]
    chosen = one_resolution(one_dataset(fitting, analysis.images), analysis.images)
    _refuse_mixture(analysis, chosen)
    return chosen


def _anatomical(brains: Sequence[IndexedFile], analysis: Analysis) -> list[IndexedFile]:
    """Return the masks of no run: the session's own, those of none, then other sessions'."""
    fitting = [
        f for f in brains
        if f.task is None and f.run is None and fits_analysis(f, analysis, any_session=True)
    ]  # fmt: skip
    fitting.sort(key=lambda f: (f.session != analysis.session, f.session is not None, f.path))
    return one_dataset(fitting, analysis.images)


def _refuse_mixture(analysis: Analysis, files: Sequence[IndexedFile]) -> None:
    """Refuse masks of several spaces' parts or structures, whose intersection means nothing.

    Raises
    ------
    ContentError
        Names the entity and its values.
    """
    for key in DISTINCT:
        labels = sorted({dict(f.others).get(key, "none") for f in files})
        if len(labels) > 1:
            raise ContentError(
                f"{analysis.label}: masks that fit differ in {key}- ({listing(labels)}), and would "
                f"be intersected: {few([Path(f.path).name for f in files], 2)}.",
                f'Choose with --bids-filter-file: {{"mask": {{"{key}": "{labels[0]}"}}}}.',
            )


def _nothing_passes(
    analysis: Analysis, files: Sequence[IndexedFile], query: Query
) -> SelectionError:
    """Say that the filter file leaves no mask, and which masks there are."""
    there = [Path(f.path).name for f in _masks(files, {})]
    return SelectionError(
        f"{analysis.label}: no mask in the images' space passes --bids-filter-file, "
        f"{json.dumps({'mask': query})}. Masks found for this participant: "
        f"{listing(there) or 'none'}."
    )


def _names(paths: Sequence[str]) -> str:
    """Name the first file without its folder; the sidecar has all of them."""
    return few([Path(path).name for path in paths], 1)


def roi_mask(
    analysis: Analysis, files: Sequence[IndexedFile], given: str | None, query: Query
) -> MaskChoice:
    """Choose the mask of centres: a file, or the masks with a ``desc-`` label.

    Raises
    ------
    InputError
        No mask has the label; lists the labels there are.
    """
    if given is None:
        return MaskChoice()
    if "{" in given or Path(given).is_file():
        return MaskChoice((given_file(given, analysis, "--roi-mask"),), f"--roi-mask {given}")
    label = given.removeprefix("desc-")
    masks = _masks(files, query)
    runs = {image.run for image in analysis.images}
    fitting = [
        f for f in masks if f.desc == label and fits_analysis(f, analysis) and fits_run(f, runs)
    ]
    if not fitting and query:
        raise _nothing_passes(analysis, files, {"desc": label} | query)
    if not fitting:
        there = listing(sorted({f"desc-{f.desc}" + (f" (space {f.space})" if f.space else "")
                                for f in masks if f.desc})) or "none"  # fmt: skip
        raise InputError(
            f"{analysis.label}: no mask ..._desc-{label}_mask was found for --roi-mask {given}. "
            f"Masks found for this participant: {there}.",
            "Give a file, or a desc- label of a mask in the images' space.",
        )
    fitting = one_dataset(fitting, analysis.images)
    _refuse_mixture(analysis, fitting)
    paths = tuple(dict.fromkeys(f.path for f in fitting))
    return MaskChoice(paths, f"masks with desc-{label}: {_names(paths)}")


def background(analysis: Analysis, files: Sequence[IndexedFile]) -> str | None:
    """Choose the picture behind the maps: the BOLD reference, or else the preprocessed T1w."""
    fitting = [f for f in files if f.extension in IMAGES and fits_analysis(f, analysis)]
    references = [f.path for f in fitting if f.suffix == "boldref"]
    anatomical = [
        f.path
        for f in fitting
        # functional images that name no space are not where a T1w without one is
        if f.suffix == "T1w" and f.dataset.kind != "raw" and analysis.space is not None
    ]
    if analysis.space == "T1w":
        # fMRIPrep names the T1w itself without a space
        anatomical += [
            f.path for f in files if f.suffix == "T1w" and f.space is None and f.desc == "preproc"
        ]
    return next(iter([*references, *anatomical]), None)


def _masks(files: Sequence[IndexedFile], query: Query) -> list[IndexedFile]:
    """Return the mask images that pass a filter."""
    return [f for f in files if f.suffix == "mask" and f.extension in IMAGES and passes(f, query)]
