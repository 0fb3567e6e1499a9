"""Values of very different sizes cost no digits: RDMs are as exact as plain sums, everywhere."""

import numpy as np
import pytest
from test_patches import rdms_of

from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.spheres import sphere_rows

SHAPE, RADIUS_MM = (5, 4, 9), 5.0
N_VOXELS, N_ITEMS = int(np.prod(SHAPE)), 9
METRICS = ("sqeuclidean", "euclidean", "correlation", "cosine")
VOXEL, ALL = N_VOXELS // 2, slice(None)
ALONG_ROWS = np.arange(N_VOXELS) % SHAPE[2] < 4  # the first places of each row of the grid

PLACES = {
    "a value": [(VOXEL, -1, 4)],
    "a value of the first condition": [(VOXEL, -1, 0)],
    "values of two folds": [(VOXEL, -1, 4), (VOXEL, 0, 2)],
    "a voxel of a fold": [(VOXEL, -1)],
    "a shift of a voxel": [],
    "the first condition": [(ALL, ALL, 0)],
    "two conditions": [(ALL, ALL, [0, 4])],
    "most conditions": [(ALL, ALL, slice(2, None))],
    "a condition of a fold": [(ALL, -1, 4)],
    "a fold": [(ALL, -1)],
    "half of each row": [(ALONG_ROWS,)],
    "most conditions of half of each row": [(ALONG_ROWS, ALL, slice(3, None))],
}


def neighborhoods():
    """Spheres as rows of a grid and as lists, and the rows of some of them."""
    mask = np.ones(SHAPE, dtype=bool)
    places = 3.0 * np.argwhere(mask)
    distances = np.linalg.norm(places[:, None] - places, axis=2)
    lists = [np.flatnonzero(row <= RADIUS_MM) for row in distances]
    grid = sphere_rows(mask, mask, np.diag([3.0, 3, 3, 1]), RADIUS_MM)
    return grid, Patches.of_lists(lists, N_VOXELS), lists


def spoil(patterns, kind, size):
    """Make some values of patterns (n_voxels, n_folds, n_items) so many times as large."""
    for place in PLACES[kind]:
        patterns[place] *= size
    if kind == "a shift of a voxel":
        patterns[VOXEL, -1] += size


def unit(patterns, weights, centered):
    """Patterns (n_items, n_voxels) of unit norm."""
    if centered:
        patterns = patterns - (patterns * weights).sum(1, keepdims=True) / weights.sum()
    return patterns / np.sqrt((patterns * patterns * weights).sum(1, keepdims=True))


def exact(folds, weights, metric):
    """RDM of folds (n_folds, n_items, n_voxels) in long double, and the error of plain sums."""
    n_folds = len(folds)
    i, j = np.triu_indices(folds.shape[1], 1)
    if metric in ("correlation", "cosine"):
        cells = np.zeros(len(i), np.longdouble)
        for fold in range(n_folds):
            own = unit(folds[fold], weights, metric == "correlation")
            others = own
            if n_folds > 1:
                mean = np.delete(folds, fold, axis=0).mean(axis=0)
                others = unit(mean, weights, metric == "correlation")
            distances = 1 - (others * weights) @ own.T
            cells += (distances[i, j] + distances[j, i]) / (2 * n_folds)
        return cells, 1e-14
    differences = folds[:, i] - folds[:, j]
    pairs = [(f, g) for f in range(n_folds) for g in range(f)] if n_folds > 1 else [(0, 0)]
    products = [differences[f] * differences[g] * weights for f, g in pairs]
    cells = np.mean([product.sum(1) for product in products], axis=0)
    rounding = 1e-14 * np.mean([abs(product).sum(1) for product in products], axis=0)
    if metric == "euclidean":
        roots = np.sqrt(abs(cells))
        # near 0, the root of the rounding, which may also count as 0
        near = abs(cells) < 100 * rounding
        rounding = np.where(near, 11 * np.sqrt(rounding), rounding / np.where(near, 1, roots))
        cells = np.sign(cells) * roots
    return cells, rounding


def as_exact_as_plain_sums(patterns, weights, metric, **options):
    """Compare the RDMs of rows of a grid and of lists with long double."""
    grid, patches, lists = neighborhoods()
    params = {} if weights is None else {"w": weights}
    found = [
        rdms_of(patterns, neighborhood, dissimilarity=metric, params=params, **options)[0]
        for neighborhood in (grid, patches)
    ]
    near = N_VOXELS // 2
    for center in (0, 3, near - 2, near - 1, near, near + 1, near + 9, near + 36, N_VOXELS - 1):
        rows = lists[center]
        folds = patterns[rows].transpose(1, 2, 0).astype(np.longdouble)
        own = np.ones(len(rows)) if weights is None else weights[rows]
        expected, rounding = exact(folds, own.astype(np.longdouble), metric)
        whole = (abs(expected) > 1e-300) & (abs(expected) < 1e300)  # a double has all digits
        for rdms in found:
            errors = abs(rdms[center] - expected)[whole]
            assert (errors <= (1e-10 * abs(expected) + rounding)[whole]).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_folds", [1, 2, 6])
@pytest.mark.parametrize(
    "kind",
    ["a value", "a value of the first condition", "values of two folds", "a voxel of a fold",
     "a shift of a voxel", "the first condition", "two conditions", "most conditions",
     "a condition of a fold", "a fold"],
)  # fmt: skip
def test_large_values(kind, n_folds, metric, weighted):
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2, N_VOXELS) if weighted else None
    for size in (1e3, 1e6, 1e12):
        patterns = rng.standard_normal((N_VOXELS, n_folds, N_ITEMS))
        spoil(patterns, kind, size)
        as_exact_as_plain_sums(patterns, weights, metric)


@pytest.mark.parametrize("metric", ("sqeuclidean", "euclidean"))
@pytest.mark.parametrize("n_folds", [1, 2, 6])
def test_families_of_conditions_with_opposite_shifts(n_folds, metric):
    """Exact but for the last digit of the values: distances within a family, and between."""
    for size in (1e3, 1e6):
        rng = np.random.default_rng(6)
        patterns = rng.standard_normal((N_VOXELS, n_folds, N_ITEMS))
        shift = size * rng.standard_normal((N_VOXELS, 1, 1))
        patterns += np.where(np.arange(N_ITEMS) < 4, shift, -shift)
        grid, patches, lists = neighborhoods()
        found = [rdms_of(patterns, one, dissimilarity=metric)[0] for one in (grid, patches)]
        i, j = np.triu_indices(N_ITEMS, 1)
        for center in (0, N_VOXELS // 2, N_VOXELS - 1):
            folds = patterns[lists[center]].transpose(1, 2, 0).astype(np.longdouble)
            expected, rounding = exact(folds, np.ones(len(lists[center])), "sqeuclidean")
            away = abs(folds[:, i] - folds[:, j]).mean(axis=0)
            # half a last digit of twice the shift, of two conditions, in each factor of a product
            rounding = 10 * rounding + 2.0**-50 * (abs(folds).max(axis=(0, 1)) * away).sum(axis=1)
            for rdms in found:
                cells = rdms[center].astype(np.longdouble)
                if metric == "euclidean":
                    cells = np.sign(cells) * cells**2
                assert (abs(cells - expected) <= 1e-12 * abs(expected) + rounding).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("n_folds", [1, 3])
@pytest.mark.parametrize(
    "kind", ["half of each row", "most conditions of half of each row", "two conditions"]
)
def test_patches_far_smaller_or_larger_than_the_rest_of_their_rows(kind, n_folds, metric, weighted):
    rng = np.random.default_rng(2)
    weights = rng.uniform(0.5, 2, N_VOXELS) if weighted else None
    for size in (1e-12, 1e-140, 1e140):
        patterns = rng.standard_normal((N_VOXELS, n_folds, N_ITEMS))
        spoil(patterns, kind, size)
        as_exact_as_plain_sums(patterns, weights, metric)


@pytest.mark.parametrize("metric", ["correlation", "cosine"])
@pytest.mark.parametrize("n_folds", [1, 3])
@pytest.mark.parametrize("size", [1e-160, 1e-175])
def test_correlations_of_values_whose_squares_vanish(size, n_folds, metric):
    patterns = np.random.default_rng(3).standard_normal((N_VOXELS, n_folds, N_ITEMS))
    grid, patches, _ = neighborhoods()
    expected, _ = rdms_of(patterns, grid, dissimilarity=metric)
    spoil(patterns, "half of each row", size)
    alike = [
        ALONG_ROWS[rows].all() or not ALONG_ROWS[rows].any() for rows in neighborhoods()[2]
    ]  # patches of one size
    assert sum(alike) > 20
    for neighborhood in (grid, patches):
        found, _ = rdms_of(patterns, neighborhood, dissimilarity=metric)
        np.testing.assert_allclose(found[alike], expected[alike], rtol=1e-10)


def test_an_outlier_where_folds_lack_voxels():
    """The result is the sum over pairs of folds, scaled up to the voxels seen."""
    rng = np.random.default_rng(4)
    patterns = rng.standard_normal((40, 4, 6))
    patterns[:9, 1], patterns[20:35, 2] = np.nan, np.nan
    patterns[12, 3, 0] = 1e9
    found, _ = rdms_of(patterns, Patches.whole(40), dissimilarity="sqeuclidean", ignore_nan=True)
    folds = patterns.transpose(1, 2, 0).astype(np.longdouble)
    i, j = np.triu_indices(6, 1)
    differences = folds[:, i] - folds[:, j]
    expected, rounding = [], []
    for f in range(4):
        for g in range(f):
            product = differences[f] * differences[g]
            factor = 40 / np.isfinite(product).sum(1)
            expected.append(np.nansum(product, axis=1) * factor)
            rounding.append(np.nansum(abs(product), axis=1) * factor)
    errors = abs(found[0] - np.mean(expected, axis=0))
    assert (errors <= 1e-10 * abs(np.mean(expected, axis=0)) + 1e-14 * np.mean(rounding, 0)).all()


@pytest.mark.parametrize("n_folds", [2, 5])
def test_threads_change_no_byte(n_folds):
    patterns = np.random.default_rng(5).standard_normal((N_VOXELS, n_folds, N_ITEMS))
    spoil(patterns, "a value", 1e6)
    grid, _, _ = neighborhoods()
    one, two = (
        rdms_of(patterns, grid, dissimilarity="sqeuclidean", n_threads=n)[0] for n in (1, 2)
    )
    assert one.tobytes() == two.tobytes()
