"""Pictures of regions at participant level: the RDMs of all of them side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bids_rsa.reports.pictures import DIVERGING, save_figure
from bids_rsa.reports.row_names import MOST_NAMED

Floats = NDArray[np.float64]
SEQUENTIAL = colormaps["viridis"]
_WIDTH_INCHES, _MOST_PER_ROW = 12.0, 10
_NAME_INCHES, _HEAD_INCHES = 0.22, 0.75
_LETTERS_PER_INCH = 11


def rdm_colours(cells: Floats) -> tuple[Normalize, Colormap]:
    """Choose the colours of RDMs: about 0 where distances are below 0, else their range."""
    known = cells[np.isfinite(cells)]
    if not known.size:
        return Normalize(0.0, 1.0), SEQUENTIAL
    low, high = float(known.min()), float(known.max())
    if low < 0:
        limit = max(-low, high)
        return Normalize(-limit, limit), DIVERGING
    return Normalize(low, high if high > low else low + 1.0), SEQUENTIAL


def draw_rdms(
    path: Path,
    rdms: Floats,
    names: Sequence[str],
    conditions: Sequence[str],
    title: str,
    unit: str,
) -> list[Path]:
    """Draw RDMs side by side, on one scale of colours.

    Parameters
    ----------
    path : Path
        The PNG; an SVG is next to it.
    rdms : (n_regions, n_cells) float64
        Condensed; NaN is left white.
    names : sequence of str
        Of the regions, written as they are.
    conditions : sequence of str
    title, unit : str

    Returns
    -------
    list of Path
    """
    n, size = len(names), len(conditions)
    columns = max(1, min(_MOST_PER_ROW, math.ceil(math.sqrt(1.6 * n))))
    rows = max(1, math.ceil(n / columns))
    tile = (_WIDTH_INCHES - 1.2) / columns
    height = _HEAD_INCHES + rows * (tile + _NAME_INCHES) + 0.1
    figure = Figure(figsize=(_WIDTH_INCHES, height), facecolor="white")
    figure.text(0.1 / _WIDTH_INCHES, 1 - 0.1 / height, title, fontsize=12, va="top",
                parse_math=False)  # fmt: skip
    figure.text(
        0.1 / _WIDTH_INCHES, 1 - 0.36 / height, _order_of(conditions), fontsize=8, va="top",
        parse_math=False,
    )  # fmt: skip
    norm, colours = rdm_colours(rdms)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH_INCHES), ylim=(height, 0))
    for place, (name, rdm) in enumerate(zip(names, rdms, strict=True)):
        left = 0.1 + (place % columns) * tile
        top = _HEAD_INCHES + (place // columns) * (tile + _NAME_INCHES)
        _draw_tile(axes, rdm, size, (left, top + _NAME_INCHES, 0.94 * tile), norm, colours)
        axes.text(
            left, top + _NAME_INCHES - 0.03, _shortened(name, tile), fontsize=8, va="bottom",
            parse_math=False,
        )  # fmt: skip
    bar = figure.add_axes(
        ((_WIDTH_INCHES - 0.85) / _WIDTH_INCHES, max(0.05, 1 - (_HEAD_INCHES + 3) / height),
         0.16 / _WIDTH_INCHES, min(2.7, height - _HEAD_INCHES - 0.2) / height)
    )  # fmt: skip
    figure.colorbar(ScalarMappable(norm, colours), bar, label=unit)
    return save_figure(figure, path)


def _draw_tile(
    axes: Axes,
    rdm: Floats,
    size: int,
    place: tuple[float, float, float],
    norm: Normalize,
    colours: Colormap,
) -> None:
    """Draw one RDM as a square; ``place`` is left, top and width in inches."""
    left, top, width = place
    square = scipy.spatial.distance.squareform(rdm, checks=False)
    np.fill_diagonal(square, np.nan)
    picture = colours(norm(np.ma.masked_invalid(square)))
    picture[~np.isfinite(square)] = 1.0
    if not np.isfinite(rdm).any():
        axes.text(left + width / 2, top + width / 2, "n/a", ha="center", fontsize=9, color="gray")
    axes.imshow(
        picture, extent=(left, left + width, top + width, top), interpolation="none", aspect="auto"
    )
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())


def _order_of(conditions: Sequence[str]) -> str:
    """Say the order of the conditions, or how many there are."""
    if len(conditions) <= MOST_NAMED:
        return f"Conditions from left to right and from top to bottom: {', '.join(conditions)}"
    return f"{len(conditions)} conditions, in the order of Conditions in the JSON of the tables"


def _shortened(name: str, inches: float) -> str:
    """Cut a name to the width of its picture."""
    most = max(4, int(inches * _LETTERS_PER_INCH))
    return name if len(name) <= most else f"{name[: most - 1]}…"
