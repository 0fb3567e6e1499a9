"""Masks and backgrounds found beside the images, each choice said in words."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.selection import passes, same_label
from bids_rsa.entities import OF_SPACE
from bids_rsa.errors import ContentError, InputError, OptionError, SelectionError
from bids_rsa.records import Analysis, ConditionImage, MaskChoice
from bids_rsa.spaces.gifti import Hemisphere, of_hemisphere
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.images import missing_file
from bids_rsa.words import few, listing

IMAGES = (".nii", ".nii.gz")
Query = dict[str, Any]
# what --brain-mask and --roi-mask may hold
GIVEN_FIELDS = ("subject", "session", "task", "space")
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
    subject in the same space and of the same voxels; else none. ``for_roi`` says that the filter
    was needed for the ROI mask, so that a brain mask need not pass it.

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
        if _grid(f.path).holds_same_voxels(_grid_of_image(analysis.images[0])):
            return MaskChoice((f.path,), f"anatomical brain mask: {_names([f.path])}")
    if query and not for_roi:
        raise _nothing_passes(analysis, files, {"desc": "brain"} | query)
    if query:
        return MaskChoice(
            (), "none passes --bids-filter-file: voxels are chosen by the images alone"
        )
    if anatomical:
        path, there = anatomical[0].path, _grid_of_image(analysis.images[0])
        return MaskChoice(
            (),
            f"none: {_names([path])} is on another grid ({_grid(path).differences(there)} "
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
        and _fits_analysis(f, analysis)
        and _fits_run(f, runs)
    ]
    chosen = _one_resolution(_one_dataset(fitting, analysis.images), analysis.images)
    _refuse_mixture(analysis, chosen)
    return chosen


def _anatomical(brains: Sequence[IndexedFile], analysis: Analysis) -> list[IndexedFile]:
    """Return the masks of no run: the session's own, those of none, then other sessions'."""
    fitting = [
        f for f in brains
        if f.task is None and f.run is None and _fits_analysis(f, analysis, any_session=True)
    ]  # fmt: skip
    fitting.sort(key=lambda f: (f.session != analysis.session, f.session is not None, f.path))
    return _one_dataset(fitting, analysis.images)


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


def given_files(
    pattern: str, analysis: Analysis, option: str, sides: Sequence[Hemisphere]
) -> list[str]:
    """Find the file of each hemisphere; one file for both where the path has no ``{hemi}``."""
    if "{hemi}" not in pattern:
        return [given_file(pattern, analysis, option)]
    filled = _filled(pattern, analysis, option)
    return [given_file(of_hemisphere(filled, side), analysis, option) for side in sides]


def given_file(pattern: str, analysis: Analysis, option: str) -> str:
    """Put an analysis's entities into the path of a mask, and check that it is there.

    Raises
    ------
    InputError
        The analysis has no such entity, or there is no such file.
    """
    path = Path(_filled(pattern, analysis, option)).absolute()
    if not path.is_file():
        raise missing_file(path)
    return str(path)


def _filled(pattern: str, analysis: Analysis, option: str) -> str:
    """Put an analysis's entities into a path."""
    values = {name: getattr(analysis, name) for name in GIVEN_FIELDS if f"{{{name}}}" in pattern}
    lacking = [name for name, value in values.items() if value is None]
    if lacking:
        raise InputError(
            f"{analysis.label}: {option} {pattern} names {{{lacking[0]}}}, and these images have "
            f"no {lacking[0]}."
        )
    for name, value in values.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


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
        f for f in masks if f.desc == label and _fits_analysis(f, analysis) and _fits_run(f, runs)
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
    fitting = _one_dataset(fitting, analysis.images)
    _refuse_mixture(analysis, fitting)
    paths = tuple(dict.fromkeys(f.path for f in fitting))
    return MaskChoice(paths, f"masks with desc-{label}: {_names(paths)}")


def check_given(option: str, given: str | None, labels_too: bool = False) -> None:
    """Check a mask given by the user before anything is indexed.

    Raises
    ------
    InputError
        No such file.
    OptionError
        A field that is not known.
    """
    fields = re.findall(r"\{(.*?)\}", given or "")
    unknown = [field for field in fields if field not in (*GIVEN_FIELDS, "hemi")]
    if unknown:
        raise OptionError(
            f"{option} {given}: unknown field {{{unknown[0]}}}.",
            f"Known fields: {', '.join('{' + name + '}' for name in GIVEN_FIELDS)}.",
        )
    if fields:
        return
    if (
        given is None
        or Path(given).is_file()
        or (labels_too and given.removeprefix("desc-").isalnum())
    ):
        return
    if Path(given).is_dir():
        raise InputError(f"{option}: {given} is a folder, and a file is needed.")
    if Path(given).is_symlink():
        raise missing_file(given)
    raise InputError(
        f"{option}: there is no file {given}.",
        "Give a file, or the desc- label of masks in the dataset." if labels_too else "",
    )


def background(analysis: Analysis, files: Sequence[IndexedFile]) -> str | None:
    """Choose the picture behind the maps: the BOLD reference, or else the preprocessed T1w."""
    fitting = [f for f in files if f.extension in IMAGES and _fits_analysis(f, analysis)]
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


def _fits_analysis(file: IndexedFile, analysis: Analysis, any_session: bool = False) -> bool:
    """Tell whether a file is of the analysis' space, and of no other session or task."""
    return (
        file.space == analysis.space
        and (any_session or analysis.session is None or file.session in (None, analysis.session))
        and (file.task is None or analysis.task is None or file.task == analysis.task)
        and (file.acquisition is None or file.acquisition == analysis.acquisition)
        and (
            file.resolution == analysis.resolution or None in (file.resolution, analysis.resolution)
        )
        and _fits_others(dict(file.others), dict(analysis.others))
    )


def _fits_others(file: dict[str, str], analysis: dict[str, str]) -> bool:
    """Compare further entities: a file may lack those that don't say where its voxels lie."""
    same = all(analysis.get(key, value) == value for key, value in file.items())
    return same and all(file.get(key) == analysis[key] for key in OF_SPACE if key in analysis)


def _fits_run(file: IndexedFile, runs: set[str | None]) -> bool:
    """Tell whether a file belongs to one of the runs, or to all of them."""
    return file.run is None or None in runs or any(same_label(file.run, r) for r in runs if r)


def _one_dataset(
    files: Sequence[IndexedFile], images: Sequence[ConditionImage]
) -> list[IndexedFile]:
    """Keep the files of one dataset: the images' own where it has any, else the first."""
    datasets = [f.dataset.path for f in files]
    if not datasets:
        return []
    own = images[0].dataset
    chosen = own if own in datasets else datasets[0]
    return [f for f in files if f.dataset.path == chosen]


def _one_resolution(
    files: Sequence[IndexedFile], images: Sequence[ConditionImage]
) -> list[IndexedFile]:
    """Choose among masks of several resolutions, where the images don't say theirs."""
    resolutions = {f.resolution for f in files}
    if len(resolutions) < 2:
        return list(files)
    fitting = {f.resolution for f in files if _same_grid(f.path, images[0])}
    chosen = min(fitting or resolutions, key=str)
    return [f for f in files if f.resolution == chosen]


def _same_grid(path: str, image: ConditionImage) -> bool:
    """Compare the grids of two files by their headers."""
    return _grid(path).equals(_grid_of_image(image))


def _grid(path: str) -> Grid:
    """Read the grid of a file."""
    return header_of(path).grid


def _grid_of_image(image: ConditionImage) -> Grid:
    """Read the grid of an image; a result without an affine of its own lies on its reference's."""
    return _grid(image.reference or image.path)
