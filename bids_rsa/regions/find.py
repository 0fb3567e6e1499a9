"""Which atlases, masks and spheres an analysis is asked for, and where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.discovery.given_files import given_file, given_files
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.masks import IMAGES
from bids_rsa.entities import DATATYPES, name_pairs
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.records import Analysis, RegionSource
from bids_rsa.regions.find_on_surfaces import surface_atlas
from bids_rsa.regions.label_files import is_surface_atlas, is_surface_mask
from bids_rsa.regions.naming import (
    is_path,
    labels_of,
    plain_name,
    refuse_elsewhere,
    seg_label,
    space_in_name,
)
from bids_rsa.regions.shapes import parse_sphere
from bids_rsa.regions.tables import find_region_table
from bids_rsa.settings import RegionSettings
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.hemispheres import hemisphere_named
from bids_rsa.spaces.surface_files import SIDES
from bids_rsa.tables import existing_file, refuse_unwritable_name
from bids_rsa.words import listing

SUFFIXES = ("dseg", "probseg")
MASKS, SPHERES = "rois", "spheres"
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
        No such file or label, another space or another participant, names that occur twice.
    """
    tables = settings.atlas_table or ("",) * len(settings.atlas)
    sources = [
        _atlas(text, table, analysis, files, datasets, settings.atlas_threshold)
        for text, table in zip(settings.atlas, tables, strict=True)
    ]
    if settings.rois:
        sources.append(_masks(settings.rois, analysis))
    if settings.roi_spheres:
        sources.append(_spheres(settings.roi_spheres, analysis))
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


def _spheres(given: Sequence[str], analysis: Analysis) -> RegionSource:
    """Take spheres; discs where the images, or the patches of their voxels, are on surfaces."""
    spheres = [parse_sphere(text) for text in given]
    _refuse_twice([sphere.name for sphere in spheres], "--roi-sphere", "NAME:x,y,z:R")
    on_surface = analysis.form != "volume"
    of_vertices = [sphere.name for sphere in spheres if sphere.vertex]
    if of_vertices and not on_surface:
        raise OptionError(
            f"{analysis.label}: --roi-sphere {of_vertices[0]} names a vertex, and these images are "
            "volumes.",
            "Give the centre in mm: NAME:x,y,z:R.",
        )
    return RegionSource(SPHERES, spheres=tuple(given), on_surface=on_surface)


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
        raise OptionError(f"--atlas {text}: {name!r} may contain letters and digits only.")
    # in a ribbon regions may be of voxels too
    of_volumes = analysis.ribbon and not is_surface_atlas(given) and is_path(given)
    if analysis.form != "volume" and not of_volumes:
        try:
            return surface_atlas(name, given, table, analysis, files, datasets)
        except InputError as error:
            if not analysis.ribbon or is_path(given):
                raise
            no_surfaces = error
        path = _in_voxels(given, analysis, files, datasets, no_surfaces)
        return _of_image(name or seg_label(path), path, table, threshold)
    if is_surface_atlas(given):
        raise ContentError(
            f"{analysis.label}: the atlas {given} is of surfaces, and the images are volumes.",
            "Give a label image in the space of the images.",
        )
    if is_path(given):
        path = Path(given_file(given, analysis, "--atlas"))
        refuse_elsewhere(path, analysis)
        label = seg_label(Path(given))
    else:
        path = _by_label(given, analysis, files, datasets)
        label = seg_label(path)
    return _of_image(name or label, path, table, threshold)


def _in_voxels(
    given: str,
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    no_surfaces: InputError,
) -> Path:
    """Find an atlas of voxels by its label, in the space of the images between the surfaces."""
    images = replace(analysis, space=analysis.images[0].space)
    try:
        return _by_label(given, images, files, datasets)
    except InputError as error:
        raise InputError(f"{no_surfaces.message}\n{error.message}", no_surfaces.hint) from None


def _of_image(name: str, path: Path, table: str, threshold: float) -> RegionSource:
    """Take an image of labels, and its table."""
    found = existing_file(table, "--atlas-table").absolute() if table else find_region_table(path)
    if header_of(path).n_volumes == 1:
        threshold = 0.0  # of probabilistic atlases alone
    return RegionSource(name, (str(path),), str(found or ""), threshold=threshold)


def _by_label(
    text: str, analysis: Analysis, files: Sequence[IndexedFile], datasets: Sequence[str]
) -> Path:
    """Find an atlas by a label, the participant's own first."""
    label = text.partition("-")[2] if text.startswith(("atlas-", "seg-", "desc-")) else text
    own = [Path(f.path) for f in files if f.suffix in SUFFIXES and f.extension in IMAGES]
    shared = list(_shared(datasets, analysis.space))
    for paths in (own, shared):
        named = [path for path in paths if label in labels_of(path)]
        fitting = [path for path in named if _fits(path, analysis)]
        if fitting:
            return _one_of(fitting, analysis, text)
    elsewhere = [path for path in (*own, *shared) if label in labels_of(path)]
    if elsewhere:
        spaces = sorted({space_in_name(path) or "none" for path in elsewhere})
        raise ContentError(
            f"{analysis.label}: the atlas {label} exists only in another space "
            f"({', '.join(spaces)}; the images are in {analysis.space or 'none that is named'}): "
            f"{elsewhere[0].name}.",
            "Give the atlas in the images' space; it is resampled, but not registered.",
        )
    there = sorted({name for path in (*own, *shared) for name in labels_of(path)})
    raise InputError(
        f"{analysis.label}: no atlas {label} was found for --atlas {text}: no file ..._dseg.nii.gz "
        f"with this atlas-, seg- or desc- label. Available labels: {listing(there) or 'none'}.",
        "Give a file, or set TEMPLATEFLOW_HOME to the folder of TemplateFlow's files.",
    )


def _fits(path: Path, analysis: Analysis) -> bool:
    """Tell whether an atlas is in the images' space, and of their session."""
    session = dict(name_pairs(path.name)).get("ses")
    space = space_in_name(path)
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
    sides = [one.hemisphere for one in analysis.surfaces] or list(SIDES)
    names, paths, kinds = [], [], set()
    own_names = []
    for text in given:
        name, pattern = _parted(text)
        found = given_files(pattern, analysis, "--rois", sides)
        for path in found:
            refuse_elsewhere(Path(path), analysis, "mask")
            kinds.add(is_surface_mask(path))
        side = None if len(found) > 1 else hemisphere_named(found[0])
        own_names.append(name or _mask_name(Path(pattern).name, side, of_both=len(found) > 1))
        names += own_names[-1:] * len(found)
        paths += found
    _refuse_twice(own_names, "--rois")
    if len(kinds) > 1 or (kinds == {True} and analysis.form == "volume"):
        raise OptionError(
            f"{analysis.label}: --rois names masks of surfaces, and "
            + ("masks of voxels." if len(kinds) > 1 else "these images are volumes."),
            "Give masks of one kind.",
        )
    if kinds == {False} and analysis.form != "volume" and not analysis.ribbon:
        raise OptionError(
            f"{analysis.label}: --rois names masks of voxels, and these images are on surfaces.",
            "Give masks of vertices: '..._hemi-{hemi}_....label.gii' (.shape.gii, .func.gii, "
            "FreeSurfer's .label), or a .dscalar.nii.",
        )
    return RegionSource(MASKS, tuple(paths), names=tuple(names), on_surface=kinds == {True})


def _mask_name(name: str, side: str | None, of_both: bool = False) -> str:
    """Name a mask: by its hemisphere and label, as BIDS has it, else by its file."""
    # names without a suffix are common: hemi-B_label-FFA.nii
    pairs = dict(name_pairs(f"{name.split('.')[0]}_mask"))
    label = pairs.get("label") or pairs.get("desc")
    if side is None and not of_both and label:
        side = pairs.get("hemi")
    label = label or plain_name(name, of_both or side is not None).split(".")[0] or "mask"
    return f"{side} {label}" if side else label
