"""Voxels between white and pial surface: slabs, shells, and a real brain."""

import nibabel as nib
import numpy as np
import pytest
from shared_data import shared_path

from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph
from bids_rsa.core.neighborhood.ribbon import (
    Cortex,
    ribbon_patches,
    ribbon_voxels,
    voxels_on_lines,
)
from bids_rsa.core.neighborhood.spherical import barycentric_weights

OBLIQUE = np.array([[0, -2.1, 0.4, 70.0], [1.9, 0.0, 0.3, -60.0], [-0.2, 0.5, 2.2, -50.0],
                    [0, 0, 0, 1.0]])  # fmt: skip


def icosphere(n_splits):
    """A sphere of radius 1 made of an icosahedron whose triangles are split."""
    phi = (1 + 5**0.5) / 2
    points = [(-1, phi, 0), (1, phi, 0), (-1, -phi, 0), (1, -phi, 0), (0, -1, phi), (0, 1, phi),
              (0, -1, -phi), (0, 1, -phi), (phi, 0, -1), (phi, 0, 1), (-phi, 0, -1),
              (-phi, 0, 1)]  # fmt: skip
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4),
             (11, 10, 2), (10, 7, 6), (7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8),
             (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10), (8, 6, 7), (9, 8, 1)]  # fmt: skip
    points = [np.array(p) / np.linalg.norm(p) for p in points]
    for _ in range(n_splits):
        middle, split = {}, []
        for a, b, c in faces:
            new = []
            for i, j in ((a, b), (b, c), (c, a)):
                key = (min(i, j), max(i, j))
                if key not in middle:
                    middle[key] = len(points)
                    both = points[i] + points[j]
                    points.append(both / np.linalg.norm(both))
                new.append(middle[key])
            split += [(a, new[0], new[2]), (b, new[1], new[0]), (c, new[2], new[1]), tuple(new)]
        faces = split
    return np.array(points), np.array(faces)


@pytest.fixture(scope="module")
def shell():
    """A shell between radius 28 and 33 mm, finer than the voxels."""
    points, triangles = icosphere(4)
    return Cortex(28.0 * points, 33.0 * points, triangles)


def centers_mm(affine, shape):
    return np.argwhere(np.ones(shape, bool)) @ affine[:3, :3].T + affine[:3, 3]


def test_voxels_are_those_whose_centre_lies_in_the_shell(shell):
    shape = (50, 60, 55)
    affine = OBLIQUE
    radii = np.linalg.norm(centers_mm(affine, shape), axis=1)
    found = np.unique(ribbon_voxels(shell, affine, shape).voxels)
    sagitta = 0.15  # triangles lie below the sphere by up to this
    surely = np.flatnonzero((radii > 28.0) & (radii < 33.0 - sagitta))
    at_most = np.flatnonzero((radii > 28.0 - sagitta) & (radii < 33.0))
    assert len(surely) > 5000
    assert np.isin(surely, found).all()
    assert np.isin(found, at_most).all()


def test_each_voxel_belongs_to_the_vertex_of_its_triangle_that_it_is_nearest_to(shell):
    shape = (50, 60, 55)
    ribbon = ribbon_voxels(shell, OBLIQUE, shape)
    _, counts = np.unique(ribbon.voxels, return_counts=True)
    assert counts.max() == 1  # there are no folds
    places = centers_mm(OBLIQUE, shape)[ribbon.voxels]
    corners, weights = barycentric_weights(shell.white_mm, shell.triangles, places)
    order = np.sort(weights, axis=1)
    # white and pial corners count alike, so that weights differ from the ray's by up to 33 / 28
    clear = order[:, 2] > order[:, 1] * 33 / 28 * (1 + 1e-6)
    assert clear.mean() > 0.8
    expected = np.take_along_axis(corners, weights.argmax(axis=1)[:, None], axis=1)[:, 0]
    np.testing.assert_array_equal(ribbon.vertices[clear], expected[clear])
    assert (corners == ribbon.vertices[:, None]).any(axis=1).mean() > 0.999  # edges are shared


def test_nothing_depends_on_how_fine_the_mesh_is():
    shape, found = (50, 60, 55), []
    for n_splits in (3, 4, 5):
        points, triangles = icosphere(n_splits)
        cortex = Cortex(28.0 * points, 33.0 * points, triangles)
        found.append(set(np.unique(ribbon_voxels(cortex, OBLIQUE, shape).voxels).tolist()))
    for one in found[:2]:
        assert len(one ^ found[2]) < 0.05 * len(found[2])


def test_lines_hit_the_voxels_that_hold_their_points(shell):
    shape = (50, 60, 55)
    found = voxels_on_lines(shell, OBLIQUE, shape, (0.5,))
    places = centers_mm(OBLIQUE, shape)[found.voxels]
    middle = 30.5 * np.asarray(shell.white_mm)[found.vertices] / 28.0
    inside = (places - middle) @ np.linalg.inv(OBLIQUE[:3, :3]).T
    assert np.abs(inside).max() <= 0.5 + 1e-9
    assert len(found.vertices) == len(np.asarray(shell.white_mm))


@pytest.mark.parametrize("most", [None, 12])
def test_patches_are_those_of_brute_force(shell, most):
    shape = (50, 60, 55)
    rng = np.random.default_rng(0)
    ribbon = ribbon_voxels(shell, OBLIQUE, shape)
    mask = rng.random(shape) < 0.8
    centers = np.arange(0, 2562, 97)
    found = ribbon_patches(shell, ribbon, mask, centers, 6.0, max_voxels=most, n_threads=2)
    row_of = np.cumsum(mask.ravel()) - 1
    middle = (np.asarray(shell.white_mm) + np.asarray(shell.pial_mm)) / 2
    graph = surface_graph(middle, shell.triangles)
    for k, center in enumerate(centers):
        disc = geodesic_discs(graph, [center], 6.0)
        distance = dict(zip(disc.members.tolist(), disc.distances_mm.tolist(), strict=True))
        near = {}
        for vertex, voxel in zip(ribbon.vertices.tolist(), ribbon.voxels.tolist(), strict=True):
            if vertex in distance and mask.ravel()[voxel]:
                row = int(row_of[voxel])
                near[row] = min(near.get(row, np.inf), distance[vertex])
        expected = sorted(sorted(near, key=lambda row: (near[row], row))[:most])
        assert found.rows[found.starts[k] : found.starts[k + 1]].tolist() == expected


def test_vertices_outside_the_cortex_give_no_voxels(shell):
    shape = (50, 60, 55)
    upper = np.asarray(shell.white_mm)[:, 2] > 0
    half = Cortex(shell.white_mm, shell.pial_mm, shell.triangles, upper)
    whole, found = ribbon_voxels(shell, OBLIQUE, shape), ribbon_voxels(half, OBLIQUE, shape)
    kept = upper[whole.vertices]
    np.testing.assert_array_equal(found.voxels, whole.voxels[kept])


def test_touching_surfaces_hold_nothing_and_other_meshes_are_refused():
    points, triangles = icosphere(2)
    same = Cortex(30.0 * points, 30.0 * points, triangles)
    assert not len(ribbon_voxels(same, np.diag([2.0, 2, 2, 1]), (40, 40, 40)).voxels)
    with pytest.raises(ValueError, match="shapes"):
        ribbon_voxels(Cortex(points, points[:-1], triangles), np.eye(4), (4, 4, 4))


def test_a_real_brain():
    """White and pial surface, an oblique anisotropic grid; published: 100 voxels in 10.7 mm."""
    folder = shared_path("data", "spm-betas")
    surfaces = [
        nib.load(folder / f"sub-02_space-32k_hemi-L_{name}.surf.gii").darrays
        for name in ("white", "pial")
    ]
    inside = nib.load(folder / "tpl-fs32k_hemi-L_mask.label.gii").darrays[0].data > 0
    cortex = Cortex(surfaces[0][0].data, surfaces[1][0].data, surfaces[0][1].data, inside)
    image = nib.load(folder / "sub-02_ses-s1_mask.nii")
    mask = np.asarray(image.dataobj) > 0
    ribbon = ribbon_voxels(cortex, image.affine, image.shape)
    lines = voxels_on_lines(cortex, image.affine, image.shape, np.linspace(0, 1, 6))
    by_center, by_line = np.unique(ribbon.voxels), np.unique(lines.voxels)
    thickness = np.linalg.norm(np.asarray(cortex.white_mm) - np.asarray(cortex.pial_mm), axis=1)
    assert 1.5 < np.median(thickness[inside]) < 3.5
    # what lies between the surfaces is mostly on the lines between their vertices, too
    assert np.isin(by_center, by_line).mean() > 0.9
    assert len(by_line) > len(by_center) > 5000
    assert mask.ravel()[by_center].mean() > 0.9
    centers = np.flatnonzero(inside)[::50]
    patches = ribbon_patches(cortex, lines, mask, centers, 20.0, max_voxels=100)
    sizes = np.diff(patches.starts)
    assert np.median(sizes) == 100
