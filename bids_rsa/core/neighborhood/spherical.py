"""One mesh on a sphere located on another: what a map or a surface is resampled by."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# triangles looked at for each point: those with the nearest centres, more where none holds it
_CANDIDATES = (8, 64)
_INSIDE = -1e-9


def barycentric_weights(
    sphere_from: ArrayLike, triangles: ArrayLike, sphere_to: ArrayLike
) -> tuple[Integers, Floats]:
    """Find the triangle that each point of a sphere lies in, and its place there.

    Parameters
    ----------
    sphere_from : (n_vertices, 3) array_like
        A mesh on a sphere around the origin, of any radius.
    triangles : (n_triangles, 3) array_like of int
    sphere_to : (n_points, 3) array_like
        Points on a sphere around the origin, of any radius.

    Returns
    -------
    vertices : (n_points, 3) int64
        Corners of the triangle.
    weights : (n_points, 3) float64
        Barycentric coordinates where the ray to the point meets the triangle; they add up to 1.

    Raises
    ------
    ValueError
        Points at the origin, or points that no triangle holds: no sphere around the origin.
    """
    points, sources = _on_unit_sphere(sphere_to), _on_unit_sphere(sphere_from)
    faces = np.asarray(triangles, dtype=np.int64)
    tree = KDTree(sources[faces].mean(axis=1))
    found = np.full(len(points), -1, dtype=np.int64)
    weights = np.zeros((len(points), 3))
    for n_candidates in _CANDIDATES:
        open_points = np.flatnonzero(found < 0)
        candidates = np.arange(1, min(n_candidates, len(faces)) + 1)
        _, near = tree.query(points[open_points], k=candidates)
        for column in near.T:
            lacking = found[open_points] < 0
            rows, tried = open_points[lacking], column[lacking]
            inside, coordinates = _coordinates(sources[faces[tried]], points[rows])
            found[rows[inside]] = tried[inside]
            weights[rows[inside]] = coordinates[inside]
    if (found < 0).any():
        raise ValueError(
            f"{int((found < 0).sum())} of {len(points)} points are in no triangle of the sphere"
        )
    return faces[found], weights


def nearest_on_sphere(sphere_from: ArrayLike, sphere_to: ArrayLike) -> Integers:
    """Find the vertex of a mesh on a sphere that is nearest to each point of another sphere.

    Parameters
    ----------
    sphere_from : (n_vertices, 3) array_like
        Around the origin, of any radius.
    sphere_to : (n_points, 3) array_like

    Returns
    -------
    vertices : (n_points,) int64
    """
    _, nearest = KDTree(_on_unit_sphere(sphere_from)).query(_on_unit_sphere(sphere_to))
    return np.asarray(nearest, dtype=np.int64)


def _on_unit_sphere(points: ArrayLike) -> Floats:
    """Scale points to a distance of 1 from the origin."""
    given = np.asarray(points, dtype=np.float64)
    lengths = np.linalg.norm(given, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise ValueError("points of a sphere must be finite and not at its centre")
    return np.asarray(given / lengths)


def _coordinates(corners: Floats, points: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Tell whether rays from the origin meet triangles (n, 3, 3), and where."""
    matrices = corners.transpose(0, 2, 1)
    flat = np.abs(np.linalg.det(matrices)) < 1e-20
    matrices = np.where(flat[:, None, None], np.eye(3), matrices)
    raw = np.linalg.solve(matrices, points[:, :, None])[:, :, 0]
    total = raw.sum(axis=1, keepdims=True)
    inside = (raw >= _INSIDE * np.abs(total)).all(axis=1) & (total[:, 0] > 0) & ~flat
    weights = np.maximum(raw, 0.0)
    scale = weights.sum(axis=1, keepdims=True)
    return inside, weights / np.where(scale > 0, scale, 1.0)
