"""Pictures of a participant's maps over an anatomical background."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from bids_rsa.core.comparison.table import ScaleKind, find_comparison
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.derivatives import PlannedFile, anatomy_path, map_figure_path
from bids_rsa.outputs.whole_files import save_image
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.records import Analysis
from bids_rsa.reports.drawing import COUNTS_OPACITY, is_count, opacity_of, scale_of
from bids_rsa.reports.map_words import OF_NULL, MapWords, map_words, stat_of
from bids_rsa.reports.pictures import mosaic_figure, paint, save_figure
from bids_rsa.reports.slices import Anatomy, Mosaic, cuts_through, lay_out, read_anatomy
from bids_rsa.reports.template import mni_template
from bids_rsa.spaces.images import load_volume

LOGGER = logging.getLogger(__name__)
MNI_TEMPLATE = "the MNI template"


def draw_analysis(
    output_dir: Path, planned: Sequence[PlannedFile], analysis: Analysis, stacked: StackedPatterns
) -> list[Path]:
    """Draw each map of an analysis, and its patch sizes.

    Returns
    -------
    list of Path
        The pictures.
    """
    background, words = find_background(analysis, stacked)
    anatomy = read_anatomy(background, words)
    mosaic: Mosaic | None = None
    drawn: list[Path] = []
    for file in planned:
        if not file.is_pictured:
            continue
        image: Any = nib.load(output_dir / file.path)
        # all maps of an analysis have values at the same centres
        mosaic = mosaic or _lay_out(image, anatomy)
        held = words_of(file)
        shown = nib.Nifti1Image(
            held.drawn(np.asarray(image.dataobj, dtype=np.float32)), image.affine
        )
        path = output_dir / map_figure_path(file.path, analysis)
        title = f"{analysis.title}: {held.title}"
        drawn += draw_map(mosaic, shown, path, title, held.unit, held.kind)
    if words != MNI_TEMPLATE:  # kept for the page; the template comes with nilearn
        path = output_dir / anatomy_path(analysis)
        save_image(_small(background), path)
        drawn.append(path)
    return drawn


def _small(image: Any) -> Any:
    """Make an image small: every second voxel of a fine one, half the precision."""
    data = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))
    fine = np.sqrt((image.affine[:3, :3] ** 2).sum(axis=0)) < 1.5
    steps = np.where(fine, 2, 1)
    smaller = nib.Nifti1Image(data, image.affine).slicer[:: steps[0], :: steps[1], :: steps[2]]
    return nib.Nifti1Image(np.asarray(smaller.dataobj, dtype=np.float32), smaller.affine)


def words_of(file: PlannedFile) -> MapWords:
    """Find the words for a planned map."""
    settings = {key: json.loads(text) for key, text in file.settings}
    name = settings.get("Comparison")
    return map_words(
        stat_of(file.path),
        find_comparison(name) if name else None,
        settings.get("Model", {}).get("Name", ""),
        file.kind if file.kind in OF_NULL else "",
    )


def find_background(analysis: Analysis, stacked: StackedPatterns) -> tuple[Any, str]:
    """Choose what maps are drawn on: BOLD reference or T1w, MNI template, or the mean image.

    Returns
    -------
    image, words
        The image, and what it is called below the picture.
    """
    if analysis.background:
        try:
            data, grid = load_volume(analysis.background, volume=0)
            return nib.Nifti1Image(data, grid.affine), Path(analysis.background).name
        except BidsRsaError as error:  # a picture's background is no reason to fail
            LOGGER.warning("%s: the pictures have another background: %s", analysis.label, error)
    if analysis.space and analysis.space.startswith("MNI"):
        return mni_template(), MNI_TEMPLATE
    return stacked.space.image(stacked.mean_map()), "the mean image"


def _lay_out(image: Any, anatomy: Anatomy) -> Mosaic:
    """Lay slices through a map's values."""
    shown = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32)) != 0
    return lay_out(anatomy, shown, image.affine, cuts_through(shown, image.affine))


def draw_map(
    mosaic: Mosaic, image: Any, path: Path, title: str, unit: str, kind: ScaleKind = "symmetric"
) -> list[Path]:
    """Draw slices in three directions with a colour bar that names its unit.

    Parameters
    ----------
    mosaic : Mosaic
    image : Nifti1Image
    path : Path
        The PNG; an SVG is next to it.
    title, unit : str
    kind : {"symmetric", "positive", "share"}
        Colours: about 0, from 0 to the largest value, from 0 to 1.

    Returns
    -------
    list of Path
    """
    data = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))
    scale = scale_of(data, unit, kind)
    values = mosaic.sample(data, image.affine)
    if is_count(unit):
        opacity, note = COUNTS_OPACITY * (values != 0), ""
    else:
        opacity = opacity_of(values, scale)
        note = "Colours are fainter the nearer a value is to 0, so that the anatomy shows."
    picture = paint(mosaic, values, opacity, scale)
    drawn_on = f"Drawn on {mosaic.anatomy.words}." if mosaic.anatomy.words else ""
    figure = mosaic_figure(mosaic, picture, scale, title, [f"{drawn_on} {note}".strip()])
    return save_figure(figure, path)
