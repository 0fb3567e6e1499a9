"""TFCE and clusters against brute force, scipy's labelling and nilearn's labelling."""

import itertools
import math
from dataclasses import replace

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.mass_univariate._utils import calculate_tfce
from scipy import ndimage, sparse, spatial
from scipy.sparse import csgraph

from bids_rsa.core.inference._sort import room_for_sorting, sort_positive
from bids_rsa.core.inference.adjacency import join_adjacencies, mesh_adjacency
from bids_rsa.core.inference.clusters import cluster_maxima, find_clusters
from bids_rsa.core.inference.design import one_sample_design
from bids_rsa.core.inference.lattice import grid_adjacency
from bids_rsa.core.inference.permute import permutation_null
from bids_rsa.core.inference.plan import prepare_test
from bids_rsa.core.inference.relabel import draw_relabelings
from bids_rsa.core.inference.tfce import tfce
from bids_rsa.core.inference.tfce_maxima import tfce_maxima

STRUCTURES = {n: ndimage.generate_binary_structure(3, i) for i, n in enumerate((6, 18, 26), 1)}


def smooth_map(seed, shape=(14, 13, 12), holes=True):
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) > 0.1 if holes else np.ones(shape, bool)
    volume = ndimage.gaussian_filter(rng.standard_normal(shape), 1.0)
    return mask, volume / volume.std() * 1.5


def brute_force_tfce(volume, mask, structure, step):
    """Sum of extent^0.5 h^2 dh at the middle of each step, one labelling a step."""
    out = np.zeros(volume.shape)
    for height in np.arange(step / 2, volume[mask].max(), step):
        labels, n = ndimage.label((volume > height) & mask, structure)
        extent = np.bincount(labels.ravel(), minlength=n + 1).astype(float)
        extent[0] = 0
        out += np.sqrt(extent)[labels] * height**2 * step
    return out


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_tfce_equals_a_fine_step_brute_force(connectivity):
    mask, volume = smooth_map(1)
    ours = np.zeros(mask.shape)
    ours[mask] = tfce(volume[mask], grid_adjacency(mask, connectivity))
    structure = STRUCTURES[connectivity]
    up = brute_force_tfce(volume, mask, structure, 1e-3)
    down = brute_force_tfce(-volume, mask, structure, 1e-3)
    expected = up - down
    scale = np.abs(expected).max()
    assert scale > 5
    assert np.abs(ours - expected).max() < 1e-3 * scale


def exact_tfce(values, adjacency):
    """The integral of extent^E h^H between the heights that occur, each sign apart, by labelling.

    Python's whole numbers of h^(H + 1) would not be exact; the terms are positive and summed from
    the smallest by math.fsum, and the difference of cubes is factored, so no digit is lost.
    """
    e = adjacency.extent_power
    assert adjacency.height_power == 2
    n = len(values)
    pairs = sparse.csr_matrix(
        (np.ones(len(adjacency.neighbors)), adjacency.neighbors, adjacency.starts), shape=(n, n)
    )
    out = np.zeros(n)
    for sign in (1, -1):
        heights = np.unique(np.concatenate([[0.0], sign * values[sign * values > 0]]))
        terms = [[] for _ in range(n)]
        for low, high in itertools.pairwise(heights):
            above = np.flatnonzero(sign * values >= high)
            _, labels = csgraph.connected_components(pairs[above][:, above], directed=False)
            extent = np.bincount(labels, weights=adjacency.sizes[above])
            slab = (high - low) * (high * high + high * low + low * low) / 3
            for place, label in zip(above, labels, strict=True):
                terms[place].append(extent[label] ** e * slab)
        out += sign * np.array([math.fsum(parts) for parts in terms])
    return out


def extreme_map(seed, n):
    """Values from 1e-3 to 1e8 of both signs beside each other, with ties and zeros."""
    rng = np.random.default_rng(seed)
    values = 10 ** rng.uniform(-3, 8, n) * rng.choice([-1, 1], n)
    values[rng.random(n) < 0.3] = rng.choice([2.5, -2.5, 1e8, 1e-3])
    values[rng.random(n) < 0.1] = 0.0
    values[:3] = 1e8, 1e-3, 3.0
    return values


@pytest.mark.parametrize(
    ("highest", "expected"),
    [(2.4e7, [269.96, 130.42, 42.67]), (1e6, [269.96, 130.42, 42.67])],
)
def test_a_huge_value_costs_its_neighbours_nothing(highest, expected):
    """Four voxels in a row: sqrt(2) (8^3 - 6^3) / 3 + sqrt(3) (6^3 - 4^3) / 3 + 2 4^3 / 3."""
    row = grid_adjacency(np.ones((4, 1, 1), bool))
    enhanced = tfce(np.array([highest, 8.0, 6.0, 4.0]), row)
    np.testing.assert_allclose(enhanced[1:], expected, atol=0.005)
    by_hand = np.sqrt(2) * (512 - 216) / 3 + np.sqrt(3) * (216 - 64) / 3 + 2 * 64 / 3
    assert enhanced[1] == pytest.approx(by_hand, rel=1e-14)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("seed", range(6))
def test_tfce_of_values_of_eleven_orders_equals_brute_force(connectivity, seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((6, 5, 5)) > 0.15
    values = extreme_map(seed, mask.sum())
    adjacency = grid_adjacency(mask, connectivity)
    expected = exact_tfce(values, adjacency)
    np.testing.assert_allclose(tfce(values, adjacency), expected, rtol=1e-12)
    for two_sided, pick in ((True, np.abs), (False, np.asarray)):
        best = tfce_maxima(values[None, :], two_sided, adjacency)
        np.testing.assert_allclose(best, pick(expected).max(), rtol=1e-12)


def random_mesh(seed, n=120):
    """A triangulated sheet with a hole: triangles, areas in mm2, and a mask of its vertices."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 40, (n, 2))
    triangles = spatial.Delaunay(points).simplices
    a, b, c = points[triangles].transpose(1, 0, 2)
    ab, ac = b - a, c - a
    area = np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2
    areas = np.bincount(triangles.ravel(), np.repeat(area / 3, 3), n)
    return triangles, areas, np.linalg.norm(points - 20, axis=1) > 6


@pytest.mark.parametrize("seed", range(5))
def test_tfce_and_clusters_on_a_mesh_equal_brute_force_with_areas(seed):
    triangles, areas, inside = random_mesh(seed)
    mesh = mesh_adjacency(triangles, areas, inside)
    assert (mesh.extent_power, mesh.height_power) == (1.0, 2.0)
    edges = {frozenset(e) for t in triangles for e in itertools.combinations(t.tolist(), 2)}
    there = np.flatnonzero(inside)
    for i, vertex in enumerate(there):
        mine = there[mesh.neighbors[mesh.starts[i] : mesh.starts[i + 1]]]
        assert set(mine) == {w for w in there if frozenset((vertex, w)) in edges}
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, len(there)) + 3 * (areas[inside] > np.median(areas))
    expected = exact_tfce(values, mesh)
    np.testing.assert_allclose(tfce(values, mesh), expected, rtol=1e-12, atol=1e-12)
    best = tfce_maxima(values[None, :], True, mesh)
    np.testing.assert_allclose(best, np.abs(expected).max(), rtol=1e-12)
    found = find_clusters(values, mesh, 1.0, two_sided=True)
    assert len(found.sizes) > 3
    for number, (size, mass) in enumerate(zip(found.sizes, found.masses, strict=True), start=1):
        mine = found.labels == number
        own = areas[inside][mine]
        assert size == pytest.approx(own.sum())
        assert mass == pytest.approx(((np.abs(values[mine]) - 1.0) * own).sum())
    largest, heaviest = cluster_maxima(values[None, :], True, 1.0, mesh)
    assert largest[0] == pytest.approx(found.sizes.max())
    assert heaviest[0] == pytest.approx(found.masses.max())


def test_two_hemispheres_have_one_maximum():
    parts = [mesh_adjacency(*random_mesh(seed)) for seed in (11, 12)]
    both = join_adjacencies(*parts)
    rng = np.random.default_rng(3)
    maps = rng.normal(0, 2, (20, both.n_locations))
    left, right = maps[:, : parts[0].n_locations], maps[:, parts[0].n_locations :]
    apart = [
        tfce_maxima(np.ascontiguousarray(half), True, part)
        for half, part in zip((left, right), parts, strict=True)
    ]
    np.testing.assert_allclose(tfce_maxima(maps, True, both), np.max(apart, axis=0), rtol=1e-12)
    assert {int(np.argmax(pair)) for pair in np.transpose(apart)} == {0, 1}
    enhanced = np.concatenate([tfce(left[0], parts[0]), tfce(right[0], parts[1])])
    np.testing.assert_allclose(tfce(maps[0], both), enhanced, rtol=1e-12)
    data = rng.normal(0.2, 1, (9, both.n_locations))
    plan = prepare_test(data, one_sample_design(9))
    draws = draw_relabelings(plan.design, 100, 0)
    null = permutation_null(plan, draws, both, 1.5)
    halves = [slice(0, parts[0].n_locations), slice(parts[0].n_locations, None)]
    for name in ("tfce", "cluster_size", "cluster_mass"):
        alone = [
            permutation_null(prepare_test(data[:, half], plan.design), draws, part, 1.5).maxima[
                name
            ]
            for half, part in zip(halves, parts, strict=True)
        ]
        np.testing.assert_allclose(null.maxima[name], np.max(alone, axis=0), rtol=1e-9)


def test_parts_with_other_powers_of_tfce_have_no_common_maximum():
    volume = grid_adjacency(np.ones((2, 2, 2), bool))
    with pytest.raises(ValueError, match="powers of TFCE"):
        join_adjacencies(volume, mesh_adjacency(*random_mesh(1)))


@pytest.mark.parametrize(
    ("triangles", "areas", "message"),
    [
        ([[0, 1, 7]], [1.0, 1.0, 1.0], "beyond the 3"),
        ([[0, 1, 2]], [1.0, 0.0, 1.0], "above 0"),
        ([[0, 1, 2]], [1.0, np.nan, 1.0], "above 0"),
        ([[0, 1, 2]], [1.0, 1.0], "2.*areas"),
    ],
)
def test_a_mesh_that_does_not_fit_is_refused(triangles, areas, message):
    with pytest.raises(ValueError, match=message):
        mesh_adjacency(triangles, areas, np.ones(3, bool))


@pytest.mark.parametrize(
    "kind", ["smooth", "ties", "outlier", "crowded", "infinite", "tiny", "none"]
)
def test_locations_are_sorted_exactly(kind):
    values = np.random.default_rng(3).normal(size=5000)
    if kind == "ties":
        values = np.round(values, 1)
    if kind == "outlier":
        values[7] = 1e12
    if kind == "crowded":
        values = np.exp(30 * values)
    if kind == "infinite":
        values[[3, 9]] = np.inf
    if kind == "tiny":
        values *= 1e-310
    if kind == "none":
        values = -np.abs(values)
    order = np.empty(len(values), np.int32)
    for sign in (1.0, -1.0):
        n = sort_positive(values, sign, room_for_sorting(len(values)), order)
        expected = np.argsort(-sign * values, kind="stable")
        np.testing.assert_array_equal(order[:n], expected[: np.count_nonzero(sign * values > 0)])


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_steps_on_a_grid_find_what_lists_of_neighbours_find(connectivity):
    mask, volume = smooth_map(5, holes=True)
    on_grid = grid_adjacency(mask, connectivity)
    maps = np.stack([volume[mask], -volume[mask], volume[mask] ** 3])
    np.testing.assert_array_equal(
        tfce_maxima(maps, True, on_grid), tfce_maxima(maps, True, replace(on_grid, lattice=None))
    )


def test_tfce_equals_nilearns_labelling_with_a_fixed_step():
    mask, volume = smooth_map(2, holes=False)
    ours = tfce(volume[mask], grid_adjacency(mask)).reshape(mask.shape)
    step = 1e-2  # nilearn takes at most 1,000 steps
    theirs = calculate_tfce(volume[..., None], STRUCTURES[6], dh=step, two_sided_test=True)
    assert np.abs(ours - theirs[..., 0] * step).max() < 5e-3 * np.abs(ours).max()


def test_tfce_of_a_single_box_is_known():
    """27 voxels at height 2 above 0: sqrt(27) * 2^3 / 3."""
    volume = np.zeros((7, 7, 7))
    volume[2:5, 2:5, 2:5] = 2.0
    mask = np.ones(volume.shape, bool)
    enhanced = tfce(volume[mask], grid_adjacency(mask)).reshape(mask.shape)
    np.testing.assert_allclose(enhanced, np.where(volume > 0, np.sqrt(27) * 8 / 3, 0))


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, (3, 4, 5), elements=st.integers(-4, 4).map(lambda k: k / 2)),
    hnp.arrays(bool, (3, 4, 5)),
    st.sampled_from([6, 18, 26]),
)
def test_tfce_with_ties_and_holes(volume, mask, connectivity):
    """Levels are multiples of 1/2, so the integral is a sum over them, done by labelling."""
    enhanced = np.zeros(volume.shape)
    enhanced[mask] = tfce(volume[mask], grid_adjacency(mask, connectivity))
    expected = np.zeros(volume.shape)
    for sign in (1, -1):
        for low in np.arange(0, 2, 0.5):
            labels, n = ndimage.label((sign * volume > low) & mask, STRUCTURES[connectivity])
            extent = np.bincount(labels.ravel(), minlength=n + 1).astype(float)
            extent[0] = 0
            expected += sign * np.sqrt(extent)[labels] * ((low + 0.5) ** 3 - low**3) / 3
    np.testing.assert_allclose(enhanced, expected, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([6, 18, 26]), st.booleans())
def test_the_quick_maximum_is_the_maximum_of_the_map(seed, connectivity, two_sided):
    mask, volume = smooth_map(seed, (6, 7, 8))
    adjacency = grid_adjacency(mask, connectivity)
    enhanced = tfce(volume[mask], adjacency)
    best = tfce_maxima(volume[mask][None, :], two_sided, adjacency)
    expected = np.abs(enhanced).max() if two_sided else enhanced.max()
    assert best[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("two_sided", [False, True])
def test_clusters_equal_scipys(connectivity, two_sided):
    mask, volume = smooth_map(3)
    adjacency = grid_adjacency(mask, connectivity)
    found = find_clusters(volume[mask], adjacency, 1.2, two_sided)
    ours = np.zeros(mask.shape, int)
    ours[mask] = found.labels
    sizes, masses = [], []
    for sign in (1, -1) if two_sided else (1,):
        labels, n = ndimage.label((sign * volume > 1.2) & mask, STRUCTURES[connectivity])
        assert n > 3
        for k in range(1, n + 1):
            inside = labels == k
            number = np.unique(ours[inside])
            assert len(number) == 1 and found.signs[number[0] - 1] == sign
            assert found.sizes[number[0] - 1] == inside.sum()
            mass = (np.abs(volume[inside]) - 1.2).sum()
            assert found.masses[number[0] - 1] == pytest.approx(mass)
            sizes.append(inside.sum())
            masses.append(mass)
    assert len(found.sizes) == len(sizes)
    largest, heaviest = cluster_maxima(volume[mask][None, :], two_sided, 1.2, adjacency)
    assert largest[0] == max(sizes) and heaviest[0] == pytest.approx(max(masses))


def test_no_cluster_is_no_cluster():
    mask, volume = smooth_map(4)
    found = find_clusters(volume[mask], grid_adjacency(mask), 99.0)
    assert len(found.sizes) == len(found.masses) == 0 and not found.labels.any()


def test_another_connectivity_is_refused():
    with pytest.raises(ValueError, match="6, 18 or 26"):
        grid_adjacency(np.ones((2, 2, 2), bool), 8)


def test_neighbors_do_not_wrap_around_the_edge():
    found = grid_adjacency(np.ones((2, 1, 1), bool), 26)
    assert found.starts.tolist() == [0, 1, 2]
    assert found.neighbors.tolist() == [1, 0]


def test_permuted_maps_are_enhanced_and_clustered_like_the_observed():
    """The identity among all relabelings has the observed maximum of every statistic."""
    mask, _ = smooth_map(5)
    rng = np.random.default_rng(5)
    data = ndimage.gaussian_filter(rng.standard_normal((7, *mask.shape)), (0, 1, 1, 1))[:, mask]
    design = one_sample_design(7)
    adjacency = grid_adjacency(mask)
    draws = draw_relabelings(design, 200, 0)
    for tail in ("greater", "two-sided"):
        plan = prepare_test(data, design, tail)
        null = permutation_null(plan, draws, adjacency, 2.0)
        t = data.mean(axis=0) / data.std(axis=0, ddof=1) * np.sqrt(7)
        enhanced = tfce(t, adjacency)
        clusters = find_clusters(t, adjacency, 2.0, tail == "two-sided")
        pick = np.abs if tail == "two-sided" else np.asarray
        assert null.maxima["t"][0] == pytest.approx(pick(t).max())
        assert null.maxima["tfce"][0] == pytest.approx(pick(enhanced).max())
        assert null.maxima["cluster_size"][0] == clusters.sizes.max()
        assert null.maxima["cluster_mass"][0] == pytest.approx(clusters.masses.max())
