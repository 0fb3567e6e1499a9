"""Slices of a map over a background, in three directions, with a colour bar."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from nilearn.image import reorder_img
from nilearn.plotting import plot_stat_map
from numpy.typing import NDArray

N_SLICES = 7
BACKGROUND_MM = 2
# directions of the slices, and where their rows begin, in parts of the height
_ROWS = {"z": 0.67, "y": 0.335, "x": 0.0}
_ROW_HEIGHT = 0.275
_LEFT, _WIDTH = 0.015, 0.885


def draw_slices(
    figure: Figure,
    image: Any,
    background: Any,
    cuts: Mapping[str, Sequence[float]],
    *,
    limits: tuple[float, float],
    colours: str,
    unit: str,
    bottom: float = 0.02,
    top: float = 0.95,
) -> None:
    """Draw a map's voxels that are not 0 between two heights of a figure.

    Parameters
    ----------
    figure : Figure
    image, background : Nifti1Image
    cuts : mapping
        Places of the slices in mm, for ``x``, ``y`` and ``z``.
    limits : tuple of float
        Ends of the colour scale.
    colours, unit : str
        Colour map, and what its bar says.
    bottom, top : float
        In parts of the figure's height.
    """
    height = top - bottom
    # straightened here: nilearn would do so with splines, which draw a rim around it
    straight = reorder_img(background, resample="linear")
    with warnings.catch_warnings():
        # nilearn's word for a background of almost nothing, such as the mean of centred images
        warnings.filterwarnings("ignore", message="empty mask")
        for axis, coordinates in cuts.items():
            display = plot_stat_map(
                image,
                bg_img=straight,
                figure=figure,
                axes=(_LEFT, bottom + _ROWS[axis] * height, _WIDTH, _ROW_HEIGHT * height),
                display_mode=axis,
                cut_coords=list(coordinates),
                threshold=np.finfo(np.float32).tiny,
                cmap=colours,
                vmin=limits[0],
                vmax=limits[1],
                colorbar=False,
                annotate=False,
                black_bg=False,
                draw_cross=False,
                resampling_interpolation="nearest",
            )
            _name_slices(display, axis)
    bar = figure.add_axes((_LEFT + _WIDTH + 0.025, bottom + 0.1, 0.016, height - 0.2))
    figure.colorbar(ScalarMappable(Normalize(*limits), colours), bar, label=unit)


def _name_slices(display: Any, axis: str) -> None:
    """Write each slice's place above it, and beside the first one which side is which."""
    for number, (coordinate, cut) in enumerate(display.axes.items()):
        cut.ax.set_title(f"{axis} = {round(coordinate)} mm", fontsize=9, pad=3)
        if number == 0 and axis != "x":
            for side, at in (("L", 0.0), ("R", 1.0)):
                cut.ax.text(at, 1.0, side, transform=cut.ax.transAxes, ha="center", fontsize=9)


def cuts_through(mask: NDArray[np.bool_], affine: NDArray[np.float64]) -> dict[str, list[float]]:
    """Spread slices evenly over the part of a mask that is not empty, in mm."""
    ijk = np.argwhere(mask if mask.any() else np.ones_like(mask))
    mm = nib.affines.apply_affine(affine, ijk)
    low, high = mm.min(axis=0), mm.max(axis=0)
    return {
        axis: [float(x) for x in np.unique(np.linspace(low[i], high[i], N_SLICES + 2)[1:-1])]
        for i, axis in enumerate("xyz")
    }
