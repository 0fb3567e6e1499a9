"""Which vertex of a mesh is seen at each pixel: triangles drawn over each other by their depth."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_ON_EDGE = -1e-9
_FLAT = 1e-12


def nearest_vertices(corners: Floats, triangles: NDArray[Any], shape: tuple[int, int]) -> Integers:
    """Find the vertex nearest to the eye at each pixel.

    Parameters
    ----------
    corners : (n_vertices, 3) float64
        Column, row, and how near each vertex is.
    triangles : (n_triangles, 3) int
    shape : (height, width)

    Returns
    -------
    vertices : (height, width) int64
        Of the triangle that is seen, the vertex with the largest weight; -1: background.
    """
    vertices = np.full(shape, -1, dtype=np.int64)
    depth = np.full(shape, -np.inf)
    _draw(np.ascontiguousarray(corners), np.ascontiguousarray(triangles), vertices, depth)
    return vertices


@kernel
def _draw(corners: Floats, triangles: NDArray[Any], vertices: Integers, depth: Floats) -> None:
    """Draw each triangle where it is nearer than what is there."""
    height, width = depth.shape
    for t in range(len(triangles)):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        (xa, ya), (xb, yb), (xc, yc) = corners[a, :2], corners[b, :2], corners[c, :2]
        area = (xb - xa) * (yc - ya) - (yb - ya) * (xc - xa)
        if abs(area) <= _FLAT:
            continue
        left, right = _whole_between(xa, xb, xc, width)
        top, bottom = _whole_between(ya, yb, yc, height)
        for y in range(top, bottom):
            for x in range(left, right):
                of_b = ((x - xa) * (yc - ya) - (y - ya) * (xc - xa)) / area
                of_c = ((xb - xa) * (y - ya) - (yb - ya) * (x - xa)) / area
                of_a = 1 - of_b - of_c
                near = of_a * corners[a, 2] + of_b * corners[b, 2] + of_c * corners[c, 2]
                if min(of_a, of_b, of_c) >= _ON_EDGE and near > depth[y, x]:
                    depth[y, x] = near
                    vertices[y, x] = a if of_a >= max(of_b, of_c) else b if of_b >= of_c else c


@kernel
def _whole_between(p: float, q: float, r: float, n: int) -> tuple[int, int]:
    """Give the first whole number between three numbers (from 0 to n - 1), and the last plus 1."""
    return max(math.ceil(min(p, q, r)), 0), min(math.floor(max(p, q, r)) + 1, n)
