"""Smoothing along surfaces: its width, its weights, and what it must not reach."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from meshes import flat_mesh
from scipy.optimize import curve_fit

from bids_rsa.core.inference.group_scores import smooth_inside
from bids_rsa.core.inference.mesh_smoothing import mesh_smoother
from bids_rsa.core.neighborhood.geodesics import geodesic_discs
from bids_rsa.core.neighborhood.mesh import surface_graph, vertex_areas

FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))


def left_fsaverage5():
    from nilearn.datasets import load_fsaverage

    surfaces = load_fsaverage("fsaverage5")
    white, pial = surfaces["white_matter"].parts["left"], surfaces["pial"].parts["left"]
    return (white.coordinates.astype(float) + pial.coordinates) / 2, np.asarray(white.faces)


@pytest.mark.parametrize("fwhm_mm", [5.0, 8.0, 14.0])
def test_noise_becomes_as_smooth_as_asked_for(fwhm_mm):
    """A Gaussian of width s makes correlations exp(-d^2 / 4 s^2) of noise."""
    points, triangles = left_fsaverage5()
    n = len(points)
    smooth = mesh_smoother(points, triangles, np.arange(n), fwhm_mm)
    rng, everywhere = np.random.default_rng(0), np.ones(n, bool)
    noise = rng.standard_normal((300, n)) / np.sqrt(vertex_areas(points, triangles))
    maps = np.array([smooth(one, everywhere) for one in noise])
    centers = np.arange(0, n, 25)
    discs = geodesic_discs(surface_graph(points, triangles), centers, 0.8 * fwhm_mm)
    heads, tails = discs.members, np.repeat(centers, np.diff(discs.starts))
    spread = np.sqrt((maps**2).mean(axis=0))
    correlations = (maps[:, heads] * maps[:, tails]).mean(axis=0) / spread[heads] / spread[tails]
    there = discs.distances_mm > 0.4 * fwhm_mm
    (sigma,), _ = curve_fit(
        lambda d, s: np.exp(-(d**2) / (4 * s**2)),
        discs.distances_mm[there],
        correlations[there],
        p0=[fwhm_mm / 2],
    )
    assert sigma * FWHM_PER_SIGMA == pytest.approx(fwhm_mm, rel=0.04)


@pytest.mark.parametrize("fwhm_mm", [5.0, 9.0, 18.0])
def test_a_flat_sheet_is_smoothed_as_a_slab_of_voxels(fwhm_mm):
    """Away from the border; paths over triangles are up to a few per cent longer than straight."""
    shape, step = (61, 57), 2.0
    points, triangles = flat_mesh(shape, step)
    values = np.random.default_rng(1).standard_normal(shape)
    values = smooth_inside(values[..., None], np.ones((*shape, 1), bool), 6.0, [step] * 3)[..., 0]
    everywhere = np.ones(shape, bool)
    found = mesh_smoother(points, triangles, np.arange(values.size), fwhm_mm)(
        values.ravel(), everywhere.ravel()
    ).reshape(shape)
    # one voxel thick: nothing comes from above or below
    expected = smooth_inside(values[..., None], everywhere[..., None], fwhm_mm, [step, step, 1e6])[
        ..., 0
    ]
    border = int(4 * fwhm_mm / FWHM_PER_SIGMA / step) + 1
    inner = np.s_[border:-border, border:-border]
    worst = np.abs(found - expected)[inner].max() / np.abs(expected[inner]).max()
    assert worst < 0.04, worst
    assert np.corrcoef(found[inner].ravel(), expected[inner].ravel())[0, 1] > 0.999


def test_a_kernel_is_the_gaussian_of_the_distance_weighted_by_areas():
    points, triangles = left_fsaverage5()
    n, fwhm_mm = len(points), 6.0
    allowed = np.arange(n)[np.random.default_rng(2).random(n) > 0.2]
    smooth = mesh_smoother(points, triangles, allowed, fwhm_mm)
    assert smooth.n_passes == 1
    values = np.random.default_rng(3).standard_normal(len(allowed))
    found = smooth(values, np.ones(len(allowed), bool))
    sigma, areas = fwhm_mm / FWHM_PER_SIGMA, vertex_areas(points, triangles)
    discs = geodesic_discs(surface_graph(points, triangles), allowed[:40], 6 * sigma)
    full = np.full(n, np.nan)
    full[allowed] = values
    for k in range(40):
        own = slice(discs.starts[k], discs.starts[k + 1])
        members, distances = discs.members[own], discs.distances_mm[own]
        weights = areas[members] * np.exp(-0.5 * (distances / sigma) ** 2)
        there = np.isfinite(full[members])
        mean = np.average(full[members][there], weights=weights[there])
        assert found[k] == pytest.approx(mean, abs=2e-3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), fwhm_mm=st.floats(2.0, 30.0), constant=st.floats(-5, 5))
def test_properties_of_weighted_means(seed, fwhm_mm, constant):
    rng = np.random.default_rng(seed)
    points, triangles = flat_mesh((13, 11), 3.0)
    points[:, 2] = rng.random(len(points)) * 4
    vertices = np.flatnonzero(rng.random(len(points)) > 0.2)
    smooth = mesh_smoother(points, triangles, vertices, fwhm_mm)
    inside = rng.random(len(vertices)) > 0.2
    values = rng.standard_normal(len(vertices))
    values[~inside] = np.nan  # never looked at
    found = smooth(values, inside)
    np.testing.assert_array_equal(np.isfinite(found), inside)
    # means of what is inside: within its range, and constants stay
    assert found[inside].min() >= values[inside].min() - 1e-12
    assert found[inside].max() <= values[inside].max() + 1e-12
    np.testing.assert_allclose(smooth(np.full(len(values), constant), inside)[inside], constant,
                               atol=1e-12)  # fmt: skip
    # linear, and the order of vertices is of no matter
    other = rng.standard_normal(len(values))
    both = smooth(np.nan_to_num(values) + 2 * other, inside)
    np.testing.assert_allclose(both[inside], (found + 2 * smooth(other, inside))[inside])
    order = rng.permutation(len(points))
    rank = np.argsort(order)
    moved = np.sort(rank[vertices])
    back = np.argsort(np.argsort(rank[vertices]))
    again = mesh_smoother(points[order], rank[triangles].astype(np.int32), moved, fwhm_mm)
    placed, there = np.empty_like(values), np.empty_like(inside)
    placed[back], there[back] = values, inside
    np.testing.assert_allclose(again(placed, there)[back][inside], found[inside], atol=1e-12)


def test_nothing_crosses_a_gap():
    """Two sheets that share no edge are as apart as hemispheres, however near they lie."""
    points, triangles = flat_mesh((10, 10), 2.0)
    both = np.concatenate([points, points + np.array([0, 0, 0.5])])
    faces = np.concatenate([triangles, triangles + len(points)])
    values = np.concatenate([np.zeros(len(points)), np.ones(len(points))])
    smooth = mesh_smoother(both, faces, np.arange(len(both)), 10.0)
    np.testing.assert_allclose(smooth(values, np.ones(len(both), bool)), values, atol=1e-12)


def test_a_mask_without_vertices_is_smoothed_to_nothing():
    points, triangles = flat_mesh((5, 5), 2.0)
    smooth = mesh_smoother(points, triangles, np.empty(0, np.int64), 6.0)
    assert smooth(np.empty(0), np.empty(0, bool)).shape == (0,)
