"""Hemispheres seen from outside and from the midline: which vertex is at each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.mesh import neighbors_of
from bids_rsa.reports.seen_pixels import nearest_vertices
from bids_rsa.reports.slices import WIDTH_PIXELS, Label

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MARGIN, _LABEL = 12, 24  # pixels around a view, and above it
_SULCUS, _GYRUS, _AMBIENT = 0.52, 0.72, 0.7  # as in templates/surface_viewer.js
_SMOOTHING_STEPS = 4


@dataclass(frozen=True, eq=False)
class DrawnHemisphere:
    """A hemisphere as it is drawn.

    Attributes
    ----------
    hemisphere : {"L", "R"}
    coordinates_mm : (n_vertices, 3) float64
        Of the surface that is looked at, inflated or not.
    triangles : (n_triangles, 3)
    middle_mm : (n_vertices, 3) float64
        Of the folded surface, which says what is a sulcus.
    locations : (n_vertices,) int64
        Where each vertex is in a map of the space; -1: nowhere.
    """

    hemisphere: str
    coordinates_mm: Floats
    triangles: NDArray[Any]
    middle_mm: Floats
    locations: Integers


@dataclass(frozen=True, eq=False)
class SurfaceMosaic:
    """Where the pixels of a picture of hemispheres are on the surfaces.

    Attributes
    ----------
    shape : (height, width)
    locations : (height, width) int64
        The location of a map at each pixel; -1 where there is none.
    grey : (height, width) float32
        The surface without a map, from 0 to 1 (white: the background).
    labels : tuple of Label
    """

    shape: tuple[int, int]
    locations: Integers
    grey: NDArray[np.float32]
    labels: tuple[Label, ...]

    def sample(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Give the value (n_locations,) at each pixel; 0 where there is none, or no number."""
        picture = np.zeros(self.shape, np.float32)
        there = self.locations >= 0
        picture[there] = np.nan_to_num(values[self.locations[there]], posinf=0.0, neginf=0.0)
        return picture


def lay_out_hemispheres(
    hemispheres: Sequence[DrawnHemisphere], width_pixels: int = WIDTH_PIXELS
) -> SurfaceMosaic:
    """Lay lateral and medial views out, the left hemisphere on the left; of one side by side.

    Parameters
    ----------
    hemispheres : sequence of DrawnHemisphere
        One or two.
    width_pixels : int
        Of the picture.
    """
    column = width_pixels // 2
    spans = [np.ptp(one.coordinates_mm, axis=0) for one in hemispheres]
    mm = max(span[1] for span in spans) / (column - 2 * _MARGIN)
    row = _LABEL + int(max(span[2] for span in spans) / mm) + _MARGIN
    shape = (row * len(hemispheres), 2 * column)
    locations = np.full(shape, -1, dtype=np.int64)
    grey, labels = np.ones(shape, np.float32), []
    for number, one in enumerate(hemispheres):
        shade = np.where(is_sulcus(one), _SULCUS, _GYRUS)
        for level, name in enumerate(("lateral", "medial")):
            across, down = (number, level) if len(hemispheres) > 1 else (level, 0)
            top, left = down * row, across * column
            seen_from = -1 if (one.hemisphere == "L") == (name == "lateral") else 1
            vertices, light = _seen(one, seen_from, mm, (row, column))
            there, place = vertices >= 0, np.s_[top : top + row, left : left + column]
            locations[place][there] = one.locations[vertices[there]]
            grey[place][there] = shade[vertices[there]] * light[there]
            side = "left" if one.hemisphere == "L" else "right"
            labels.append(Label(f"{side}, {name}", left + column / 2, top + _LABEL - 5))
    return SurfaceMosaic(shape, locations, grey, tuple(labels))


def is_sulcus(one: DrawnHemisphere) -> NDArray[np.bool_]:
    """Tell which vertices (n_vertices,) are in a sulcus, to be drawn darker than gyri."""
    n_vertices = len(one.middle_mm)
    starts, neighbors = neighbors_of(one.triangles, n_vertices)
    owners = np.repeat(np.arange(n_vertices), np.diff(starts))
    counts = np.maximum(np.diff(starts), 1)

    def mean_of_neighbors(values: Floats) -> Floats:
        sums = [np.bincount(owners, column[neighbors], n_vertices) for column in values.T]
        return np.stack(sums, axis=1) / counts[:, None]

    normals = _vertex_normals(one.middle_mm, one.triangles)
    bend = np.einsum("nd,nd->n", mean_of_neighbors(one.middle_mm) - one.middle_mm, normals)
    for _ in range(_SMOOTHING_STEPS):
        bend = (bend + mean_of_neighbors(bend[:, None])[:, 0]) / 2
    # neighbours on the side of the normal: the surface is hollow there
    return np.asarray(bend > 0)


def _vertex_normals(points: Floats, triangles: NDArray[Any]) -> Floats:
    """Outward normals (n_vertices, 3)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    # outward: away from the middle, for most of the surface
    outward = np.sum(faces * ((a + b + c) / 3 - points.mean(axis=0)))
    normals = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(f, 3), len(points)) for f in faces.T], axis=1
    )
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return np.asarray(np.sign(outward) * normals / np.where(lengths > 0, lengths, 1))


def _seen(
    one: DrawnHemisphere, seen_from: int, mm: float, shape: tuple[int, int]
) -> tuple[Integers, Floats]:
    """Find the vertex nearest to the eye at each pixel of a view along x, and how it is lit.

    Parameters
    ----------
    one : DrawnHemisphere
    seen_from : {-1, 1}
        The side of x that the eye is on.
    mm : float
        Of a pixel.
    shape : (height, width)

    Returns
    -------
    vertices : (height, width) int64
        -1: background.
    light : (height, width) float64
    """
    points = one.coordinates_mm
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    columns = shape[1] / 2 + seen_from * (points[:, 1] - middle[1]) / mm
    rows = (shape[0] + _LABEL) / 2 - (points[:, 2] - middle[2]) / mm
    screen = np.column_stack([columns, rows, seen_from * points[:, 0]])
    normals = _vertex_normals(points, one.triangles)
    lit = _AMBIENT + (1 - _AMBIENT) * np.clip(seen_from * normals[:, 0], 0, 1)
    vertices = nearest_vertices(screen, one.triangles, shape)
    light = np.where(vertices >= 0, lit[vertices], 1.0)
    return vertices, light
