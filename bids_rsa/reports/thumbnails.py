"""All participants' maps on one page, small, on one colour scale."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from PIL import Image

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.outputs.dataset_files import resolve_sources
from bids_rsa.reports.collect import FoundMap, find_statmaps, participant_folder
from bids_rsa.reports.drawing import opacity_of, scale_of
from bids_rsa.reports.found_tests import FoundTest
from bids_rsa.reports.parts import embed_image
from bids_rsa.reports.pictures import Scale, paint
from bids_rsa.reports.slices import Anatomy, Mosaic, lay_out_row, read_anatomy
from bids_rsa.reports.surface_packing import Geometry, unpack_hemispheres
from bids_rsa.reports.surface_view import lay_out_hemispheres
from bids_rsa.reports.surface_viewer import read_geometry
from bids_rsa.reports.template import mni_template
from bids_rsa.reports.voxel_viewer import layout_of_voxels

BUDGET = 7_000_000  # letters of all thumbnails
PICTURE_WIDTH = 360  # pixels of a picture of hemispheres
TOP_PERCENTILE = 99.5  # ends the colour scale: one participant's outlier does not fade the others


def make_sheets(
    output_dir: Path, tests: Sequence[FoundTest]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Draw the participants' maps of each test's model and comparison.

    Parameters
    ----------
    output_dir : Path
    tests : sequence of FoundTest

    Returns
    -------
    sheets, not_shown
        A sheet for each kind of map, and the kinds that there was no room for.
    """
    sheets: list[dict[str, Any]] = []
    not_shown: list[str] = []
    used = 0
    geometries = _geometries(output_dir, tests)
    for title, maps, inside in _kinds(output_dir, [test.sidecar for test in tests]):
        n_letters = 0
        if used < BUDGET:
            geometry = next(
                filter(None, (geometries.get(one.path.resolve()) for one in maps)), None
            )
            if maps[0].is_volume:
                sheet = _sheet(title, maps, inside)
            elif geometry:
                sheet = _surface_sheet(title, maps, inside, geometry)
            else:
                sheet = _picture_sheet(title, maps, inside)
            n_letters = sum(len(one.uri) for one in sheet["images"])
        if used + n_letters > BUDGET or not n_letters:
            not_shown.append(title)
            continue
        used += n_letters
        sheets.append(sheet)
    return sheets, not_shown


def _geometries(output_dir: Path, tests: Sequence[FoundTest]) -> dict[Path, Geometry]:
    """Give the surfaces that each participant's map was tested on; none where nothing was drawn."""
    found: dict[Path, Geometry] = {}
    for test in tests:
        geometry = read_geometry(test.geometry_file)
        if geometry:
            uris = [uri for uri in test.sidecar.get("Sources", ()) if "_statmap" in uri]
            found |= dict.fromkeys(resolve_sources(output_dir, uris), geometry)
    return {path.resolve(): geometry for path, geometry in found.items()}


def _kinds(
    output_dir: Path, tests: Sequence[dict[str, Any]]
) -> list[tuple[str, list[FoundMap], set[str]]]:
    """List the kinds of maps that were tested: title, the maps, and who is in."""
    uris = {uri for test in tests for uri in test.get("Sources", ()) if "_statmap" in uri}
    wanted = set(resolve_sources(output_dir, sorted(uris)))
    # with those of the participants who were left out
    folders = sorted({participant_folder(path) for path in wanted})
    everyone = sorted({one for folder in folders for one in folder.parent.glob("sub-*")})
    maps = [
        one
        for folder in everyone
        if folder.is_dir()
        for one in find_statmaps(folder, folder / "figures", of_one_call=False)
        if one.is_score
    ]
    kinds: dict[tuple[str, str, str], list[FoundMap]] = {}
    for one in maps:
        kinds.setdefault(_kind(one), []).append(one)
    found = []
    for (_, comparison, model), own in kinds.items():
        inside = {_subject(one) for one in own if one.path.resolve() in wanted}
        if inside:
            title = COMPARISONS[comparison].title if comparison in COMPARISONS else comparison
            found.append((f"{title}, model {model}", own, inside))
    return found


def _kind(one: FoundMap) -> tuple[str, str, str]:
    """Say what maps of several participants share: entities, comparison, model."""
    return one.analysis.partition("_")[2], str(one.sidecar.get("Comparison")), one.model


def _subject(one: FoundMap) -> str:
    """Name the participant of a map."""
    return one.stem.partition("_")[0]


def _sheet(title: str, maps: Sequence[FoundMap], inside: set[str]) -> dict[str, Any]:
    """Draw the maps of one kind, each with three slices through the place of the highest mean."""
    mean, highest = _mean_and_highest(maps)
    affine = maps[0].image.affine
    peak = np.unravel_index(int(np.argmax(mean)), mean.shape)
    place = apply_affine(affine, peak)
    scale = _scale(maps, highest)
    mosaic = lay_out_row(_anatomy(maps[0], mean), mean != 0, affine, place)
    images = [_thumbnail(one, mosaic, scale, title, _subject(one) in inside) for one in maps]
    where = f"slices through ({', '.join(f'{x:.0f}' for x in place)}) mm"
    return {"title": title, "images": images, "scale": _scale_words(scale, where)}


def _scale(maps: Sequence[FoundMap], highest: float) -> Scale:
    """Give the one colour scale of all maps of a kind."""
    entry = COMPARISONS[str(maps[0].sidecar["Comparison"])]
    return scale_of(np.array([highest]), entry.unit, entry.scale)


def _scale_words(scale: Scale, where: str) -> str:
    """Say which colour scale all participants have, and what is shown."""
    return (
        f"All participants on one colour scale, from {scale.low:.3g} to {scale.high:.3g} "
        f"({scale.unit}); {where}."
    )


def _surface_sheet(
    title: str, maps: Sequence[FoundMap], inside: set[str], geometry: Geometry
) -> dict[str, Any]:
    """Draw the maps of one kind on the surfaces that they were tested on."""
    mosaic = lay_out_hemispheres(unpack_hemispheres(geometry), PICTURE_WIDTH)
    n_locations = int(mosaic.locations.max()) + 1
    fitting = [one for one in maps if len(one.data) >= n_locations]
    if not fitting:
        return _picture_sheet(title, maps, inside)
    has_voxels = layout_of_voxels(fitting[0]) is not None
    _, highest = _mean_and_highest(fitting)
    scale, images = _scale(maps, highest), []
    for one in fitting:
        values = np.asarray(mosaic.sample(one.data), dtype=np.float64)
        known = one.data[np.isfinite(one.data) & (one.data != 0)]
        one.forget()
        picture = Image.fromarray(paint(mosaic, values, opacity_of(values, scale), scale))
        images.append(_embedded(picture, one, known, title, _subject(one) in inside))
    where = "on the surfaces of the test; fainter the nearer a score is to 0"
    if has_voxels:
        where += "; voxels below the cortex are in the pictures of each participant only"
    return {"title": title, "images": images, "scale": _scale_words(scale, where)}


def _picture_sheet(title: str, maps: Sequence[FoundMap], inside: set[str]) -> dict[str, Any]:
    """Show the pictures that the participant level has drawn, made small."""
    images = []
    for one in maps:
        if not one.picture.exists():
            continue
        with Image.open(one.picture) as picture:
            small = picture.convert("RGB")
            small.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH))
        name = _subject(one)
        images.append(embed_image(small, f"{name}: {title}", name, name not in inside))
    said = (
        "Each participant on its own colour scale; the pictures in full size are in each "
        "participant's folder figures."
    )
    return {"title": title, "images": images, "scale": said}


def _mean_and_highest(maps: Sequence[FoundMap]) -> tuple[NDArray[np.float64], float]:
    """Average the maps that are on the mesh of the first one; find where the colour scale ends."""
    total = np.zeros(maps[0].data.shape)
    n, highest = 0, 0.0
    for one in maps:
        data = np.nan_to_num(one.data)
        one.forget()
        if data.shape == total.shape:
            total += data
            n += 1
        values = np.abs(data[data != 0])
        highest = max(highest, float(np.percentile(values, TOP_PERCENTILE)) if values.size else 0)
    return total / n, highest


def _anatomy(one: FoundMap, mean: NDArray[np.float64]) -> Anatomy:
    """Give the MNI template, or where there are scores."""
    if "_space-MNI" in one.stem:
        return read_anatomy(mni_template())
    return read_anatomy(nib.Nifti1Image((mean != 0).astype(np.float32), one.image.affine))


def _thumbnail(one: FoundMap, mosaic: Mosaic, scale: Scale, title: str, is_in: bool) -> Any:
    """Draw one participant's map."""
    data = np.nan_to_num(one.data)
    one.forget()
    values = mosaic.sample(data, one.image.affine)
    picture = Image.fromarray(paint(mosaic, values, opacity_of(values, scale), scale))
    return _embedded(picture, one, data[data != 0], title, is_in)


def _embedded(
    picture: Image.Image, one: FoundMap, known: NDArray[Any], title: str, is_in: bool
) -> Any:
    """Put a participant's picture into the page."""
    name = _subject(one)
    alt = f"{name}: {title}; mean score {known.mean() if known.size else 0:.3g}"
    return embed_image(picture, alt, name, not is_in)
