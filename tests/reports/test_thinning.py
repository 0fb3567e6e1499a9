"""A dense mesh shown by fewer vertices: all over it, without holes, the same each time."""

import numpy as np
import pytest
from meshes import flat_mesh
from nilearn.datasets import load_fsaverage
from scipy.spatial import cKDTree

from bids_rsa.reports.packing import values_of
from bids_rsa.reports.pictures import DIVERGING, Scale
from bids_rsa.reports.surface_packing import (
    MOST_VERTICES,
    THINNED_TO,
    pack_geometry,
    pack_surface_map,
    shown_locations,
    unpack_hemispheres,
)
from bids_rsa.reports.surface_view import DrawnHemisphere
from bids_rsa.reports.thinning import thin_mesh


def finer(points, triangles):
    """Each triangle in four."""
    sides = np.sort(triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, number = np.unique(sides, axis=0, return_inverse=True)
    (ab, bc, ca), (a, b, c) = number.reshape(-1, 3).T + len(points), triangles.T
    corners = ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))
    faces = np.concatenate([np.stack(one, axis=1) for one in corners])
    return np.concatenate([points, points[edges].mean(axis=1)]), faces


@pytest.fixture(scope="module")
def dense():
    """The white surface of fsaverage5 with 163,842 vertices, closed like a sphere."""
    mesh = load_fsaverage("fsaverage5")["white_matter"].parts["left"]
    points, triangles = np.array(mesh.coordinates, float), np.array(mesh.faces, np.int64)
    for _ in range(2):
        points, triangles = finer(points, triangles)
    return points, triangles


@pytest.mark.parametrize("n_kept", [5000, 32_000])
def test_a_closed_surface_stays_closed(dense, n_kept):
    points, triangles = dense
    vertices, faces = thin_mesh(points, triangles, n_kept)
    assert len(vertices) == n_kept and (np.diff(vertices) > 0).all()
    assert len(np.unique(faces)) == n_kept
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, counts = np.unique(sides, axis=0, return_counts=True)
    assert (counts == 2).all()
    assert n_kept - len(edges) + len(faces) == 2
    away, _ = cKDTree(points[vertices]).query(points)
    assert away.max() < 12 * np.sqrt(5000 / n_kept)
    again = thin_mesh(points, triangles, n_kept)
    assert all(np.array_equal(one, two) for one, two in zip((vertices, faces), again, strict=True))


def test_an_open_surface_keeps_its_edge_and_unconnected_vertices_are_left_out():
    points, triangles = flat_mesh((40, 40))
    points = np.concatenate([points, [[99.0, 99, 0]]])  # in no triangle
    vertices, thinned = thin_mesh(points, triangles, 400)
    used = points[vertices[thinned]]
    area = np.abs(np.cross(used[:, 1] - used[:, 0], used[:, 2] - used[:, 0])[:, 2]).sum() / 2
    assert 0.85 * 39**2 < area < 1.02 * 39**2
    assert used.max() <= 39


def test_a_dense_hemisphere_is_packed_thin_with_the_values_of_its_vertices(dense):
    points, triangles = dense
    locations = np.arange(len(points))
    locations[:1000] = -1
    locations[1000:] -= 1000
    one = DrawnHemisphere("L", points, triangles, points, locations)
    geometry = pack_geometry([one])
    (packed,) = geometry["hemispheres"]
    assert packed["n_vertices"] == 163_842 > MOST_VERTICES
    assert packed["n_shown"] == THINNED_TO
    vertices = values_of(packed["vertices"], "<u4")
    np.testing.assert_array_equal(shown_locations(geometry), locations[vertices])
    folded = packed["surfaces"]["folded"]
    xyz = values_of(folded["data"], "<i2").reshape(3, -1).T * folded["step"]
    np.testing.assert_allclose(xyz, points[vertices], atol=0.01)
    values = np.random.default_rng(0).normal(size=162_842)
    values[7] = np.nan
    scale = Scale(-3, 3, DIVERGING, "r")
    content = pack_surface_map("map", values, shown_locations(geometry), scale).content
    steps = values_of(content["data"], "<i2")
    expected = np.where(vertices < 1000, np.nan, values[locations[vertices]])
    known = np.isfinite(expected)
    np.testing.assert_array_equal(steps == -32768, ~known)
    np.testing.assert_allclose(steps[known] * content["step"], expected[known], atol=3e-4)


def test_packed_hemispheres_are_drawn_as_they_were():
    """Both have one mesh, which is packed once; coordinates are rounded to micrometres."""
    surfaces = load_fsaverage("fsaverage5")
    drawn, start = [], 0
    for side, name in (("L", "left"), ("R", "right")):
        white, inflated = (surfaces[kind].parts[name] for kind in ("white_matter", "inflated"))
        points = [np.array(mesh.coordinates, float) for mesh in (inflated, white)]
        locations = np.arange(start, start + len(points[0]))
        locations[:50] = -1
        drawn.append(DrawnHemisphere(side, points[0], np.array(white.faces), points[1], locations))
        start += len(locations)
    for one, again in zip(drawn, unpack_hemispheres(pack_geometry(drawn)), strict=True):
        assert again.hemisphere == one.hemisphere
        np.testing.assert_array_equal(again.triangles, one.triangles)
        np.testing.assert_array_equal(again.locations, one.locations)
        np.testing.assert_allclose(again.coordinates_mm, one.coordinates_mm, atol=0.01)
        np.testing.assert_allclose(again.middle_mm, one.middle_mm, atol=0.01)
