"""The surfaces of a participant's data and the cortex on them, each choice said in words.

In this order: the files given; the participant's own surface on the data's mesh; the
participant's own surface resampled to it; the template's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bids_rsa.discovery.given_files import given_files
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.templates import (
    SurfaceSet,
    family_of,
    freesurfer_folders,
    freesurfer_set,
    looked_for,
    template_sets,
)
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.records import Analysis, HemisphereSurfaces
from bids_rsa.settings import InputSettings
from bids_rsa.spaces.gifti import read_maps
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.surface_files import SIDES, density_label, read_surface
from bids_rsa.words import few, listing

# of the participant's own reconstruction, which names no space or that of its anatomical image
NATIVE = (None, "T1w", "fsnative")
TEMPLATE_WARNING = (
    "Distances are measured on a group-average surface, which has a smaller area than the surface "
    "of a brain: a patch covers more cortex than its radius says. Give the participants' own "
    "surfaces with --surface, or name the dataset that contains them with -d."
)
_GIFTI, _LABELS = ".surf.gii", ".label.gii"
_CORTEX = "cortex"
_HINT = (
    "Name it with --surface 'PATH/sub-{subject}_hemi-{hemi}_midthickness.surf.gii' (or white "
    "and pial, whose mean is taken), or name the dataset that contains it with -d. Nothing is "
    "downloaded."
)


@dataclass(frozen=True)
class SurfaceFiles:
    """Where surfaces of one hemisphere of an analysis are looked for.

    ``datasets`` are the folders of the datasets searched, ``files`` the participant's.
    """

    analysis: Analysis
    hemisphere: Hemisphere
    n_vertices: int
    files: Sequence[IndexedFile]
    datasets: Sequence[str]

    @property
    def is_native(self) -> bool:
        """Whether the data are on the participant's own mesh."""
        return self.analysis.space in NATIVE

    def own(
        self, suffix: str, spaces: Sequence[str | None], extension: str = _GIFTI
    ) -> list[IndexedFile]:
        """List the participant's files of this hemisphere, the session's own first."""
        session = self.analysis.session
        fitting = [
            f
            for f in self.files
            if f.suffix == suffix
            and f.extension == extension
            and f.space in spaces
            and dict(f.others).get("hemi") == self.hemisphere
            and (session is None or f.session in (None, session))
        ]
        return sorted(fitting, key=lambda f: (f.session != session, f.path))


def find_surfaces(where: SurfaceFiles, inputs: InputSettings) -> HemisphereSurfaces:
    """Find the surface that distances are measured on, the cortex, and what maps are drawn on.

    Parameters
    ----------
    where : SurfaceFiles
    inputs : InputSettings
        With ``surface`` and ``cortex_mask``.

    Raises
    ------
    InputError
        No surface is found: what was looked for, where, and what to do.
    ContentError
        A surface given has other vertices than the data.
    """
    templates = template_sets(where.analysis.space, where.hemisphere, where.n_vertices)
    own = list(_freesurfer_own(where)) if where.is_native else []
    # SUBJECTS_DIR may contain another study's participant of this label
    own = [one for one in own if _n_vertices(one.middle[0]) == where.n_vertices]
    found = (
        _given(where, inputs.surface)
        or _own_on_mesh(where, own)
        or _own_resampled(where, templates)
        or _of_template(where, templates)
    )
    if found is None:
        raise InputError(_not_found(where), _HINT)
    cortex, origin = _cortex(where, inputs.cortex_mask, _spaces(where), [*own, *templates])
    views = [f.path for f in where.own("inflated", _spaces(where))]
    views += [one.view for one in (*own, *templates) if one.view]
    view = next((path for path in views if _n_vertices(path) == where.n_vertices), "")
    found = replace(found, cortex=cortex, view=view)
    return replace(found, cortex_origin=origin) if origin else found


def _spaces(where: SurfaceFiles) -> tuple[str | None, ...]:
    """List the space- labels that surfaces on the data's mesh may have."""
    return NATIVE if where.is_native else (where.analysis.space,)


def _n_vertices(path: str) -> int:
    """Count the vertices of a surface."""
    return len(read_surface(path).coordinates_mm)


def given_surfaces(where: SurfaceFiles, patterns: Sequence[str]) -> HemisphereSurfaces:
    """Take the files named by --surface, whatever mesh they are of."""
    paths = tuple(_given_file(pattern, where, "--surface") for pattern in patterns)
    return HemisphereSurfaces(where.hemisphere, paths, f"--surface {' '.join(patterns)}")


def cortex_of_ribbon(where: SurfaceFiles, given: str | None) -> tuple[tuple[str, ...], str]:
    """Find the mask of the cortex on the participant's own mesh."""
    return _cortex(where, given, NATIVE, ())


def refuse_one_for_both(inputs: InputSettings, sides: Sequence[str]) -> None:
    """Refuse a path that names the same file for both hemispheres.

    Raises
    ------
    OptionError
    """
    options = [("--surface", pattern) for pattern in inputs.surface]
    if inputs.cortex_mask and _is_path(inputs.cortex_mask):
        options.append(("--cortex-mask", inputs.cortex_mask))
    for option, pattern in options:
        if len(sides) > 1 and "{hemi}" not in pattern:
            raise OptionError(
                f"{option} {pattern} is the same file for both hemispheres.",
                "Write {hemi} in the path where the files of L and R differ.",
            )


def _is_path(given: str) -> bool:
    """Tell a path from a desc- label."""
    return "{" in given or "/" in given or "." in given or Path(given).is_file()


def _given(where: SurfaceFiles, patterns: Sequence[str]) -> HemisphereSurfaces | None:
    """Take the files named by --surface, which must be of the data's mesh."""
    if not patterns:
        return None
    found = given_surfaces(where, patterns)
    for path in found.surfaces:
        if _n_vertices(path) != where.n_vertices:
            raise ContentError(
                f"{where.analysis.label}: --surface {path} has {_n_vertices(path)} vertices, and "
                f"the data of the {SIDES[where.hemisphere]} hemisphere have {where.n_vertices}.",
                "Give the surface on the data's mesh.",
            )
    return found


def _given_file(pattern: str, where: SurfaceFiles, option: str) -> str:
    """Fill in the entities of a path that the user gave."""
    return given_files(pattern, where.analysis, option, (where.hemisphere,))[0]


def _middle_of(where: SurfaceFiles, spaces: Sequence[str | None]) -> Iterator[tuple[str, ...]]:
    """List the participant's midthickness surfaces, then its white and pial surfaces in pairs."""
    for file in where.own("midthickness", spaces):
        yield (file.path,)
    for white in where.own("white", spaces):
        for pial in where.own("pial", spaces):
            if (white.folder, white.others) == (pial.folder, pial.others):
                yield white.path, pial.path


def _own_on_mesh(
    where: SurfaceFiles, freesurfer: Sequence[SurfaceSet]
) -> HemisphereSurfaces | None:
    """Find the participant's own surface on the data's mesh."""
    own = [(paths, _names(paths)) for paths in _middle_of(where, _spaces(where))]
    for paths, names in (*own, *((one.middle, one.where) for one in freesurfer)):
        if _n_vertices(paths[0]) == where.n_vertices:
            origin = f"the participant's own surface: {names}"
            return HemisphereSurfaces(where.hemisphere, paths, origin)
    return None


def _freesurfer_own(where: SurfaceFiles) -> Iterator[SurfaceSet]:
    """Find the participant's folder of FreeSurfer; in the datasets first."""
    folders: list[Path] = []
    for dataset in where.datasets:
        root = Path(dataset)
        folders += [root / "sourcedata" / "freesurfer", root / "freesurfer", root]
        folders += [root / "derivatives" / "freesurfer", root.parent / "freesurfer"]
    for folder in dict.fromkeys([*folders, *freesurfer_folders()]):
        if found := freesurfer_set(folder / f"sub-{where.analysis.subject}", where.hemisphere):
            yield found


def _own_resampled(
    where: SurfaceFiles, templates: Sequence[SurfaceSet]
) -> HemisphereSurfaces | None:
    """Find the participant's native surface and its registration to the template."""
    family = family_of(where.analysis.space)
    registered = [] if where.is_native else where.own("sphere", (family,))
    target = next((one.sphere for one in templates if one.sphere), "")
    if not registered or not target:
        return None
    for paths in _middle_of(where, NATIVE):
        for sphere in registered:
            if sphere.desc == "reg" and _n_vertices(sphere.path) == _n_vertices(paths[0]):
                names = _names((*paths, sphere.path, target))
                origin = f"the participant's own surface, resampled on the sphere: {names}"
                return HemisphereSurfaces(
                    where.hemisphere, paths, origin, spheres=(sphere.path, target)
                )
    return None


def _of_template(where: SurfaceFiles, templates: Sequence[SurfaceSet]) -> HemisphereSurfaces | None:
    """Find the template's surface on the data's mesh."""
    for one in templates:
        if one.middle and _n_vertices(one.middle[0]) == where.n_vertices:
            origin = f"template: {one.where} ({_names(one.middle)})"
            return HemisphereSurfaces(where.hemisphere, one.middle, origin, is_template=True)
    return None


def _names(paths: Sequence[str]) -> str:
    """Name files without their folders."""
    return ", ".join(Path(path).name for path in paths)


def _not_found(where: SurfaceFiles) -> str:
    """Say which surface is missing, what was looked for, and what surfaces there are."""
    space = where.analysis.space or "none"
    there = [Path(f.path).name for f in where.files if f.extension == _GIFTI]
    looked = [
        "the participant's midthickness surface, or white and pial, "
        + ("without a space or in T1w" if where.is_native else f"in space-{space}")
        + f", in {few(list(where.datasets)) or 'no dataset'}"
    ]
    if where.is_native:
        looked.append(f"sub-{where.analysis.subject} in FreeSurfer folders there and SUBJECTS_DIR")
    else:
        looked.append("its own surface with hemi-X_space-... _desc-reg_sphere.surf.gii")
        looked.append(looked_for(where.analysis.space, where.n_vertices))
    return (
        f"{where.analysis.label}: no surface of {where.n_vertices} vertices "
        f"(den-{density_label(where.n_vertices)}) was found for the {SIDES[where.hemisphere]} "
        f"hemisphere in space {space}. Looked for: {'; '.join(looked)}. Surfaces of this "
        f"participant: {listing(there) or 'none'}."
    )


def _cortex(
    where: SurfaceFiles,
    given: str | None,
    spaces: Sequence[str | None],
    sets: Sequence[SurfaceSet],
) -> tuple[tuple[str, ...], str]:
    """Find the mask of the cortex: as given, the participant's, or the template's; or nothing."""
    if given and _is_path(given):
        return (_given_file(given, where, "--cortex-mask"),), f"--cortex-mask {given}"
    label = (given or _CORTEX).removeprefix("desc-")
    masks = where.own("mask", spaces, _LABELS)
    named = [f.path for f in masks if f.desc == label]
    fitting = [path for path in named if len(read_maps(path).values) == where.n_vertices]
    if fitting or (given and named):
        path = (fitting or named)[0]
        return (path,), f"mask with desc-{label}: {Path(path).name}"
    if given:
        there = listing(sorted({f"desc-{f.desc}" for f in masks})) or "none"
        raise InputError(
            f"{where.analysis.label}: no mask hemi-{where.hemisphere}_..._desc-{label}_mask"
            f"{_LABELS} was found for --cortex-mask {given}. Masks of surfaces there: {there}.",
            "Give a file (its path may contain {subject} and {hemi}), or a desc- label.",
        )
    for one in sets:
        if one.cortex:
            return (one.cortex,), f"cortex of {one.where}: {Path(one.cortex).name}"
    # a mask of another mesh is refused when it is read
    return tuple(named[:1]), f"mask with desc-{label}: {Path(named[0]).name}" if named else ""
