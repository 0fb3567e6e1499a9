"""Distances along surfaces: flat meshes exactly, curved ones against exact geodesics."""

import numpy as np
import pytest
from meshes import flat_mesh
from pygeodesic import geodesic
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import neighbors_of, surface_graph, vertex_areas


@pytest.fixture(scope="module")
def cortex():
    """The surface halfway between white and pial of fsaverage5's left hemisphere."""
    from nilearn.datasets import load_fsaverage

    mesh = load_fsaverage("fsaverage5")
    white, pial = mesh["white_matter"].parts["left"], mesh["pial"].parts["left"]
    return (white.coordinates + pial.coordinates) / 2, np.asarray(white.faces)


def as_lists(discs):
    return [
        dict(zip(members.tolist(), distances.tolist(), strict=True))
        for members, distances in zip(
            np.split(discs.members, discs.starts[1:-1]),
            np.split(discs.distances_mm, discs.starts[1:-1]),
            strict=True,
        )
    ]


def test_a_flat_mesh_is_measured_exactly_along_edges_and_both_diagonals():
    points, triangles = flat_mesh((9, 9), 2.0)
    graph = surface_graph(points, triangles)
    center = 4 * 9 + 4
    disc = as_lists(geodesic_discs(graph, [center], 100.0))[0]
    assert len(disc) == 81
    for vertex, distance in disc.items():
        i, j = abs(vertex // 9 - 4), abs(vertex % 9 - 4)
        straight = 2.0 * np.hypot(i, j)
        if i == 0 or j == 0 or i == j:
            assert distance == pytest.approx(straight, rel=1e-12)
        assert straight - 1e-9 <= distance <= 1.09 * straight + 1e-9


def test_distances_are_those_of_another_shortest_path_search(cortex):
    graph = surface_graph(*cortex)
    matrix = csr_array((graph.lengths_mm, graph.neighbors, graph.starts))
    centers = np.arange(0, len(cortex[0]), 997)
    expected = dijkstra(matrix, indices=centers, limit=12.0)
    for disc, row in zip(as_lists(geodesic_discs(graph, centers, 12.0)), expected, strict=True):
        assert sorted(disc) == np.flatnonzero(np.isfinite(row)).tolist()
        np.testing.assert_allclose(list(disc.values()), row[sorted(disc)], rtol=1e-12)


def test_distances_are_close_to_exact_geodesics(cortex):
    points, triangles = cortex
    graph, ratios = surface_graph(points, triangles), []
    for center in range(50, len(points), 1021):
        disc = as_lists(geodesic_discs(graph, [center], 10.0))[0]
        near = np.array(list(as_lists(geodesic_discs(graph, [center], 16.0))[0]))
        inside = np.isin(triangles, near).all(axis=1)
        number = np.full(len(points), -1)
        number[near] = np.arange(len(near))
        solver = geodesic.PyGeodesicAlgorithmExact(points[near], number[triangles[inside]])
        exact, _ = solver.geodesicDistances(np.array([number[center]]), None)
        ratios += [disc[v] / exact[number[v]] for v in disc if v != center]
    ratios = np.array(ratios)
    assert len(ratios) > 300
    assert ratios.min() >= 1 - 1e-6
    assert ratios.max() <= 1.25
    assert ratios.mean() <= 1.03


def test_discs_are_symmetric_and_the_same_for_any_number_of_threads(cortex):
    graph = surface_graph(*cortex)
    everyone = np.arange(len(cortex[0]))
    one = geodesic_discs(graph, everyone, 6.0)
    two = geodesic_discs(graph, everyone, 6.0, n_threads=2)
    for a, b in zip(one, two, strict=True):
        assert a.tobytes() == b.tobytes()
    matrix = csr_array((np.ones(len(one.members)), one.members, one.starts))
    assert (matrix != matrix.T).nnz == 0


def test_the_order_of_vertices_does_not_matter(cortex):
    points, triangles = cortex
    order = np.random.default_rng(0).permutation(len(points))
    back = np.argsort(order)
    shuffled = surface_graph(points[order], back[triangles])
    centers = np.arange(0, len(points), 1500)
    plain = as_lists(geodesic_discs(surface_graph(points, triangles), centers, 10.0))
    moved = as_lists(geodesic_discs(shuffled, back[centers], 10.0))
    for disc, other in zip(plain, moved, strict=True):
        assert {int(order[v]) for v in other} == set(disc)
        np.testing.assert_allclose([disc[int(order[v])] for v in other], list(other.values()))


def test_the_order_of_triangles_does_not_matter_nor_do_those_listed_twice(cortex):
    points, triangles = cortex
    rng = np.random.default_rng(2)
    collapsed = triangles[::90][:, [0, 1, 1]]
    more = rng.permutation(np.concatenate([triangles, triangles[::7], collapsed]))
    # random triangles have edges that more than two share
    odd = np.concatenate([triangles, rng.permuted(triangles[::50], axis=0)])
    for plain, other in ((triangles, more), (odd, rng.permutation(odd))):
        expected, found = surface_graph(points, plain), surface_graph(points, other)
        for one, same in zip(expected, found, strict=True):
            np.testing.assert_array_equal(one, same)


def test_the_nearest_so_many_of_the_vertices_allowed(cortex):
    graph = surface_graph(*cortex)
    allowed = np.random.default_rng(1).random(len(cortex[0])) < 0.7
    full = as_lists(geodesic_discs(graph, [7, 4000], 15.0, members=allowed))
    few = as_lists(geodesic_discs(graph, [7, 4000], 15.0, members=allowed, max_members=20))
    for disc, nearest in zip(full, few, strict=True):
        assert all(allowed[v] for v in disc)
        by_distance = sorted(disc, key=lambda v: (disc[v], v))[:20]
        assert sorted(nearest) == sorted(by_distance)


def test_areas_and_neighbours():
    points, triangles = flat_mesh((4, 5), 3.0)
    areas = vertex_areas(points, triangles)
    assert areas.sum() == pytest.approx(3 * 4 * 9.0)
    starts, neighbors = neighbors_of(triangles, len(points))
    expected = {tuple(sorted(pair)) for t in triangles.tolist() for pair in zip(t, t[1:] + t[:1])}  # noqa: B905
    found = {
        tuple(sorted((v, int(w))))
        for v in range(len(points))
        for w in neighbors[starts[v] : starts[v + 1]]
    }
    assert found == expected


def test_arrays_that_are_no_mesh_are_refused():
    points, triangles = flat_mesh((3, 3))
    with pytest.raises(ValueError, match="there are 9"):
        surface_graph(points, triangles + 1)
    with pytest.raises(ValueError, match="finite"):
        surface_graph(points * np.nan, triangles)
    graph = surface_graph(points, triangles)
    with pytest.raises(ValueError, match="radius"):
        geodesic_discs(graph, [0], 0.0)
    with pytest.raises(ValueError, match="0 to 8"):
        geodesic_discs(graph, [9], 1.0)
