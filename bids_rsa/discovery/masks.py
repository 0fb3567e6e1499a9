"""Masks and backgrounds found beside the images, each choice said in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.selection import passes, same_label
from bids_rsa.errors import InputError
from bids_rsa.records import Analysis, ConditionImage, MaskChoice
from bids_rsa.spaces.images import grid_of, missing_file, open_image
from bids_rsa.words import few, listing

IMAGES = (".nii", ".nii.gz")
Query = dict[str, Any]


def brain_mask(
    group: Analysis, files: Sequence[IndexedFile], given: str | None, query: Query
) -> MaskChoice:
    """Choose the brain mask of a group.

    The file given; else the runs' own masks, intersected; else the anatomical one of the
    subject in the same space and on the same grid; else none.
    """
    if given:
        return MaskChoice((str(Path(given).absolute()),), f"--brain-mask {given}")
    brains = [f for f in _masks(files, {"desc": "brain"} | query) if _fits_group(f, group)]
    runs = {image.run for image in group.images}
    functional = [f for f in brains if f.task is not None and _fits_run(f, runs)]
    functional = _one_resolution(_one_dataset(functional, group.images), group.images)
    if functional:
        paths = tuple(dict.fromkeys(f.path for f in functional))
        many = f"{len(paths)} runs' brain masks, intersected" if len(paths) > 1 else "brain mask"
        return MaskChoice(paths, f"{many}: {_names(paths)}")
    for f in _one_dataset([f for f in brains if f.task is None and f.run is None], group.images):
        if _same_grid(f.path, group.images[0]):
            return MaskChoice((f.path,), f"anatomical brain mask: {_names([f.path])}")
    return MaskChoice((), "none found: voxels are chosen by the images alone")


def _names(paths: Sequence[str]) -> str:
    """Name the first file without its folder; the sidecar has all of them."""
    return few([Path(path).name for path in paths], 1)


def roi_mask(
    group: Analysis, files: Sequence[IndexedFile], given: str | None, query: Query
) -> MaskChoice:
    """Choose the mask of centres: a file, or the masks with a ``desc-`` label.

    Raises
    ------
    InputError
        No mask has the label; lists the labels there are.
    """
    if given is None:
        return MaskChoice()
    if Path(given).is_file():
        return MaskChoice((str(Path(given).absolute()),), f"--roi-mask {given}")
    label = given.removeprefix("desc-")
    masks = _masks(files, query)
    runs = {image.run for image in group.images}
    fitting = [f for f in masks if f.desc == label and _fits_group(f, group) and _fits_run(f, runs)]
    if not fitting:
        there = listing(sorted({f"desc-{f.desc}" + (f" (space {f.space})" if f.space else "")
                                for f in masks if f.desc})) or "none"  # fmt: skip
        raise InputError(
            f"{group.label}: no mask ..._desc-{label}_mask was found for --roi-mask {given}. "
            f"Masks found for this participant: {there}.",
            "Give a file, or a desc- label of a mask in the images' space.",
        )
    paths = tuple(dict.fromkeys(f.path for f in _one_dataset(fitting, group.images)))
    return MaskChoice(paths, f"masks with desc-{label}: {_names(paths)}")


def check_given(option: str, given: str | None, labels_too: bool = False) -> None:
    """Check a mask given by the user before anything is indexed.

    Raises
    ------
    InputError
        No such file.
    """
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


def background(group: Analysis, files: Sequence[IndexedFile]) -> str | None:
    """Choose the picture behind the maps: the BOLD reference, or else the preprocessed T1w."""
    fitting = [f for f in files if f.extension in IMAGES and _fits_group(f, group)]
    references = [f.path for f in fitting if f.suffix == "boldref"]
    anatomical = [
        f.path
        for f in fitting
        # functional images that name no space are not where a T1w without one is
        if f.suffix == "T1w" and f.dataset.kind != "raw" and group.space is not None
    ]
    if group.space == "T1w":
        # fMRIPrep names the T1w itself without a space
        anatomical += [
            f.path for f in files if f.suffix == "T1w" and f.space is None and f.desc == "preproc"
        ]
    return next(iter([*references, *anatomical]), None)


def _masks(files: Sequence[IndexedFile], query: Query) -> list[IndexedFile]:
    """Return the mask images that pass a filter."""
    return [f for f in files if f.suffix == "mask" and f.extension in IMAGES and passes(f, query)]


def _fits_group(file: IndexedFile, group: Analysis) -> bool:
    """Tell whether a file is of the group's space, and of no other session or task."""
    return (
        file.space == group.space
        and (group.session is None or file.session in (None, group.session))
        and (file.task is None or group.task is None or file.task == group.task)
        and (file.acquisition is None or file.acquisition == group.acquisition)
        and (file.resolution == group.resolution or None in (file.resolution, group.resolution))
    )


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
    # a result without an affine of its own lies on its reference's grid
    return grid_of(open_image(path)).equals(grid_of(open_image(image.reference or image.path)))
