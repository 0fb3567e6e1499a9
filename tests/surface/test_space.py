"""Volume and surface as one kind of thing: patches, neighbours, sizes, files."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from meshes import flat_mesh
from scipy.spatial.transform import Rotation

from bids_rsa.core.measures import ModelScores
from bids_rsa.core.searchlight import searchlight
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.spaces.gifti import Mesh, maps_image
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.spaces.surface_checks import refuse_swapped
from bids_rsa.spaces.surface_part import SurfacePart
from bids_rsa.spaces.volume import VolumeSpace

STEP_MM = 2.0


def part(side, shape, origin=(0.0, 0.0, 0.0)):
    return SurfacePart.of_mesh(Mesh(*flat_mesh(shape, STEP_MM, origin), side, ""), side)


@pytest.fixture
def hemispheres():
    return SurfaceSpace((part("L", (9, 8), (-40, 0, 0)), part("R", (7, 10), (40, 0, 0))))


@pytest.fixture
def slab():
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    return VolumeSpace((9, 8, 1), affine)


def members(neighborhood):
    """The patch of each centre as a list."""
    patches = [[]] * neighborhood.n_centers
    for block in neighborhood.blocks(10_000, 2**30):
        starts, rows = neighborhood.members(block)
        for number, (start, stop) in zip(block.centers, itertools.pairwise(starts), strict=True):
            patches[number] = sorted(rows[start:stop].tolist())
    return patches


def test_both_follow_the_protocol(hemispheres, slab):
    for space in (hemispheres, slab):
        assert isinstance(space, Space)
        assert space.n_locations == len(space.sizes()) == space.layout.n_locations


# straight lines are exact along edges and diagonals; up to this radius no other vertex is near
@pytest.mark.parametrize("radius_mm", [STEP_MM, 1.5 * STEP_MM, 2 * STEP_MM])
def test_discs_of_a_flat_mesh_are_the_spheres_of_a_slab(hemispheres, slab, radius_mm):
    rng = np.random.default_rng(0)
    inside = rng.random(hemispheres.n_locations) < 0.8
    centers = inside & (rng.random(inside.size) < 0.5)
    own = slice(0, 72)
    discs = members(hemispheres.neighborhood(inside, centers, radius_mm))
    spheres = members(slab.neighborhood(inside[own], centers[own], radius_mm))
    assert discs[: len(spheres)] == spheres
    # the right hemisphere's rows follow the left one's
    assert min(min(rows) for rows in discs[len(spheres) :]) >= inside[own].sum()


def test_scores_on_a_flat_mesh_are_those_of_the_slab(hemispheres, slab):
    rng = np.random.default_rng(1)
    everywhere = np.ones(hemispheres.n_locations, bool)
    patterns = rng.normal(size=(everywhere.size, 1, 6))
    models = rng.normal(size=(2, 15))
    found, wanted = ModelScores(models), ModelScores(models)
    discs = hemispheres.neighborhood(everywhere, everywhere, 4.0)
    searchlight(patterns, discs, [found], min_voxels=5)
    spheres = slab.neighborhood(everywhere[:72], everywhere[:72], 4.0)
    searchlight(patterns[:72], spheres, [wanted], min_voxels=5)
    np.testing.assert_allclose(
        found.scores["spearman"][:, :72], wanted.scores["spearman"], atol=1e-12
    )
    assert np.isfinite(wanted.scores["spearman"]).any()


def test_permuted_vertices_permute_patches_and_areas(hemispheres):
    left = hemispheres.parts[0]
    order = np.random.default_rng(2).permutation(left.n_locations)
    place = np.argsort(order)  # of each vertex in the new order
    shuffled = SurfaceSpace(
        (SurfacePart("L", left.coordinates_mm[order], place[left.triangles], np.arange(72)),)
    )
    alone = SurfaceSpace((left,))
    everywhere = np.ones(72, bool)
    before = members(alone.neighborhood(everywhere, everywhere, 5.0))
    after = members(shuffled.neighborhood(everywhere, everywhere, 5.0))
    assert [sorted(order[rows].tolist()) for rows in after] == [before[k] for k in order]
    np.testing.assert_allclose(shuffled.sizes(), alone.sizes()[order])


def test_neighbours_and_areas(hemispheres, slab):
    rng = np.random.default_rng(3)
    inside = rng.random(hemispheres.n_locations) < 0.7
    found = hemispheres.adjacency(inside)
    assert found.n_locations == inside.sum()
    edges = set()
    for one, n_before in zip(hemispheres.parts, (0, 72), strict=True):
        for a, b, c in one.triangles + n_before:
            edges |= {(a, b), (b, a), (b, c), (c, b), (a, c), (c, a)}
    numbers = np.flatnonzero(inside)
    pairs = {
        (numbers[i], numbers[j])
        for i in range(len(numbers))
        for j in found.neighbors[found.starts[i] : found.starts[i + 1]]
    }
    assert pairs == {(a, b) for a, b in edges if inside[a] and inside[b]}
    np.testing.assert_allclose(found.sizes, hemispheres.sizes()[inside])
    flat_area = STEP_MM**2 * (8 * 7 + 6 * 9)
    np.testing.assert_allclose(hemispheres.sizes().sum(), flat_area)
    assert (slab.adjacency(np.ones(72, bool)).sizes == 1).all()


def test_images_hold_the_values_of_their_hemisphere(hemispheres, tmp_path):
    values = np.arange(hemispheres.n_locations, dtype=np.float32)
    for side, own in hemispheres.part_slices().items():
        path = tmp_path / f"hemi-{side}.shape.gii"
        nib.save(hemispheres.image(values, side), path)
        image = nib.load(path)
        np.testing.assert_array_equal(image.darrays[0].data, values[own])
        assert (
            image.meta["AnatomicalStructurePrimary"]
            == {"L": "CortexLeft", "R": "CortexRight"}[side]
        )
        mask = tmp_path / f"hemi-{side}_mask.label.gii"
        nib.save(hemispheres.image((values % 2).astype(np.uint8), side, is_mask=True), mask)
        np.testing.assert_array_equal(nib.load(mask).agg_data(), values[own] % 2)
        assert nib.load(mask).labeltable.get_labels_as_dict() == {0: "outside", 1: "inside"}


def test_masks_of_hemispheres_are_read_by_structure(hemispheres, tmp_path):
    right = np.zeros(70)
    right[:30] = 1
    path = str(tmp_path / "cortex_hemi-R_mask.gii")
    nib.save(maps_image(right, "R"), path)
    found = hemispheres.load_mask([path], "cortex mask").inside
    np.testing.assert_array_equal(found, np.r_[np.zeros(72), right].astype(bool))
    wrong = str(tmp_path / "cortex_hemi-L_mask.gii")
    nib.save(maps_image(right, "L"), wrong)
    with pytest.raises(ContentError, match=r"70 vertices; the images have 72 in hemi-L"):
        hemispheres.load_mask([wrong], "cortex mask")


def test_a_left_hemisphere_on_the_right_is_refused():
    left, right = part("L", (4, 4), (30, 0, 0)), part("R", (4, 4), (-30, 0, 0))
    with pytest.raises(ContentError, match="swapped"):
        refuse_swapped((left, right))
    refuse_swapped((part("L", (4, 4), (-30, 0, 0)), part("R", (4, 4), (30, 0, 0))))


def test_radii_that_make_no_sense_are_refused(hemispheres):
    with pytest.raises(OptionError, match="edges of the mesh"):
        hemispheres.check_radius(1.0, "x.gii")
    with pytest.raises(OptionError, match="whole hemisphere"):
        hemispheres.check_radius(1000.0, "x.gii")
    hemispheres.check_radius(5.0, "x.gii")


def test_turning_a_mesh_changes_no_patch(hemispheres):
    left = hemispheres.parts[0]
    turn = Rotation.from_euler("xyz", [20, 40, 60], degrees=True).as_matrix()
    turned = SurfacePart("L", left.coordinates_mm @ turn.T, left.triangles, left.vertices)
    everywhere = np.ones(72, bool)
    assert members(turned.discs(everywhere, everywhere, 5.0)) == members(
        left.discs(everywhere, everywhere, 5.0)
    )
