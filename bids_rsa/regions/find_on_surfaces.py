"""Where the atlas of an analysis on surfaces or grayordinates is: by its file, or by its name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bids_rsa.discovery.given_files import given_files
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.templates import FREESURFER, family_of, freesurfer_folders
from bids_rsa.entities import name_pairs
from bids_rsa.errors import InputError, OptionError
from bids_rsa.records import Analysis, HemisphereSurfaces, RegionSource
from bids_rsa.regions.label_files import ANNOTATION, CIFTI_LABELS, GIFTI_LABELS, is_surface_atlas
from bids_rsa.regions.naming import is_path, labels_of, refuse_elsewhere, seg_label, space_in_name
from bids_rsa.spaces.hemispheres import hemisphere_named
from bids_rsa.spaces.map_files import maps_header
from bids_rsa.spaces.surface_files import SIDES, read_surface
from bids_rsa.tables import existing_file
from bids_rsa.words import listing

_FOLDERS = ("", "atlases/**/", "atlas/**/", "tpl-*/**/")


def surface_atlas(
    name: str,
    given: str,
    table: str,
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
) -> RegionSource:
    """Find the label files of both hemispheres, or of grayordinates.

    Raises
    ------
    BidsRsaError
        No such file or label, another space or another participant.
    """
    sides = [one.hemisphere for one in analysis.surfaces] or list(SIDES)
    if is_surface_atlas(given):
        paths = given_files(given, analysis, "--atlas", sides)
    elif is_path(given):
        raise OptionError(
            f"{analysis.label}: --atlas {given}: these images are on surfaces, and their regions "
            "are in .label.gii, .dlabel.nii or .annot files.",
            "Give --atlas '[NAME=]PATH/..._hemi-{hemi}_....label.gii', a .dlabel.nii file or "
            "FreeSurfer's '{hemi}.aparc.annot'.",
        )
    else:
        paths = _by_label(given, analysis, files, datasets)
    for path in paths:
        refuse_elsewhere(Path(path), analysis)
    found = str(existing_file(table, "--atlas-table").absolute()) if table else ""
    # a label in the name of one hemisphere's file names both
    label = seg_label(Path(given if is_surface_atlas(given) else paths[0]))
    return RegionSource(name or label, tuple(paths), found)


def _by_label(
    text: str, analysis: Analysis, files: Sequence[IndexedFile], datasets: Sequence[str]
) -> list[str]:
    """Find the files of an atlas by its label, the participant's own first."""
    label = text.partition("-")[2] if text.startswith(("atlas-", "seg-", "desc-")) else text
    endings = CIFTI_LABELS if analysis.form == "grayordinates" else ()
    there: set[str] = set()
    own = [Path(f.path) for f in files if is_surface_atlas(f.path)]
    for paths in (own, list(_shared(datasets, analysis)), list(_annotations(datasets, analysis))):
        known = [path for path in paths if _fits_space(path, analysis)]
        there |= {name for path in known for name in _names(path)}
        named = [path for path in known if label in _names(path)]
        if whole := [path for path in named if path.name.endswith(endings)] if endings else []:
            return [str(_one(whole, text, analysis).absolute())]
        found = [[p for p in named if _is_of(p, one)] for one in analysis.surfaces]
        if found and all(found):
            return [str(_one(fitting, text, analysis).absolute()) for fitting in found]
    raise InputError(
        f"{analysis.label}: no atlas {label} on the mesh of the images was found for --atlas "
        f"{text}: no ..._dseg.label.gii (or .dlabel.nii) with this atlas-, seg- or desc- label, "
        "and no FreeSurfer annotation of this name. Available labels: "
        f"{listing(sorted(there)) or 'none'}.",
        "Give a file (its path may contain {hemi}), or set TEMPLATEFLOW_HOME or SUBJECTS_DIR.",
    )


def _names(path: Path) -> set[str]:
    """List the labels that a file can be asked for by."""
    if path.name.endswith(ANNOTATION):
        return {seg_label(path), path.name.split(".", 1)[-1].removesuffix(ANNOTATION)}
    return labels_of(path)


def _shared(datasets: Sequence[str], analysis: Analysis) -> Iterator[Path]:
    """List the atlases that belong to no participant: of the datasets, and TemplateFlow's."""
    for root in datasets:
        for folder in _FOLDERS:
            for ending in (*GIFTI_LABELS, *CIFTI_LABELS):
                yield from sorted(Path(root).glob(f"{folder}*_dseg{ending}"))
    home, family = os.environ.get("TEMPLATEFLOW_HOME"), family_of(analysis.space)
    if home and family:
        for ending in (*GIFTI_LABELS, *CIFTI_LABELS):
            yield from sorted(Path(home).glob(f"tpl-{family}/**/*_dseg{ending}"))


def _annotations(datasets: Sequence[str], analysis: Analysis) -> Iterator[Path]:
    """List FreeSurfer's annotations of the template's mesh, or of the participant."""
    if not analysis.surfaces:
        return
    folders = list(freesurfer_folders())
    for dataset in datasets:
        root = Path(dataset)
        folders += [root / "sourcedata" / "freesurfer", root / "freesurfer", root]
        folders += [root / "derivatives" / "freesurfer", root.parent / "freesurfer"]
    subject = f"sub-{analysis.subject}"
    if family_of(analysis.space) == "fsaverage":
        subject = FREESURFER.get(_n_vertices(analysis.surfaces[0]), "fsaverage")
    for folder in dict.fromkeys(folders):
        yield from sorted((folder / subject / "label").glob(f"?h.*{ANNOTATION}"))


def _fits_space(path: Path, analysis: Analysis) -> bool:
    """Tell whether an atlas is of the images' template, or of no space that its name tells."""
    space = space_in_name(path) if not path.name.endswith(ANNOTATION) else None
    session = dict(name_pairs(path.name)).get("ses")
    return (
        space in (None, "T1w") or family_of(space) == family_of(analysis.space)
    ) and session in (None, analysis.session)


def _is_of(path: Path, surfaces: HemisphereSurfaces) -> bool:
    """Tell whether an atlas is of a hemisphere, and has as many vertices."""
    if hemisphere_named(path.name) != surfaces.hemisphere:
        return False
    if path.name.endswith(ANNOTATION):
        return True
    return bool(maps_header(str(path)).layout.n_locations == _n_vertices(surfaces))


def _n_vertices(surfaces: HemisphereSurfaces) -> int:
    """Count the vertices of the mesh of the images."""
    path = surfaces.spheres[1] if surfaces.spheres else surfaces.surfaces[0]
    return len(read_surface(path).coordinates_mm)


def _one(paths: Sequence[Path], text: str, analysis: Analysis) -> Path:
    """Refuse to choose among several atlases."""
    labels = sorted({seg_label(path) for path in paths})
    if len(labels) > 1:
        raise OptionError(
            f"{analysis.label}: --atlas {text} fits several atlases: {listing(labels)}.",
            "Give one of these labels, or a file.",
        )
    return paths[0]
