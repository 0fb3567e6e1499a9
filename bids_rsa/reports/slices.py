"""Slices of volumes in three directions, composed into one picture by sampling them in mm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
import scipy
from nibabel.affines import apply_affine
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Cuts = Mapping[str, Sequence[float]]

N_SLICES = 7
MARGIN_MM = 25.0  # of anatomy around the map
WIDTH_PIXELS = 1120
AIR = 0.04  # of the brightest tissue: what is darker is outside the head
GREY_LEVELS = 64
_GAP, _LABEL = 10, 24  # pixels between slices, and above a row
# a row's direction, and the axes of its slices: from left to right, from bottom to top
_ROWS = {"z": (0, 1), "y": (0, 2), "x": (1, 2)}


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What maps are drawn on.

    Attributes
    ----------
    grey : (X, Y, Z) float32
        From 0 to 0.9: nothing is white.
    inside : (X, Y, Z) uint8
        1 where there is anything.
    affine : (4, 4) float64
    words : str
        What it is called.
    """

    grey: NDArray[np.float32]
    inside: NDArray[np.uint8]
    affine: Floats
    words: str = ""


def read_anatomy(background: Any, words: str = "") -> Anatomy:
    """Bring an image to grey values, and find where it shows something."""
    data = np.nan_to_num(np.asarray(background.dataobj, dtype=np.float32))
    affine = np.asarray(background.affine, dtype=np.float64)
    filled = data[data != 0]
    if not filled.size:
        return Anatomy(data, np.zeros(data.shape, np.uint8), affine, words)
    low, high = np.percentile(filled[:: max(1, filled.size // 20_000)], (1, 99.5))
    inside = data != 0
    if filled.min() >= 0:  # an anatomy; the air around a head is not quite 0
        low, inside = 0.0, data > AIR * high
    grey = np.clip((data - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1)
    # few levels make small files; the highest is not rounded up
    grey = np.minimum(np.rint(GREY_LEVELS * 0.9 * grey) / GREY_LEVELS, np.float32(0.9))
    return Anatomy(grey, inside.astype(np.uint8), affine, words)


@dataclass(frozen=True, eq=False)
class Panel:
    """One slice in the picture: its direction and place in mm, its corner and size in pixels."""

    axis: str
    mm: float
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Label:
    """Words in a picture, centred at a place in pixels, above it or (bold) below it."""

    text: str
    x: float
    y: float
    bold: bool = False


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Where the pixels of a picture of slices are in mm, and the anatomy behind them.

    Attributes
    ----------
    panels : tuple of Panel
    shape : (height, width)
        Of the picture, in pixels.
    rows, columns : (n,) intp
        The pixels that show something.
    mm : (3, n) float64
        Their places.
    anatomy : Anatomy
    """

    panels: tuple[Panel, ...]
    shape: tuple[int, int]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    mm: Floats
    anatomy: Anatomy = field(repr=False)

    _voxels: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False)

    def sample(self, values: NDArray[Any], affine: Floats, fill: float = 0.0) -> NDArray[Any]:
        """Give the voxel at each pixel, (height, width); ``fill`` where there is none."""
        inside, voxels = self._nearest(values.shape, affine)
        picture = np.full(self.shape, fill, np.float32)
        picture[self.rows[inside], self.columns[inside]] = values.ravel()[voxels]
        return picture

    def _nearest(self, shape: tuple[int, ...], affine: Floats) -> tuple[Mask, NDArray[np.intp]]:
        """Find the pixels inside a grid, and the voxel at each; kept for the next map on it."""
        key = (shape, affine.tobytes())
        if key not in self._voxels:
            ijk = np.rint(_moved(np.linalg.inv(affine), self.mm)).astype(np.intp)
            inside = ((ijk >= 0) & (ijk < np.array(shape)[:, None])).all(axis=0)
            self._voxels[key] = inside, np.ravel_multi_index(tuple(ijk[:, inside]), shape)
        found: tuple[Mask, NDArray[np.intp]] = self._voxels[key]
        return found

    @property
    def labels(self) -> tuple[Label, ...]:
        """Each slice's place above it, and next to the first one which side is which."""
        found, named = [], set()
        for panel in self.panels:
            middle = panel.left + panel.width / 2
            found.append(Label(f"{panel.axis} = {round(panel.mm)} mm", middle, panel.top - 5))
            if panel.axis != "x" and panel.axis not in named:
                named.add(panel.axis)
                for side, place in (("L", panel.left), ("R", panel.left + panel.width)):
                    found.append(Label(side, place, panel.top, bold=True))
        return tuple(found)

    @cached_property
    def grey(self) -> NDArray[np.float32]:
        """Grey values of the anatomy from 0 to 1, (height, width); 1 (white) outside of it."""
        ijk = _moved(np.linalg.inv(self.anatomy.affine), self.mm)
        grey = scipy.ndimage.map_coordinates(self.anatomy.grey, ijk, order=1)
        shown = scipy.ndimage.map_coordinates(self.anatomy.inside, ijk, order=0) > 0
        picture = np.ones(self.shape, np.float32)
        picture[self.rows, self.columns] = np.where(shown, grey, 1.0)
        return picture


def lay_out(anatomy: Anatomy, shown: Mask, affine: Floats, cuts: Cuts) -> Mosaic:
    """Lay slices out in three rows.

    Parameters
    ----------
    anatomy : Anatomy
        It may be on another grid than the map, at any angle to it.
    shown : (X, Y, Z) bool
        Where the map has values. The slices reach a little farther.
    affine : (4, 4) float64
        Of the map.
    cuts : mapping
        Places of the slices in mm, for ``x``, ``y`` and ``z``.
    """
    low, high = _field_of_view(anatomy, shown, affine)
    size = high - low
    widest = max(len(cuts[axis]) * size[_ROWS[axis][0]] for axis in _ROWS)
    mm = max(widest / (WIDTH_PIXELS - _GAP * N_SLICES), 1e-3)
    panels: list[Panel] = []
    top = 0
    for axis, (across, upward) in _ROWS.items():
        width, height = (max(1, int(size[i] / mm)) for i in (across, upward))
        step = WIDTH_PIXELS / max(1, len(cuts[axis]))
        top += _LABEL
        for number, place in enumerate(cuts[axis]):
            left = int(step * number + (step - width) / 2)
            panels.append(Panel(axis, float(place), max(left, 0), top, width, height))
        top += height + _GAP
    return _mosaic(panels, (top, WIDTH_PIXELS), low, mm, anatomy)


def lay_out_row(
    anatomy: Anatomy, shown: Mask, affine: Floats, place: Sequence[float], width_pixels: int = 330
) -> Mosaic:
    """Lay three slices through one place out side by side, small; otherwise as `lay_out`."""
    low, high = _field_of_view(anatomy, shown, affine)
    size = high - low
    mm = max(sum(size[across] for across, _ in _ROWS.values()) / (width_pixels - 2 * _GAP), 1e-3)
    panels: list[Panel] = []
    left = 0
    for axis, (across, upward) in _ROWS.items():
        width, height = (max(1, int(size[i] / mm)) for i in (across, upward))
        panels.append(Panel(axis, float(place["xyz".index(axis)]), left, 0, width, height))
        left += width + _GAP
    tallest = max(panel.height for panel in panels)
    return _mosaic(panels, (tallest, width_pixels), low, mm, anatomy)


def _mosaic(
    panels: Sequence[Panel], shape: tuple[int, int], low: Floats, mm: float, anatomy: Anatomy
) -> Mosaic:
    """Find the pixels of all panels."""
    parts = [_pixels(panel, low, mm, shape[1]) for panel in panels]
    rows, columns, places = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return Mosaic(tuple(panels), shape, rows, columns, places, anatomy)


def _pixels(panel: Panel, low: Floats, mm: float, width: int) -> tuple[Any, Any, Floats]:
    """List the pixels of a panel and their places."""
    rows, columns = np.indices((panel.height, panel.width)).reshape(2, -1)
    across, upward = _ROWS[panel.axis]
    places = np.empty((3, rows.size))
    places["xyz".index(panel.axis)] = panel.mm
    places[across] = low[across] + (columns + 0.5) * mm
    places[upward] = low[upward] + (panel.height - rows - 0.5) * mm
    # a map of few columns or a single slice may leave less room than a panel takes
    fits = panel.left + columns < width
    return rows[fits] + panel.top, columns[fits] + panel.left, places[:, fits]


def _moved(affine: NDArray[Any], places: NDArray[Any]) -> Floats:
    """Apply an affine to places (3, n): as (n, 3) it would take twenty times as long."""
    return np.asarray(affine[:3, :3] @ places + affine[:3, 3:])


def _field_of_view(anatomy: Anatomy, shown: Mask, affine: Floats) -> tuple[Floats, Floats]:
    """Find the box in mm to show: the map with a margin, no farther than there is anything."""
    low, high = _box(shown, affine)
    if not anatomy.inside.any():
        return low, high
    first, last = _box(anatomy.inside > 0, anatomy.affine)
    first, last = np.minimum(first, low), np.maximum(last, high)
    return np.maximum(low - MARGIN_MM, first), np.minimum(high + MARGIN_MM, last)


def _box(mask: Mask, affine: Floats) -> tuple[Floats, Floats]:
    """Give the box in mm around the voxels of a mask, or around all of its grid."""
    spans = []
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        first, last = (used[0], used[-1]) if used.size else (0, mask.shape[axis] - 1)
        spans.append((first - 0.5, last + 0.5))
    corners = apply_affine(affine, np.array(list(product(*spans))))
    return corners.min(axis=0), corners.max(axis=0)


def cuts_through(
    mask: Mask, affine: Floats, peak_mm: Sequence[float] | None = None
) -> dict[str, list[float]]:
    """Spread slices evenly over the part of a mask that is not empty, in mm.

    Parameters
    ----------
    mask : (X, Y, Z) bool
    affine : (4, 4) float64
    peak_mm : sequence of float, optional
        A place to show: the nearest slice of each direction goes there.
    """
    ijk = np.argwhere(mask if mask.any() else np.ones_like(mask))
    mm = _moved(affine, np.ascontiguousarray(ijk.T))
    low, high = mm.min(axis=1), mm.max(axis=1)
    cuts = {}
    for i, axis in enumerate("xyz"):
        places = np.unique(np.linspace(low[i], high[i], N_SLICES + 2)[1:-1])
        if peak_mm is not None:
            places[np.abs(places - peak_mm[i]).argmin()] = peak_mm[i]
        cuts[axis] = [float(place) for place in places]
    return cuts
