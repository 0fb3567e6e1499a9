"""Mosaic pictures of maps over an anatomical background."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import nibabel as nib
import numpy as np
from matplotlib.figure import Figure
from nilearn.datasets import load_mni152_template
from nilearn.plotting import plot_stat_map

from bids_rsa.derivatives import PlannedFile, figure_path
from bids_rsa.records import ImageGroup
from bids_rsa.stacking import StackedPatterns
from bids_rsa.whole_files import replacing

UNITS = {
    "spearman": "Spearman's rho",
    "pearson": "Pearson's r",
    "kendall-tau-a": "Kendall's tau-a",
    "partial": "partial correlation",
    "partial-spearman": "partial rank correlation",
    "regression": "regression weight",
}
N_SLICES = 7
BACKGROUND_MM = 2


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
    background = find_background(group, stacked)
    figures = []
    for file in drawn:
        image = nib.load(output_dir / file.path)
        path = output_dir / figure_path(file.path, group)
        title = " ".join(filter(None, (group.label, file.comparison, file.model)))
        draw_map(image, background, path, title, UNITS.get(file.comparison, "voxels"))
        figures.append(path)
    return figures


def find_background(group: ImageGroup, stacked: StackedPatterns) -> Any:
    """Choose what maps are drawn on: BOLD reference or T1w, MNI template, or the mean image."""
    if group.background:
        image: Any = nib.load(group.background)
        return image if image.ndim == 3 else image.slicer[..., 0]
    if group.space and group.space.startswith("MNI"):
        return load_mni152_template(resolution=BACKGROUND_MM)
    return nib.Nifti1Image(stacked.mean_volume(), stacked.affine)


def draw_map(image: Any, background: Any, path: Path, title: str, unit: str) -> None:
    """Draw slices in three directions with a colour bar that names its unit.

    Scores have diverging colours, symmetric about 0; patch sizes have sequential ones.
    """
    data = np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))
    shown = nib.Nifti1Image(data, image.affine)
    signed = unit != "voxels"
    limit = float(np.abs(data).max()) or 1.0
    figure = Figure(figsize=(13, 5.6))
    plot_stat_map(
        shown,
        bg_img=background,
        figure=figure,
        axes=(0.0, 0.0, 0.96, 0.9),
        display_mode="mosaic",
        cut_coords=_cuts(shown),
        threshold=np.finfo(np.float32).tiny,
        cmap="RdBu_r" if signed else "viridis",
        vmax=limit,
        vmin=-limit if signed else 0.0,
        symmetric_cbar=signed,
        black_bg=False,
        draw_cross=False,
        resampling_interpolation="nearest",
    )
    figure.text(0.01, 0.94, title, fontsize=13)
    figure.text(0.985, 0.45, unit, rotation=90, fontsize=12, ha="center", va="center")
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110)


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
