"""Mosaic pictures of maps over an anatomical background."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from nilearn.datasets import load_mni152_template
from nilearn.image import crop_img, reorder_img
from nilearn.plotting import plot_stat_map
from numpy.typing import NDArray

from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.derivatives import PlannedFile, figure_path
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.patterns.images import load_volume
from bids_rsa.patterns.stacking import StackedPatterns
from bids_rsa.records import ImageGroup

LOGGER = logging.getLogger(__name__)
UNITS = {
    "spearman": "Spearman's rho",
    "pearson": "Pearson's r",
    "kendall-tau-a": "Kendall's tau-a",
    "partial": "partial correlation",
    "partial-spearman": "partial rank correlation",
    "regression": "regression weight",
}
VOXELS = "voxels in the patch"
N_SLICES = 7
BACKGROUND_MM = 2
ROWS = {"z": 0.62, "y": 0.32, "x": 0.02}  # directions of the slices, and where their rows begin
ROW_HEIGHT = 0.26
LEFT, WIDTH = 0.015, 0.885


def draw_group(
    output_dir: Path,
    planned: Sequence[PlannedFile],
    group: ImageGroup,
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
        unit = UNITS.get(file.comparison, VOXELS)
        what = f"{unit} with the model {file.model}" if file.model else unit
        draw_map(image, background, path, f"{group.label}: {what}, on {words}", unit)
        figures.append(path)
    return figures


def find_background(group: ImageGroup, stacked: StackedPatterns) -> tuple[Any, str]:
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


def _cropped(data: NDArray[np.floating], affine: NDArray[np.float64]) -> Any:
    """Make an image without the empty margins, which would make the slices small."""
    image = nib.Nifti1Image(data, affine)
    return crop_img(image, copy_header=True) if data.any() else image


def draw_map(image: Any, background: Any, path: Path, title: str, unit: str) -> None:
    """Draw slices in three directions with a colour bar that names its unit.

    Scores have diverging colours, symmetric about 0; patch sizes have sequential ones.
    """
    data = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))
    shown = _cropped(data, image.affine)
    limit = float(np.abs(data).max()) or 1.0
    low, colours = (0.0, "viridis") if unit == VOXELS else (-limit, "RdBu_r")
    # straightened here: nilearn would do so with splines, which draw a rim around it
    straight = reorder_img(background, resample="linear")
    figure = Figure(figsize=(13, 6.5))
    figure.text(0.01, 0.955, title, fontsize=12)
    with warnings.catch_warnings():
        # nilearn's word for a background of almost nothing, such as the mean of centred images
        warnings.filterwarnings("ignore", message="empty mask")
        for axis, coordinates in _cuts(shown).items():
            display = plot_stat_map(
                shown,
                bg_img=straight,
                figure=figure,
                axes=(LEFT, ROWS[axis], WIDTH, ROW_HEIGHT),
                display_mode=axis,
                cut_coords=coordinates,
                threshold=np.finfo(np.float32).tiny,
                cmap=colours,
                vmax=limit,
                vmin=low,
                colorbar=False,
                annotate=False,
                black_bg=False,
                draw_cross=False,
                resampling_interpolation="nearest",
            )
            _name_slices(display, axis)
    bar = figure.add_axes((LEFT + WIDTH + 0.025, 0.12, 0.016, 0.7))
    figure.colorbar(ScalarMappable(Normalize(low, limit), colours), bar, label=unit)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110)


def _name_slices(display: Any, axis: str) -> None:
    """Write each slice's place above it, and beside the first one which side is which."""
    for number, (coordinate, cut) in enumerate(display.axes.items()):
        cut.ax.set_title(f"{axis} = {round(coordinate)} mm", fontsize=9, pad=3)
        if number == 0 and axis != "x":
            for side, at in (("L", 0.0), ("R", 1.0)):
                cut.ax.text(at, 1.0, side, transform=cut.ax.transAxes, ha="center", fontsize=9)


def _cuts(image: Any) -> dict[str, list[float]]:
    """Spread slices evenly over the part of the image that is not empty, in mm."""
    ijk = np.argwhere(np.asarray(image.dataobj))
    ijk = ijk if len(ijk) else np.argwhere(np.ones(image.shape, dtype=bool))
    mm = nib.affines.apply_affine(image.affine, ijk)
    low, high = mm.min(axis=0), mm.max(axis=0)
    return {
        axis: [float(x) for x in np.linspace(low[i], high[i], N_SLICES + 2)[1:-1]]
        for i, axis in enumerate("xyz")
    }
