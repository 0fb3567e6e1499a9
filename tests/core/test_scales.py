"""Patterns times a power of two, however small or large: distances times a power of it."""

import warnings

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from test_patches import rdms_of, spheres

from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.rdms import compute_rdm, patch_rdm
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES
from bids_rsa.core.neighborhood.patches import Patches

# the power of the patterns' scale that each grows with
POWERS = {
    "correlation": 0, "cosine": 0, "braycurtis": 0, "canberra": 0, "euclidean": 1, "cityblock": 1,
    "chebyshev": 1, "minkowski": 1, "seuclidean": 0, "sqeuclidean": 2, "crossnobis": 2,
}  # fmt: skip
OF_PRODUCTS = ("correlation", "cosine", "euclidean", "sqeuclidean")
# 2^-1030 leaves a number near 1 some 44 of its bits; squares vanish from 2^-511 on
EXPONENTS = (-1030, -1000, -530, -515, -300, 300, 500, 515, 530, 1000)


def scaled(patterns, exponent):
    """The patterns at another scale, and the same at theirs, as far as their bits are left."""
    there = np.ldexp(patterns, exponent)
    return there, np.ldexp(there, -exponent)


def lacking(rng, shape, missing):
    patterns = rng.standard_normal(shape) + 0.3
    if missing:
        patterns[rng.random(shape) < 0.05] = np.nan
    return patterns


def agree(found, expected, power):
    """Compare what can be represented; a cell that cannot leaves the RDM undefined."""
    with np.errstate(over="ignore", under="ignore"):
        expected = np.ldexp(expected, power)
    assert np.isnan(found[np.isnan(expected)]).all()
    if (np.abs(expected) > 1e300).any():
        assert not np.isinf(found).any()
        return
    whole = np.isfinite(expected) & (np.abs(expected) > 1e-290)
    np.testing.assert_allclose(found[whole], expected[whole], rtol=1e-10)


def pair_by_pair(patterns, metric, weights=None):
    """Distances (n_cells,) by scipy over the voxels that both patterns of a pair have."""
    finite = np.isfinite(patterns)
    n_seen = finite.any(axis=1).sum()
    cells = []
    for i, j in zip(*np.triu_indices(patterns.shape[1], 1), strict=True):
        both = finite[:, i] & finite[:, j]
        params = {} if weights is None else {"w": weights[both]}
        (cell,) = pdist(patterns[both][:, [i, j]].T, metric, **params)
        ratio = n_seen / both.sum()
        cells.append(cell * {"euclidean": ratio**0.5, "sqeuclidean": ratio}.get(metric, 1.0))
    return np.array(cells)


@pytest.mark.parametrize("metric", OF_PRODUCTS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_scipy_pair_by_pair_at_any_scale(metric, missing, weighted):
    grid, lists, rows = spheres(shape=(4, 3, 4))
    rng = np.random.default_rng(1)
    patterns = lacking(rng, (grid.n_locations, 1, 5), missing)
    weights = rng.uniform(0.5, 2, grid.n_locations) if weighted else None
    params = {} if weights is None else {"w": weights}
    for exponent in EXPONENTS:
        there, here = scaled(patterns, exponent)
        keywords = {"dissimilarity": metric, "ignore_nan": missing, "params": params}
        for neighborhood in (grid, lists):
            found, _ = rdms_of(there, neighborhood, **keywords)
            for k in range(0, len(rows), 5):
                if len(rows[k]) > 12:
                    own = None if weights is None else weights[rows[k]]
                    expected = pair_by_pair(here[rows[k], 0], metric, own)
                    agree(found[k], expected, POWERS[metric] * exponent)


@pytest.mark.parametrize("metric", POWERS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_the_definition_at_any_scale(metric, missing, n_folds):
    if DISSIMILARITIES[metric].needs_folds and n_folds == 1:
        return
    grid, lists, rows = spheres(shape=(4, 3, 4))
    patterns = lacking(np.random.default_rng(2), (grid.n_locations, n_folds, 5), missing)
    for exponent in EXPONENTS:
        there, here = scaled(patterns, exponent)
        for neighborhood in (grid, lists):
            found, _ = rdms_of(there, neighborhood, dissimilarity=metric, ignore_nan=missing)
            for k in range(0, len(rows), 5):
                folds = np.ascontiguousarray(here[rows[k]].transpose(1, 2, 0))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    expected = patch_rdm(folds, metric, missing, select_voxels({}, rows[k]))
                agree(found[k], expected, POWERS[metric] * exponent)


@pytest.mark.parametrize("metric", OF_PRODUCTS)
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("n_folds", [1, 3])
def test_powers_of_two_change_at_most_the_last_digit(metric, missing, n_folds):
    grid, lists, _ = spheres(shape=(4, 5, 4))
    patterns = lacking(np.random.default_rng(3), (grid.n_locations, n_folds, 6), missing)
    keywords = {"dissimilarity": metric, "ignore_nan": missing}
    for neighborhood in (grid, lists):
        here, _ = rdms_of(patterns, neighborhood, **keywords)
        for exponent in (-480, -60, 60, 480):
            there, _ = rdms_of(np.ldexp(patterns, exponent), neighborhood, **keywords)
            expected, power = np.ldexp(here, POWERS[metric] * exponent), POWERS[metric]
            # 1 minus a product, or a power of the scale
            atol = 0.0 if power else 1e-15
            np.testing.assert_allclose(there, expected, rtol=4e-16, atol=atol)
            if neighborhood is grid and not missing:
                np.testing.assert_array_equal(there, expected)


@pytest.mark.parametrize("metric", ["cosine", "correlation", "euclidean"])
def test_patterns_of_very_different_scales(metric):
    """Each pair is as exact as if it were alone."""
    rng = np.random.default_rng(4)
    exponents = np.array([0, 0, -600, -600, 400, 400])
    base = rng.standard_normal((40, 6))
    base[3, 0] = base[5, 2] = base[7, 4] = np.nan
    found = compute_rdm(np.ldexp(base, exponents).T, metric, ignore_nan=True)
    grid, _ = rdms_of(
        np.ldexp(base, exponents)[:, None], Patches.whole(40), dissimilarity=metric, ignore_nan=True
    )
    first, second = np.triu_indices(6, 1)
    for cell, (i, j) in enumerate(zip(first, second, strict=True)):
        if exponents[i] == exponents[j] or metric != "euclidean":
            (expected,) = pair_by_pair(base[:, [i, j]], metric)
            agree(np.array([grid[0, cell]]), np.array([expected]), POWERS[metric] * exponents[i])
            if metric != "euclidean":
                np.testing.assert_allclose(found[cell], expected, rtol=1e-10)
