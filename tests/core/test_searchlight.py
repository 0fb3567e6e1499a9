"""The searchlight against brute force: scipy's pdist on every patch, found by measuring in mm."""

import numpy as np
import pytest
from plain_comparison import is_constant, near_tie_ranks
from scipy import stats
from scipy.spatial.distance import pdist

from bids_rsa.core.searchlight import searchlight_rsa

OBLIQUE = np.array([[3, 0.4, 0, -10], [0, 2.5, 0.3, 5], [0.2, 0, 2, 7], [0, 0, 0, 1.0]])


def patches_by_mm(patch_mask, center_mask, affine, radius_mm):
    voxels = np.argwhere(patch_mask)
    for center in np.argwhere(center_mask):
        mm = np.linalg.norm((voxels - center) @ affine[:3, :3].T, axis=1)
        yield np.flatnonzero(mm <= radius_mm * (1 + 1e-6))


def plain_scores(patterns, patches, models, metric, min_voxels=3, **params):
    """Spearman and Pearson by scipy, NaN where undefined."""
    spearman, pearson = [], []
    for rows in patches:
        cells = np.full(models.shape[1], np.nan)
        if len(rows) >= min_voxels:
            cells = pdist(patterns[rows, 0].T.astype(float), metric, **params)
        if not np.isfinite(cells).all() or is_constant(cells):
            spearman.append([np.nan] * len(models))
            pearson.append([np.nan] * len(models))
            continue
        ranks = near_tie_ranks(cells)
        spearman.append([stats.pearsonr(ranks, stats.rankdata(m)).statistic for m in models])
        pearson.append([stats.pearsonr(cells, m).statistic for m in models])
    return np.array(spearman).T, np.array(pearson).T


@pytest.mark.parametrize("metric", ["correlation", "cosine", "euclidean", "sqeuclidean"])
def test_scores_equal_scipy_on_every_patch(metric):
    rng = np.random.default_rng(0)
    patch_mask = rng.random((7, 8, 6)) < 0.7
    center_mask = rng.random((7, 8, 6)) < 0.5
    patterns = rng.standard_normal((patch_mask.sum(), 1, 6))
    models = rng.random((2, 15))
    result = searchlight_rsa(
        patterns, patch_mask, center_mask, OBLIQUE, 5.5, models,
        dissimilarity=metric, comparisons=("spearman", "pearson"), min_voxels=3,
    )  # fmt: skip
    patches = list(patches_by_mm(patch_mask, center_mask, OBLIQUE, 5.5))
    spearman, pearson = plain_scores(patterns, patches, models, metric)
    assert np.isfinite(spearman).mean() > 0.9
    np.testing.assert_array_equal(result.n_voxels, [len(rows) for rows in patches])
    np.testing.assert_allclose(result.scores["spearman"], spearman, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.scores["pearson"], pearson, rtol=0, atol=1e-10)
