"""Pictures of maps: colours over anatomy, a colour bar, words; saved as PNG and as SVG."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from numpy.typing import NDArray

from bids_rsa.outputs.derivatives import vector_path
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.reports.slices import WIDTH_PIXELS, Label

DPI = 110
N_COLOURS = 256
FAST = {"compress_level": 1}
DIVERGING, COUNTS = mpl.colormaps["RdBu_r"], mpl.colormaps["viridis"]
# without its dark end, which cannot be told from dark anatomy
ONE_SIDED = ListedColormap(mpl.colormaps["inferno"](np.linspace(0.3, 0.97, 256)), "one-sided")
_BAR_INCHES = 1.15
_LINE_INCHES = 0.19
_TITLE_LETTERS, _NOTE_LETTERS = 112, 158


@dataclass(frozen=True)
class Scale:
    """What colours mean: the ends of the scale, the colour map, the unit, and a threshold."""

    low: float
    high: float
    colours: Colormap
    unit: str
    threshold: float | None = None

    @property
    def mappable(self) -> ScalarMappable:
        """Values to colours."""
        return ScalarMappable(Normalize(self.low, self.high), self.colours)


class Canvas(Protocol):
    """What maps are painted on: slices of a volume, or views of a surface."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""

    @property
    def grey(self) -> NDArray[np.float32]:
        """Grey values (height, width) from 0 to 1 without a map."""

    @property
    def labels(self) -> tuple[Label, ...]:
        """The words in it."""


def paint(
    mosaic: Canvas, values: NDArray[Any], opacity: NDArray[Any], scale: Scale
) -> NDArray[np.uint8]:
    """Lay colours over the anatomy.

    Parameters
    ----------
    mosaic : Canvas
    values, opacity : (height, width)
        Of the picture's pixels; an opacity of 0 shows the anatomy, of 1 hides it.
    scale : Scale

    Returns
    -------
    (height, width, 3) uint8
    """
    picture = np.repeat(mosaic.grey[..., None], 3, axis=2)
    rows, columns = np.nonzero(opacity)
    alpha = opacity[rows, columns, None]
    place = (values[rows, columns] - scale.low) / ((scale.high - scale.low) or 1.0)
    table = scale.colours(np.linspace(0, 1, N_COLOURS))[:, :3].astype(np.float32)
    colours = table[np.clip(np.rint(place * (N_COLOURS - 1)), 0, N_COLOURS - 1).astype(np.intp)]
    picture[rows, columns] = alpha * colours + (1 - alpha) * picture[rows, columns]
    return np.rint(255 * picture).astype(np.uint8)


def mosaic_figure(
    mosaic: Canvas,
    picture: NDArray[np.uint8],
    scale: Scale,
    title: str,
    notes: Sequence[str] = (),
    outline: NDArray[Any] | None = None,
    make: Callable[..., Figure] = Figure,
) -> Figure:
    """Make a figure of a painted mosaic.

    Parameters
    ----------
    mosaic : Canvas
    picture : (height, width, 3) uint8
    scale : Scale
        What the colour bar shows.
    title : str
    notes : sequence of str
        Sentences below the slices.
    outline : (height, width), optional
        Its region above 0.5 is outlined.
    make : callable
        Makes the figure: `matplotlib.figure.Figure`, or ``pyplot.figure`` for a notebook.
    """
    lines = textwrap.wrap(title, _TITLE_LETTERS)
    below = [line for note in notes for line in textwrap.wrap(note, _NOTE_LETTERS)]
    head = 0.12 + 1.25 * _LINE_INCHES * len(lines)
    foot = 0.1 + 0.85 * _LINE_INCHES * len(below)
    width, height = WIDTH_PIXELS / DPI + _BAR_INCHES, mosaic.shape[0] / DPI + head + foot
    figure = make(figsize=(width, height), facecolor="white")
    figure.text(0.1 / width, 1 - 0.1 / height, "\n".join(lines), fontsize=12, va="top")
    figure.text(0.1 / width, (foot - 0.05) / height, "\n".join(below), fontsize=8.5, va="top")
    body = (0, foot / height, WIDTH_PIXELS / DPI / width, mosaic.shape[0] / DPI / height)
    axes = figure.add_axes(body)
    axes.set_axis_off()
    axes.imshow(picture, interpolation="none", aspect="auto")
    if outline is not None and (outline > 0.5).any():
        edges = axes.contour(outline, [0.5], colors="black", linewidths=0.9)
        edges.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
    _write_labels(axes, mosaic.labels)
    _draw_bar(figure, scale, (1 - (_BAR_INCHES - 0.1) / width, body[1] + 0.12 * body[3]), body[3])
    return figure


def _write_labels(axes: Any, labels: Sequence[Label]) -> None:
    """Write the labels of slices or views."""
    for label in labels:
        side, weight = ("top", "bold") if label.bold else ("bottom", "normal")
        axes.text(label.x, label.y, label.text, fontsize=9, ha="center", va=side, weight=weight)


def _draw_bar(figure: Figure, scale: Scale, corner: tuple[float, float], height: float) -> None:
    """Draw the colour bar, with a line at the threshold."""
    width = 0.16 / figure.get_figwidth()
    axes = figure.add_axes((*corner, width, 0.76 * height))
    figure.colorbar(scale.mappable, axes, label=scale.unit)
    if scale.threshold is not None and scale.low < scale.threshold <= scale.high:
        for sign in (1, -1) if scale.low < 0 else (1,):
            axes.axhline(sign * scale.threshold, color="white", linewidth=2.6)
            axes.axhline(sign * scale.threshold, color="black", linewidth=1.2)


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Save a figure as PNG and, with text and lines as such, as SVG.

    The same figure gives the same bytes: no date, no version of the drawing library.

    Returns
    -------
    list of Path
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # names are text: a dollar sign begins no formula
    vector = Path(vector_path(str(path)))
    with replacing(path) as beside:
        # more compression takes longer, and saves nothing
        figure.savefig(beside, dpi=DPI, metadata={"Software": None}, pil_kwargs=FAST)
    with (
        mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "bids_rsa"}),
        replacing(vector) as beside,
    ):
        figure.savefig(beside, metadata={"Date": None, "Creator": None})
    return [path, vector]
