"""Centres on a coarser mesh whose vertices are not the first ones of the images' mesh."""

import numpy as np
import pytest
from test_find_surfaces import save_surface
from test_ribbon import icosphere

from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph
from bids_rsa.errors import ContentError
from bids_rsa.patterns.places import surface_space
from bids_rsa.records import HemisphereSurfaces
from bids_rsa.spaces.vertex_layout import VertexLayout

RADIUS_MM = 9.0


@pytest.fixture
def made(tmp_path):
    """A fine mesh in shuffled order on a larger sphere, and a coarse one of its own order."""
    rng, choices, meshes = np.random.default_rng(0), [], {}
    for side, middle in (("L", -50.0), ("R", 50.0)):
        points, triangles = icosphere(3)
        order = rng.permutation(len(points))
        back = np.argsort(order)
        points, triangles = points[order], back[triangles].astype(np.int32)
        coarse, coarse_triangles = icosphere(2)
        files = [tmp_path / f"{side}_{name}.surf.gii" for name in ("mid", "sphere", "coarse")]
        save_surface(files[0], 40 * points + [middle, 0, 0], triangles, side)
        save_surface(files[1], 100 * points, triangles, side)
        save_surface(files[2], 7 * coarse, coarse_triangles, side)
        meshes[side] = (points, triangles, coarse, middle)
        choices.append(
            HemisphereSurfaces(
                side, (str(files[0]),), "test", coarse=str(files[2]), fine_sphere=str(files[1])
            )
        )
    n = len(meshes["L"][0])
    layout = VertexLayout((("L", n), ("R", n)))
    return surface_space(layout, choices, "sub-01", "images"), meshes, choices, layout


def test_patches_are_the_discs_around_the_nearest_vertices(made):
    space, meshes, _, _ = made
    n_fine, n_coarse = len(meshes["L"][0]), len(meshes["L"][2])
    assert space.centers.n_locations == 2 * n_coarse
    centers = np.ones(2 * n_coarse, dtype=bool)
    centers[::7] = False
    everything = np.ones(space.n_locations, dtype=bool)
    patches = space.neighborhood(everything, centers, RADIUS_MM)
    lists = np.split(patches.rows, patches.starts[1:-1])
    assert len(lists) == centers.sum()
    for found, number in list(zip(lists, np.flatnonzero(centers), strict=True))[::13]:
        side, place = ("L", number) if number < n_coarse else ("R", number - n_coarse)
        points, triangles, coarse, middle = meshes[side]
        nearest = int(np.argmax(points @ coarse[place]))
        mid = (40 * points + [middle, 0, 0]).astype(np.float32)
        disc = geodesic_discs(surface_graph(mid, triangles), [nearest], RADIUS_MM).members
        np.testing.assert_array_equal(found, disc + n_fine * (side == "R"))
        np.testing.assert_allclose(space.centers.places_mm([number])[0], mid[nearest], rtol=1e-6)


def test_masks_are_taken_at_these_vertices(made):
    space, meshes, _, _ = made
    inside = space.places_mm(np.arange(space.n_locations))[:, 2] > 0
    of_centers = space.centers_among(inside)
    n_coarse = len(meshes["L"][2])
    height = space.centers.places_mm(np.arange(2 * n_coarse))[:, 2]
    np.testing.assert_array_equal(of_centers, height > 0)
    assert 0 < of_centers.sum() < 2 * n_coarse


def test_a_sphere_of_another_mesh_is_refused(made, tmp_path):
    _, meshes, choices, layout = made
    points, triangles, _, _ = meshes["L"]
    save_surface(tmp_path / "L_sphere.surf.gii", np.roll(points, 99, axis=0), triangles, "L")
    with pytest.raises(ContentError, match="not among those of the images' mesh"):
        surface_space(layout, choices, "sub-01", "images")
