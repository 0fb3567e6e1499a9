"""Places for the labels of points, so that labels hide neither each other nor the points."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.reports.row_names import MOST_NAMED

Floats = NDArray[np.float64]
_ANGLES = np.arange(16) * np.pi / 8
_RINGS = 24
_SWEEPS = 6
_FEW = 4, 1  # rings and sweeps for many labels, which are short numbers
# how much worse an area is that covers a label, covers a point, or is outside the box ...
_LABEL, _POINT, _OUTSIDE = 20.0, 2.0, 20.0
_FARTHER = 0.02  # ... than a label's whole area for each ring farther out
_APART = 1.0  # between labels, in the unit of the points
_LEADER = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}


class Placed(NamedTuple):
    """Where labels are.

    Attributes
    ----------
    centers : (n, 2) float64
    needs_line : (n,) bool
        Whether a line to the point is needed: it is not the nearest one, or far.
    """

    centers: Floats
    needs_line: NDArray[np.bool_]


def place_labels(
    points: ArrayLike, sizes: ArrayLike, box: tuple[float, float, float, float], gap: float
) -> Placed:
    """Place a label next to each point.

    Labels are placed one after the other where they cover least, crowded points first; then each is
    moved while that uncovers more.

    Parameters
    ----------
    points : (n, 2) array_like
    sizes : (n, 2) array_like
        Width and height of each label, in the unit of the points.
    box : tuple of float
        Left, lower, right and upper limit of the labels.
    gap : float
        Between a point's centre and its label.

    Returns
    -------
    Placed
    """
    at = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    size = np.asarray(sizes, dtype=np.float64).reshape(-1, 2)
    n = len(at)
    n_rings, n_sweeps = (_RINGS, _SWEEPS) if n <= MOST_NAMED else _FEW
    ring = np.repeat(np.arange(n_rings), len(_ANGLES))
    ways = np.tile(np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1), (n_rings, 1))
    step = size[:, 1].mean() / 2 if n else 0.0
    reach = gap + step * ring
    chosen = np.zeros(n, dtype=np.intp)
    centers = np.full((n, 2), np.nan)
    for sweep in range(n_sweeps):
        before = chosen.copy()
        for one in _crowded_first(at):
            tried = at[one] + ways * (size[one] / 2 + reach[:, None])
            centers[one] = np.nan  # its own place is free
            cost = (
                _LABEL * _overlap(tried, size[one], centers, size + _APART).sum(axis=1)
                + _POINT * _overlap(tried, size[one], at, np.full((n, 2), gap)).sum(axis=1)
                + _OUTSIDE * _outside(tried, size[one], box)
                + _FARTHER * size[one].prod() * ring
            )
            chosen[one] = int(cost.argmin())
            centers[one] = tried[chosen[one]]
        if sweep and np.array_equal(before, chosen):
            break
    between = np.maximum(np.abs(centers[:, None] - at[None]) - size[:, None] / 2, 0)
    apart = np.linalg.norm(between, axis=2)
    is_nearer = apart.min(axis=1, initial=np.inf) < apart.diagonal() - 1e-9
    return Placed(centers, is_nearer | (ring[chosen] > 1))


def label_points(axes: Any, points: ArrayLike, names: Sequence[str], fontsize: float) -> None:
    """Write names next to points in axes of matplotlib, whose limits must be set already."""
    figure = _whole_figure(axes)
    texts = [axes.text(0, 0, name, fontsize=fontsize, parse_math=False) for name in names]
    figure.draw_without_rendering()  # gives axes and texts their final sizes
    extents = [text.get_window_extent() for text in texts]
    sizes = np.array([(extent.width, extent.height) for extent in extents]).reshape(-1, 2)
    places = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    at = axes.transData.transform(places)
    pixel = 72 / figure.dpi
    placed = place_labels(at, sizes, axes.bbox.extents, gap=5 / pixel)
    for name, text, place, center, needs_line in zip(
        names, texts, places, (placed.centers - at) * pixel, placed.needs_line, strict=True
    ):
        text.remove()
        axes.annotate(
            name, place, center, textcoords="offset points", fontsize=fontsize, parse_math=False,
            ha="center", va="center", arrowprops=_LEADER if needs_line else None,
        )  # fmt: skip


def _whole_figure(axes: Any) -> Any:
    """Return the figure of axes; older versions of matplotlib name that of a SubFigure only."""
    figure = axes.figure
    while figure.figure is not figure:
        figure = figure.figure
    return figure


def _crowded_first(points: Floats) -> NDArray[np.intp]:
    """Order points by the distance to their nearest neighbour."""
    if len(points) < 2:
        return np.arange(len(points))
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return np.argsort(apart.min(axis=1), kind="stable")


def _overlap(tried: Floats, size: Floats, others: Floats, sizes: Floats) -> Floats:
    """Compute the area (n_tried, n_others) that boxes of one size share with others."""
    reach = (size + sizes)[None] / 2 - np.abs(tried[:, None] - others[None])
    reach = np.minimum(reach, np.minimum(size, sizes)[None])
    return np.nan_to_num(np.maximum(reach, 0).prod(axis=2))


def _outside(tried: Floats, size: Floats, box: tuple[float, float, float, float]) -> Floats:
    """Compute the area of boxes of one size that lies outside the limits."""
    low = np.maximum(tried - size / 2, box[:2])
    high = np.minimum(tried + size / 2, box[2:])
    return np.asarray(size.prod() - np.maximum(high - low, 0).prod(axis=1))
