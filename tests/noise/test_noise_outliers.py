"""Large values cost no digits: distances through a noise covariance equal extended precision."""

import numpy as np
import pytest
from noise.noise_data import NoiseData, simulated
from noise.test_noise_searchlight import SMALL, all_rdms, model_of, near

from bids_rsa.core.noise import sources
from bids_rsa.core.noise.definition import crossnobis, mahalanobis
from bids_rsa.core.noise.grams import ImageGrams
from bids_rsa.core.noise.held_out_grams import HeldOutGrams
from bids_rsa.core.noise.tiles import TileSource

N_FOLDS = 4
FAMILY = np.array([0, 0, 1, 1, 1])  # of each condition
EXTENDED = np.longdouble


def spoiled(kind, size):
    """Images of which some are changed by so much."""
    data = simulated(**SMALL)
    images, voxel = data.images.copy(), data.images.shape[1] // 2
    run, condition = data.run_of == 1, data.condition_of == 2
    pattern = size * np.random.default_rng(1).normal(size=images.shape[1])
    sign = np.where(FAMILY[data.condition_of] == 0, 1.0, -1.0)
    if kind == "value":
        images[run & condition, voxel] *= size
    elif kind == "voxel of a fold":
        images[run, voxel] *= size
    elif kind == "image":
        images[run & condition] *= size
    elif kind == "fold":
        images[run] *= size
    elif kind == "shift of a voxel in a fold":
        images[run, voxel] += size
    elif kind == "shift of a voxel":
        images[:, voxel] += size
    elif kind == "pattern of a condition":
        images[condition] += pattern
    elif kind == "opposite patterns of two families":
        images += sign[:, None] * pattern
    elif kind == "opposite values of two families":
        images[:, voxel] += sign * size
    return NoiseData(**(vars(data) | {"images": images}))


KINDS = [
    "value", "voxel of a fold", "image", "fold", "shift of a voxel in a fold", "shift of a voxel",
    "pattern of a condition", "opposite patterns of two families",
    "opposite values of two families",
]  # fmt: skip


def covariance(samples, dof, method):
    """The estimators as their papers write them, in extended precision."""
    n, n_voxels = samples.shape
    others = ~np.eye(n_voxels, dtype=bool)
    if method == "shrinkage":
        full = samples.T @ samples / dof
        units = samples / np.sqrt(np.diag(full))
        means, squares = units.T @ units / (n - 1), (units**2).T @ units**2 / (n - 1)
        variance = n / dof**2 * (squares - means**2)[others].sum()
        amount = min(max(variance / (means[others] ** 2).sum(), EXTENDED(0)), EXTENDED(1))
        return np.where(others, (1 - amount) * full, full)
    full, squares = samples.T @ samples / n, (samples**2).T @ samples**2 / n
    target = np.trace(full) / n_voxels * np.eye(n_voxels)
    amount = min((squares - full**2).sum() / n / ((full - target) ** 2).sum(), EXTENDED(1))
    return (amount * target + (1 - amount) * full) * (n / dof)


def decorrelated(matrix, rows):
    """Rows times the inverse Cholesky factor."""
    factor, found = matrix.copy(), rows.T.copy()
    for k in range(len(factor)):
        factor[k, k] = np.sqrt(factor[k, k])
        factor[k + 1 :, k] /= factor[k, k]
        factor[k + 1 :, k + 1 :] -= np.outer(factor[k + 1 :, k], factor[k + 1 :, k])
        found[k] /= factor[k, k]
        found[k + 1 :] -= np.outer(factor[k + 1 :, k], found[k])
    return found.T


def exact(data, voxels, method, held_out):
    """Crossnobis RDM, and the rounding of input values and of plain sums."""
    images = data.images[:, voxels].astype(EXTENDED)
    runs, names = np.unique(data.run_of), data.condition_of
    folds = np.array([images[data.run_of == r][np.argsort(names[data.run_of == r])] for r in runs])
    i, j = np.triu_indices(folds.shape[1], 1)
    cells, rounding = np.zeros(len(i), EXTENDED), np.zeros(len(i), EXTENDED)
    for number, run in enumerate(runs):
        kept = data.run_of != run if held_out else np.ones(len(names), bool)
        means = np.array([images[kept & (names == k)].mean(axis=0) for k in names[kept]])
        rows = images[kept] - means
        matrix = covariance(rows, EXTENDED(len(rows) - folds.shape[1]), method)
        others, own = np.delete(folds, number, axis=0).mean(axis=0), folds[number]
        a = decorrelated(matrix, others[i] - others[j])
        b = decorrelated(matrix, own[i] - own[j])
        cells += (a * b).sum(axis=1) / (len(runs) * len(voxels))
        sizes = [decorrelated(matrix, np.abs(fold)) for fold in (others, own)]
        largest = [np.maximum(*(np.abs(size)[k] for k in (i, j))) for size in sizes]
        # the last digits of values are lost, and 1e-12 of the products
        digits = 2.0**-48 * (largest[0] * abs(b) + largest[1] * abs(a)).sum(axis=1)
        # so do the deviations that noise is estimated from
        lost = 2.0**-48 * (np.abs(images[kept]).max(axis=0) / rows.std(axis=0)).max()
        sizes = abs(a * b).sum(axis=1)
        rounding += (digits + (1e-12 + lost) * sizes) / (len(runs) * len(voxels))
    return cells, rounding


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["shrinkage", "shrinkage-identity"])
@pytest.mark.parametrize("source", ["held out", "images"])
@pytest.mark.parametrize("way", ["products", "tiles"])
def test_large_values_of_images(way, source, method, kind, monkeypatch):
    if way == "tiles":
        monkeypatch.setattr(sources, "_by_products", lambda *_: False)
    for size in (1e3, 1e6):
        data = spoiled(kind, size)
        noise = model_of(data, source, method, N_FOLDS)
        rdms, _, _, found = all_rdms(data, noise, "crossnobis", N_FOLDS)
        used = {type(one) for one in getattr(found, "_sources", [found])}
        products = HeldOutGrams if source == "held out" else ImageGrams
        assert used == {products if way == "products" else TileSource}
        middle = data.images.shape[1] // 2
        reached = [c for c in range(len(rdms)) if middle in near(data, c)]
        for center in reached[::9]:
            expected, rounding = exact(data, near(data, center), method, source == "held out")
            errors = np.abs(rdms[center] - expected)
            assert (errors <= 1e-11 * np.abs(expected) + 5 * rounding).all()


@pytest.mark.parametrize("size", [1e2, 1e5])
def test_families_of_conditions_far_from_each_other(size):
    """The library's definitions, for which patterns are the input."""
    rng = np.random.default_rng(2)
    n_voxels, family = 20, np.repeat([1.0, -1.0, 0.0], 3)
    folds = rng.normal(size=(3, 9, n_voxels)) + size * family[:, None] * rng.normal(size=n_voxels)
    root = rng.normal(size=(n_voxels, n_voxels))
    matrix = root @ root.T / n_voxels + 0.5 * np.eye(n_voxels)
    extended = folds.astype(EXTENDED)
    i, j = np.triu_indices(9, 1)
    differences = np.array(
        [decorrelated(matrix.astype(EXTENDED), fold[i] - fold[j]) for fold in extended]
    )
    products = [differences[f] * differences[g] for f in range(3) for g in range(f)]
    expected = np.mean([product.sum(axis=1) for product in products], axis=0) / n_voxels
    sizes = np.mean([np.abs(product).sum(axis=1) for product in products], axis=0) / n_voxels
    assert (np.abs(crossnobis(folds, matrix) - expected) < 1e-12 * sizes).all()
    squares = (differences[0] ** 2).sum(axis=1) / n_voxels
    np.testing.assert_allclose(
        mahalanobis(folds[0], matrix), squares.astype(float), rtol=1e-12, atol=0
    )


def test_ordinary_images_take_the_fast_way(monkeypatch):
    def refuse(*_):
        raise AssertionError("not by the definition")

    monkeypatch.setattr(ImageGrams, "_define", refuse)
    monkeypatch.setattr(TileSource, "_whiten", refuse)
    data = simulated(**SMALL)
    shared = NoiseData(**(vars(data) | {"images": data.images + 1e4}))
    for given in (data, shared):
        for source in ("held out", "images", "residuals"):
            for method in ("shrinkage", "shrinkage-identity"):
                noise = model_of(given, source, method, N_FOLDS)
                assert np.isfinite(all_rdms(given, noise, "crossnobis", N_FOLDS)[0]).all()
