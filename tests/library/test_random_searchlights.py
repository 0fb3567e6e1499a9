"""Searchlights of random shapes, affines, masks, metrics and data against plain scipy."""

import warnings

import numpy as np
import pytest
from reference import plain_searchlight
from volumes import reoriented, volume

from bids_rsa import rsa_nifti
from bids_rsa.core.comparison.table import COMPARISONS

METRICS = ("correlation", "cosine", "euclidean", "sqeuclidean", "cityblock", "chebyshev",
           "canberra", "braycurtis", "seuclidean", "minkowski")  # fmt: skip
CODES = ("RAS", "LPI", "SRA", "PSL", "AIR", "ILP")
KINDS = ("noise", "offset", "ties", "constant", "tiny")


def random_affine(rng):
    """Voxels of 1.5 to 4 mm, turned in space, axes in any order and direction."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(rng.uniform(1.5, 4, 3))
    affine[:3, 3] = rng.uniform(-50, 50, 3)
    return affine


def random_data(rng, shape, n_folds, n_items, kind, metric):
    """Noise, with an offset, of few values (ties), with constant stretches, or at a tiny scale."""
    data = rng.normal(size=(n_folds, n_items, *shape))
    if kind == "offset":
        # 1 - cosine is 1e-8 at 1e4, and scipy's own rounding 1e-8 of that: no reference
        return data + (10 if metric == "cosine" else 1e4)
    if kind == "ties":
        return np.round(data)
    if kind == "constant":
        data[:, rng.integers(n_items), : shape[0] // 2] = 3.0
    return data * 1e-9 if kind == "tiny" else data


@pytest.mark.parametrize("seed", range(50))
def test_random_searchlights(seed):
    rng = np.random.default_rng(seed)
    shape = tuple(int(rng.integers(low, 8)) for low in (1, 2, 2))
    n_items, n_folds = int(rng.integers(3, 10)), int(rng.choice([1, 1, 2, 3]))
    metric, comparison, kind = (str(rng.choice(of)) for of in (METRICS, [*COMPARISONS], KINDS))
    ignore_nan, n_jobs = bool(rng.integers(2)), int(rng.integers(1, 3))
    affine, radius_mm = random_affine(rng), rng.uniform(2, 12)
    data = random_data(rng, shape, n_folds, n_items, kind, metric)
    if ignore_nan:
        data[rng.random(data.shape) < 0.05] = np.nan
    brain, roi = rng.random(shape) > 0.2, rng.random(shape) > 0.4
    brain.flat[0] = roi.flat[0] = True  # never empty
    models = rng.integers(0, 5, size=(2, n_items * (n_items - 1) // 2)).astype(float)
    models[:, :2] = [0, 1]  # never constant
    wanted = plain_searchlight(
        data, brain, brain & roi, affine, radius_mm, models, metric, (comparison,), ignore_nan
    )[comparison]

    def run():
        return rsa_nifti(
            volume(np.moveaxis(data.reshape(-1, *shape), 0, -1), affine),
            list(models), radius_mm / 1000, metric, {}, comparison,
            ignore_nan, np.tile(np.arange(n_items), n_folds), n_folds,
            reoriented(volume(roi.astype("u1"), affine), str(rng.choice(CODES))),
            volume(brain.astype("u1"), affine), n_jobs,
        )  # fmt: skip

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # models may be dependent by chance
        if np.isnan(wanted).all():
            with pytest.raises(ValueError, match="undefined at every one"):
                run()
            return
        found = np.array([one.get_fdata()[brain & roi] for one in run()])
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    scale = np.nanmax(np.abs(wanted)) if comparison == "regression" else 1.0
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10 * max(scale, 1.0))
