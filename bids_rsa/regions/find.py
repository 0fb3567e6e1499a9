"""Which atlases, masks and spheres an analysis is asked for, and where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.masks import IMAGES, given_file
from bids_rsa.entities import DATATYPES, name_pairs
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.records import Analysis, RegionSource
from bids_rsa.regions.shapes import parse_sphere
from bids_rsa.regions.tables import find_region_table
from bids_rsa.regions.vertex_atlas import is_surface_atlas
from bids_rsa.settings import RegionSettings
from bids_rsa.spaces.headers import header_of
from bids_rsa.tables import existing_file, refuse_unwritable_name
from bids_rsa.words import listing

SUFFIXES = ("dseg", "probseg")
MASKS, SPHERES = "rois", "spheres"
# entities that name an atlas, in the order in which its label is made of them
_NAMING = ("atlas", "seg", "scale", "desc")
_FOLDERS = ("atlases", "atlas", "tpl-*")


def find_sources(
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    settings: RegionSettings,
) -> tuple[RegionSource, ...]:
    """Find the regions of an analysis.

    Parameters
    ----------
    analysis : Analysis
    files : sequence of IndexedFile
        The participant's.
    datasets : sequence of str
        Folders of the datasets searched.
    settings : RegionSettings

    Raises
    ------
    BidsRsaError
        No such file or label, another space or another participant, names that stand twice.
    """
    if analysis.form != "volume" and (settings.rois or settings.roi_spheres):
        raise OptionError(
            f"{analysis.label}: --rois and --roi-sphere name voxels, and these images lie on "
            "surfaces.",
            "Give regions of surfaces as labels: --atlas '..._hemi-{hemi}_....label.gii'.",
        )
    tables = settings.atlas_table or ("",) * len(settings.atlas)
    sources = [
        _atlas(text, table, analysis, files, datasets, settings.atlas_threshold)
        for text, table in zip(settings.atlas, tables, strict=True)
    ]
    if settings.rois:
        sources.append(_masks(settings.rois, analysis))
    if settings.roi_spheres:
        spheres = [parse_sphere(text).name for text in settings.roi_spheres]
        _refuse_twice(spheres, "--roi-sphere", "NAME:x,y,z:R")
        sources.append(RegionSource(SPHERES, spheres=settings.roi_spheres))
    _refuse_twice([source.name for source in sources], "--atlas")
    for path in (path for source in sources for path in source.files):
        refuse_unwritable_name(path)
    return tuple(sources)


def _refuse_twice(names: Sequence[str], option: str, form: str = "NAME=FILE") -> None:
    """Refuse two sets, or two regions, of one name."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise OptionError(
            f"{option}: two are named {twice[0]!r}.", f"Give them different names: {form}."
        )


def _parted(text: str) -> tuple[str, str]:
    """Part ``[NAME=]FILE``."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        return "", text
    return name, rest


def _atlas(
    text: str,
    table: str,
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    threshold: float,
) -> RegionSource:
    """Find one atlas, by its file or its label, and its table."""
    name, given = _parted(text)
    if name and not (name.isascii() and name.isalnum()):
        raise OptionError(f"--atlas {text}: {name!r} may hold letters and digits only.")
    if analysis.form != "volume":
        return _surface_atlas(name, given, table, analysis)
    if is_surface_atlas(given):
        raise ContentError(
            f"{analysis.label}: the atlas {given} is of surfaces, and the images are volumes.",
            "Give a label image in the space of the images.",
        )
    if _is_path(given):
        path = Path(given_file(given, analysis, "--atlas"))
        _refuse_elsewhere(path, analysis)
    else:
        path = _by_label(given, analysis, files, datasets)
    found = existing_file(table, "--atlas-table").absolute() if table else find_region_table(path)
    if header_of(path).n_volumes == 1:
        threshold = 0.0  # of probabilistic atlases alone
    return RegionSource(
        name or seg_label(path), (str(path),), str(found or ""), threshold=threshold
    )


def _surface_atlas(name: str, given: str, table: str, analysis: Analysis) -> RegionSource:
    """Find the label files of both hemispheres, or of grayordinates."""
    if not is_surface_atlas(given):
        raise OptionError(
            f"{analysis.label}: --atlas {given}: these images lie on surfaces, and their regions "
            "are in .label.gii or .dlabel.nii files.",
            "Give --atlas '[NAME=]PATH/..._hemi-{hemi}_....label.gii', or a .dlabel.nii file.",
        )
    sides = [one.hemisphere for one in analysis.surfaces]
    patterns = dict.fromkeys(given.replace("{hemi}", side) for side in sides)
    paths = tuple(given_file(pattern, analysis, "--atlas") for pattern in patterns)
    for path in paths:
        _refuse_elsewhere(Path(path), analysis)
    found = str(existing_file(table, "--atlas-table").absolute()) if table else ""
    # a label in the name of one hemisphere's file names both
    return RegionSource(name or seg_label(Path(paths[0])), paths, found)


def _is_path(text: str) -> bool:
    """Tell a file from a label."""
    return "/" in text or "{" in text or "." in text or Path(text).is_file()


def seg_label(path: Path) -> str:
    """Make the ``seg-`` label of an atlas from its file's name."""
    pairs = dict(name_pairs(path.name))
    label = "".join(pairs[key] for key in _NAMING if key in pairs) or path.name.split(".")[0]
    return "".join(c for c in label if c.isascii() and c.isalnum()) or "atlas"


def _space_of(path: Path) -> str | None:
    """Name the space of a file by its name; anatomical ones without any are the T1w's."""
    pairs = dict(name_pairs(path.name))
    space = pairs.get("space") or pairs.get("tpl")
    if space is None and "sub" in pairs and path.parent.name == "anat":
        return "T1w"
    return space


def _refuse_elsewhere(path: Path, analysis: Analysis) -> None:
    """Refuse an atlas of another space, or of another participant, by its name."""
    space, subject = _space_of(path), dict(name_pairs(path.name)).get("sub")
    if subject not in (None, analysis.subject):
        raise ContentError(
            f"{analysis.label}: the atlas {path.name} is that of sub-{subject}.",
            "Write {subject} in its path, or give the atlas by its label.",
        )
    if None not in (space, analysis.space) and space != analysis.space:
        raise ContentError(
            f"{analysis.label}: the atlas {path.name} is in the space {space}, and the images are "
            f"in {analysis.space}.",
            "Give the atlas in the images' space; it is resampled, but never moved.",
        )


def _by_label(
    text: str, analysis: Analysis, files: Sequence[IndexedFile], datasets: Sequence[str]
) -> Path:
    """Find an atlas by a label, the participant's own first."""
    label = text.partition("-")[2] if text.startswith(("atlas-", "seg-", "desc-")) else text
    own = [Path(f.path) for f in files if f.suffix in SUFFIXES and f.extension in IMAGES]
    shared = list(_shared(datasets, analysis.space))
    for paths in (own, shared):
        named = [path for path in paths if label in _labels(path)]
        fitting = [path for path in named if _fits(path, analysis)]
        if fitting:
            return _one_of(fitting, analysis, text)
    elsewhere = [path for path in (*own, *shared) if label in _labels(path)]
    if elsewhere:
        spaces = sorted({_space_of(path) or "none" for path in elsewhere})
        raise ContentError(
            f"{analysis.label}: the atlas {label} is there in another space only "
            f"({', '.join(spaces)}; the images are in {analysis.space or 'none that is named'}): "
            f"{elsewhere[0].name}.",
            "Give the atlas in the images' space; it is resampled, but never moved.",
        )
    there = sorted({name for path in (*own, *shared) for name in _labels(path)})
    raise InputError(
        f"{analysis.label}: no atlas {label} was found for --atlas {text}: no file ..._dseg.nii.gz "
        f"with this atlas-, seg- or desc- label. Labels there are: {listing(there) or 'none'}.",
        "Give a file, or set TEMPLATEFLOW_HOME to the folder of TemplateFlow's files.",
    )


def _labels(path: Path) -> set[str]:
    """List the labels that a file can be asked for by."""
    pairs = dict(name_pairs(path.name))
    return {pairs[key] for key in ("atlas", "seg", "desc") if key in pairs} | {seg_label(path)}


def _fits(path: Path, analysis: Analysis) -> bool:
    """Tell whether an atlas is in the images' space, and of their session."""
    session = dict(name_pairs(path.name)).get("ses")
    space = _space_of(path)
    if path.parent.name in DATATYPES and space != analysis.space:
        return False
    return space in (None, analysis.space) and session in (None, analysis.session)


def _shared(datasets: Sequence[str], space: str | None) -> Iterator[Path]:
    """List the atlases that belong to no participant: of the datasets, and TemplateFlow's."""
    for root in datasets:
        for suffix in SUFFIXES:
            yield from sorted(Path(root).glob(f"*_{suffix}.nii*"))
            for folder in _FOLDERS:
                yield from sorted(Path(root).glob(f"{folder}/**/*_{suffix}.nii*"))
    home = os.environ.get("TEMPLATEFLOW_HOME")
    if home and space:
        for suffix in SUFFIXES:
            yield from sorted(Path(home).glob(f"tpl-{space}/**/*_{suffix}.nii*"))


def _one_of(paths: Sequence[Path], analysis: Analysis, text: str) -> Path:
    """Choose among an atlas's resolutions; refuse to choose among atlases."""
    labels = sorted({seg_label(path) for path in paths})
    if len(labels) > 1:
        raise OptionError(
            f"{analysis.label}: --atlas {text} fits several atlases: {listing(labels)}.",
            "Give one of these labels, or a file.",
        )
    image = analysis.images[0]
    grid = header_of(image.reference or image.path).grid
    same = [path for path in paths if header_of(path).grid.equals(grid)]
    return (same or sorted(paths))[0].absolute()


def _masks(given: Sequence[str], analysis: Analysis) -> RegionSource:
    """Find single masks; one without a name is named by its file."""
    names, paths = [], []
    for text in given:
        name, pattern = _parted(text)
        path = given_file(pattern, analysis, "--rois")
        _refuse_elsewhere(Path(path), analysis)
        names.append(name or _mask_name(Path(path)))
        paths.append(path)
    _refuse_twice(names, "--rois")
    return RegionSource(MASKS, tuple(paths), names=tuple(names))


def _mask_name(path: Path) -> str:
    """Name a mask: by its hemisphere and label, as BIDS has it, else by its file."""
    # names without a suffix are common: hemi-B_label-FFA.nii
    pairs = dict(name_pairs(f"{path.name.split('.')[0]}_mask"))
    label = pairs.get("label") or pairs.get("desc")
    if label:
        return f"{pairs['hemi']} {label}" if "hemi" in pairs else label
    return path.name.split(".")[0]
