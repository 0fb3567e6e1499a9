"""TFCE and clusters against brute force, scipy's labelling and nilearn's labelling."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.mass_univariate._utils import calculate_tfce
from scipy import ndimage

from bids_rsa.core.inference import (
    draw_relabelings,
    find_clusters,
    neighbor_table,
    one_sample_design,
    permutation_null,
    prepare_test,
    tfce,
)
from bids_rsa.core.inference.clusters import cluster_maxima
from bids_rsa.core.inference.tfce import tfce_maxima

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
    ours[mask] = tfce(volume[mask], neighbor_table(mask, connectivity))
    structure = STRUCTURES[connectivity]
    up = brute_force_tfce(volume, mask, structure, 1e-3)
    down = brute_force_tfce(-volume, mask, structure, 1e-3)
    expected = up - down
    scale = np.abs(expected).max()
    assert scale > 5
    assert np.abs(ours - expected).max() < 1e-3 * scale


def test_tfce_equals_nilearns_labelling_with_a_fixed_step():
    mask, volume = smooth_map(2, holes=False)
    ours = tfce(volume[mask], neighbor_table(mask)).reshape(mask.shape)
    step = 1e-2  # nilearn takes at most 1,000 steps
    theirs = calculate_tfce(volume[..., None], STRUCTURES[6], dh=step, two_sided_test=True)
    assert np.abs(ours - theirs[..., 0] * step).max() < 5e-3 * np.abs(ours).max()


def test_tfce_of_a_single_box_is_known():
    """27 voxels at height 2 above 0: sqrt(27) * 2^3 / 3."""
    volume = np.zeros((7, 7, 7))
    volume[2:5, 2:5, 2:5] = 2.0
    mask = np.ones(volume.shape, bool)
    enhanced = tfce(volume[mask], neighbor_table(mask)).reshape(mask.shape)
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
    enhanced[mask] = tfce(volume[mask], neighbor_table(mask, connectivity))
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
    neighbors = neighbor_table(mask, connectivity)
    enhanced = tfce(volume[mask], neighbors)
    best = np.empty(1)
    tfce_maxima(volume[mask][None, :], two_sided, neighbors, best)
    expected = np.abs(enhanced).max() if two_sided else enhanced.max()
    assert best[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("connectivity", [6, 18, 26])
@pytest.mark.parametrize("two_sided", [False, True])
def test_clusters_equal_scipys(connectivity, two_sided):
    mask, volume = smooth_map(3)
    neighbors = neighbor_table(mask, connectivity)
    found = find_clusters(volume[mask], neighbors, 1.2, two_sided)
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
    largest, heaviest = np.empty(1), np.empty(1)
    cluster_maxima(volume[mask][None, :], two_sided, 1.2, neighbors, largest, heaviest)
    assert largest[0] == max(sizes) and heaviest[0] == pytest.approx(max(masses))


def test_no_cluster_is_no_cluster():
    mask, volume = smooth_map(4)
    found = find_clusters(volume[mask], neighbor_table(mask), 99.0)
    assert len(found.sizes) == len(found.masses) == 0 and not found.labels.any()


def test_another_connectivity_is_refused():
    with pytest.raises(ValueError, match="6, 18 or 26"):
        neighbor_table(np.ones((2, 2, 2), bool), 8)


def test_neighbors_do_not_wrap_around_the_edge():
    table = neighbor_table(np.ones((2, 1, 1), bool), 26)
    assert sorted(table[0]) == [-1] * 25 + [1]
    assert sorted(table[1]) == [-1] * 25 + [0]


def test_permuted_maps_are_enhanced_and_clustered_like_the_observed():
    """The identity among all relabelings has the observed maximum of every statistic."""
    mask, _ = smooth_map(5)
    rng = np.random.default_rng(5)
    data = ndimage.gaussian_filter(rng.standard_normal((7, *mask.shape)), (0, 1, 1, 1))[:, mask]
    design = one_sample_design(7)
    neighbors = neighbor_table(mask)
    draws = draw_relabelings(design, 200, 0)
    for tail in ("greater", "two-sided"):
        plan = prepare_test(data, design, tail)
        null = permutation_null(plan, draws, neighbors, 2.0)
        t = data.mean(axis=0) / data.std(axis=0, ddof=1) * np.sqrt(7)
        enhanced = tfce(t, neighbors)
        clusters = find_clusters(t, neighbors, 2.0, tail == "two-sided")
        pick = np.abs if tail == "two-sided" else np.asarray
        assert null.maxima["t"][0] == pytest.approx(pick(t).max())
        assert null.maxima["tfce"][0] == pytest.approx(pick(enhanced).max())
        assert null.maxima["cluster_size"][0] == clusters.sizes.max()
        assert null.maxima["cluster_mass"][0] == pytest.approx(clusters.masses.max())
