"""Mosaic pictures of maps over an anatomical background."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from nilearn.datasets import load_mni152_template
from nilearn.image import crop_img
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import Scale, find_comparison
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.derivatives import PlannedFile, figure_path
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.patterns.stacking import StackedPatterns
from bids_rsa.records import Analysis
from bids_rsa.reports.slices import BACKGROUND_MM, cuts_through, draw_slices
from bids_rsa.spaces.images import load_volume

LOGGER = logging.getLogger(__name__)
VOXELS = "voxels in the patch"
SIZES: Scale = "positive"


def draw_group(
    output_dir: Path,
    planned: Sequence[PlannedFile],
    group: Analysis,
    stacked: StackedPatterns,
) -> list[Path]:
    """Draw each map of a group, and its patch sizes.

    Returns
    -------
    list of Path
        The pictures.
    """
    drawn = [file for file in planned if not file.path.endswith("_mask.nii.gz")]
    background, words = find_background(group, stacked)
    figures = []
    for file in drawn:
        image = nib.load(output_dir / file.path)
        path = output_dir / figure_path(file.path, group)
        entry = find_comparison(file.comparison) if file.comparison else None
        unit, scale = (entry.unit, entry.scale) if entry else (VOXELS, SIZES)
        what = f"{unit} with the model {file.model}" if file.model else unit
        draw_map(image, background, path, f"{group.label}: {what}, on {words}", unit, scale)
        figures.append(path)
    return figures


def find_background(group: Analysis, stacked: StackedPatterns) -> tuple[Any, str]:
    """Choose what maps are drawn on: BOLD reference or T1w, MNI template, or the mean image.

    Returns
    -------
    image, words
        The image, and what it is called in the title.
    """
    if group.background:
        try:
            data, grid = load_volume(group.background, volume=0)
            return nib.Nifti1Image(data, grid.affine), Path(group.background).name
        except BidsRsaError as error:  # a picture's background is no reason to fail
            LOGGER.warning("%s: the pictures have another background: %s", group.label, error)
    if group.space and group.space.startswith("MNI"):
        return load_mni152_template(resolution=BACKGROUND_MM), "the MNI template"
    return _cropped(stacked.mean_volume(), stacked.affine), "the mean image"


def colours_of(data: NDArray[np.floating], scale: Scale) -> tuple[tuple[float, float], str]:
    """Choose the ends of the colour scale and the colour map for a map's values."""
    limit = float(np.abs(data).max()) or 1.0
    if scale == "symmetric":
        return (-limit, limit), "RdBu_r"
    return (0.0, 1.0 if scale == "share" else limit), "viridis"


def _cropped(data: NDArray[np.floating], affine: NDArray[np.float64]) -> Any:
    """Make an image without the empty margins, which would make the slices small."""
    image = nib.Nifti1Image(data, affine)
    return crop_img(image, copy_header=True) if data.any() else image


def draw_map(image: Any, background: Any, path: Path, title: str, unit: str, scale: Scale) -> None:
    """Draw slices in three directions with a colour bar that names its unit."""
    data = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))
    shown = _cropped(data, image.affine)
    limits, colours = colours_of(data, scale)
    figure = Figure(figsize=(13, 6.5))
    figure.text(0.01, 0.955, title, fontsize=12)
    cuts = cuts_through(np.asarray(shown.dataobj) != 0, shown.affine)
    draw_slices(
        figure, shown, background, cuts, limits=limits, colours=colours, unit=unit, top=0.92
    )
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110)
