"""Patches of the nearest voxels on a grid: equal to brute force, with ties and holes."""

import numpy as np
import pytest

from bids_rsa.core.measures import ModelScores
from bids_rsa.core.neighborhood.nearest import nearest_voxels
from bids_rsa.core.searchlight import searchlight

SHAPE = (9, 8, 7)
OBLIQUE = np.array([[2.1, -0.4, 0.1, 5.0], [0.5, 1.9, -0.3, -3.0], [0.0, 0.3, 3.2, 2.0],
                    [0, 0, 0, 1.0]])  # fmt: skip


def brute(patch_mask, center, affine, radius_mm, n_voxels):
    """Sort all voxels of the mask by distance and index."""
    voxels = np.argwhere(patch_mask)
    distance = np.linalg.norm((voxels - center) @ affine[:3, :3].T, axis=1)
    order = sorted(range(len(voxels)), key=lambda row: (round(distance[row], 6), row))
    return sorted(row for row in order[:n_voxels] if distance[row] <= radius_mm * (1 + 1e-6))


@pytest.mark.parametrize("affine", [np.diag([2.0, 2.0, 2.0, 1.0]), OBLIQUE])
@pytest.mark.parametrize("n_voxels", [1, 7, 20, 10_000])
def test_patches_are_those_of_brute_force(affine, n_voxels):
    rng = np.random.default_rng(n_voxels)
    patch_mask, center_mask = rng.random(SHAPE) < 0.7, rng.random(SHAPE) < 0.3
    found = nearest_voxels(patch_mask, center_mask, affine, 5.5, n_voxels, n_threads=2)
    assert found.n_locations == patch_mask.sum()
    patches = np.split(found.rows, found.starts[1:-1])
    assert len(patches) == center_mask.sum()
    for center, patch in zip(np.argwhere(center_mask), patches, strict=True):
        assert patch.tolist() == brute(patch_mask, center, affine, 5.5, n_voxels)


def test_a_hole_is_made_up_for_by_farther_voxels():
    patch_mask = np.ones(SHAPE, bool)
    center_mask = np.zeros(SHAPE, bool)
    center_mask[4, 4, 3] = True
    patch_mask[4, 4, 3:5] = False
    found = nearest_voxels(patch_mask, center_mask, np.eye(4), 10.0, 20)
    assert np.diff(found.starts) == [20]


@pytest.mark.parametrize("ignore_nan", [False, True])
def test_scores_are_those_of_each_patch_alone(ignore_nan):
    """Missing values within a patch are treated as in any other patch."""
    rng = np.random.default_rng(3)
    mask = rng.random(SHAPE) < 0.8
    patterns = rng.standard_normal((mask.sum(), 1, 6))
    if ignore_nan:
        patterns[rng.random(patterns.shape) < 0.05] = np.nan
    model = rng.random(15)
    patches = nearest_voxels(mask, mask, OBLIQUE, 9.0, 25)
    measure = ModelScores(model[None], ("pearson",))
    options = {"dissimilarity": "euclidean", "ignore_nan": ignore_nan}
    searchlight(patterns, patches, [measure], **options)
    scores = measure.scores["pearson"][0]
    for k, rows in enumerate(np.split(patches.rows, patches.starts[1:-1])):
        folds = patterns[rows, 0].T
        pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
        squares = np.array([(folds[i] - folds[j]) ** 2 for i, j in pairs])
        there = np.isfinite(squares)
        # a sum over the voxels that there are stands for all of them
        sums = np.nansum(squares, axis=1) * len(rows) / there.sum(axis=1)
        expected = np.corrcoef(np.sqrt(sums), model)[0, 1]
        assert scores[k] == pytest.approx(expected, abs=1e-9)


def test_numbers_of_voxels_below_one_are_refused():
    mask = np.ones(SHAPE, bool)
    with pytest.raises(ValueError, match="at least 1 voxel"):
        nearest_voxels(mask, mask, np.eye(4), 3.0, 0)
