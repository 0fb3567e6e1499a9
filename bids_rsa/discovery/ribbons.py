"""The white and pial surfaces between which the voxels of native images are searched."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.discovery.given_files import given_files
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.masks import Query, roi_mask
from bids_rsa.discovery.surfaces import (
    NATIVE,
    SurfaceFiles,
    cortex_of_ribbon,
    given_surfaces,
    refuse_one_for_both,
)
from bids_rsa.entities import in_order, name_pairs
from bids_rsa.errors import InputError, OptionError
from bids_rsa.records import Analysis, HemisphereSurfaces, MaskChoice
from bids_rsa.settings import InputSettings
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.map_files import is_gifti
from bids_rsa.spaces.surface_files import DENSITIES, SIDES, read_surface
from bids_rsa.tables import refuse_unwritable_name
from bids_rsa.words import few, listing

# what names of images say where voxels are in the participant's own space
_NATIVE_IMAGES = (
    *NATIVE, "anat", "T2w", "individual", "native", "orig", "scanner", "func", "bold", "boldref",
)  # fmt: skip
NATIVE_MESH = "fsnative"


def with_ribbon(
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    inputs: InputSettings,
    query: Query | None = None,
) -> Analysis:
    """Add the white and pial surfaces of both hemispheres; maps are then on their mesh.

    Parameters
    ----------
    analysis : Analysis
        Of volumes, with its masks.
    files : sequence of IndexedFile
        The participant's.
    datasets : sequence of str
        The folders of the datasets searched.
    inputs : InputSettings
    query : dict, optional
        What --bids-filter-file asks of masks.

    Raises
    ------
    OptionError
        Images of a template's space.
    InputError
        No white and pial surface.
    """
    refuse_one_for_both(inputs, tuple(SIDES))
    surfaces = tuple(_ribbon(analysis, side, files, datasets, inputs) for side in SIDES)
    roi = _roi(analysis, files, datasets, inputs.roi_mask, query or {})
    for path in (*roi.paths, *(path for one in surfaces for path in one.files)):
        refuse_unwritable_name(path)
    pairs = dict(name_pairs(surfaces[0].surfaces[0]))
    if analysis.space not in (*_NATIVE_IMAGES, pairs.get("space")):
        raise OptionError(
            f"{analysis.label}: --patches {inputs.patches} needs images in the participant's own "
            f"space, and these are in space-{analysis.space}, unlike the surfaces.",
            "Choose the images in the space of the anatomy (fMRIPrep: --space T1w).",
        )
    space = pairs.get("space") or NATIVE_MESH
    n_vertices = len(read_surface(surfaces[0].surfaces[0]).coordinates_mm)
    density = DENSITIES.get(n_vertices) if space != NATIVE_MESH else None
    origins = dict.fromkeys(one.origin for one in surfaces)
    return replace(
        analysis,
        surfaces=surfaces,
        ribbon=True,
        on_lines=inputs.patches == "lines",
        roi_mask=roi,
        space=space,
        resolution=None,
        others=in_order((*analysis.others, ("den", density))),
        notes=(*analysis.notes, f"Voxels between surfaces: {'; '.join(origins)}."),
    )


def _roi(
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    given: str | None,
    query: Query,
) -> MaskChoice:
    """Choose the mask of centres: of the vertices of each hemisphere, or of voxels."""
    if given is not None and is_gifti(given):
        paths = tuple(given_files(given, analysis, "--roi-mask", tuple(SIDES)))
        return MaskChoice(paths, f"--roi-mask {given}")
    if given is not None and "{" not in given and not Path(given).is_file():
        label = given.removeprefix("desc-")
        found = [
            next((f.path for f in where.own("mask", NATIVE, ".label.gii") if f.desc == label), "")
            for where in (SurfaceFiles(analysis, side, 0, files, datasets) for side in SIDES)
        ]
        if any(found):
            names = few([Path(path).name for path in found if path])
            return MaskChoice(tuple(filter(None, found)), f"masks with desc-{label}: {names}")
    return roi_mask(analysis, files, given, query)


def _ribbon(
    analysis: Analysis,
    side: Hemisphere,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    inputs: InputSettings,
) -> HemisphereSurfaces:
    """Find white and pial surface of a hemisphere: those given, or the participant's own."""
    where = SurfaceFiles(analysis, side, 0, files, datasets)
    if inputs.surface:
        if len(inputs.surface) != 2:
            raise OptionError(
                f"--patches {inputs.patches} needs white and pial surface, and --surface names "
                f"{len(inputs.surface)} file{'s' * (len(inputs.surface) != 1)}.",
                "Give two: --surface WHITE PIAL; their paths may contain {subject} and {hemi}.",
            )
        found = given_surfaces(where, inputs.surface)
    else:
        found = _own(where, inputs.patches)
    where = replace(where, n_vertices=len(read_surface(found.surfaces[0]).coordinates_mm))
    views = [f.path for f in where.own("inflated", NATIVE)]
    cortex, origin = cortex_of_ribbon(where, inputs.cortex_mask)
    found = replace(found, cortex=cortex, view=views[0] if views else "")
    return replace(found, cortex_origin=origin) if origin else found


def _own(where: SurfaceFiles, patches: str) -> HemisphereSurfaces:
    """Find the participant's own white and pial surface in the space of its anatomy."""
    for white in where.own("white", NATIVE):
        for pial in where.own("pial", NATIVE):
            if (white.folder, white.session, white.others) == (
                pial.folder, pial.session, pial.others,
            ):  # fmt: skip
                names = few([path.rpartition("/")[2] for path in (white.path, pial.path)])
                origin = f"the participant's white and pial surface: {names}"
                return HemisphereSurfaces(where.hemisphere, (white.path, pial.path), origin)
    there = [f.path.rpartition("/")[2] for f in where.files if f.extension == ".surf.gii"]
    raise InputError(
        f"{where.analysis.label}: --patches {patches} needs the white and the pial surface of the "
        f"{SIDES[where.hemisphere]} hemisphere in the space of the images, and no pair "
        f"..._hemi-{where.hemisphere}_white.surf.gii and ..._pial.surf.gii was found in "
        f"{few(list(where.datasets)) or 'no dataset'}. Surfaces of this participant: "
        f"{listing(there) or 'none'}.",
        "Name the dataset that contains them with -d (fMRIPrep writes them to anat/), or the files "
        "with --surface WHITE PIAL.",
    )
