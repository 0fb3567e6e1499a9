"""Searchlights of metrics without a Gram matrix, or with missing voxels, patch by patch."""

import warnings

import numpy as np
import pytest
from plain_searchlight import patches_by_mm

from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.searchlight import searchlight_rsa

AFFINE = np.array([[2.0, 0.3, 0, 5], [-0.3, 2.5, 0.2, 1], [0, 0.1, 3.0, 2], [0, 0, 0, 1]])


def grid(n_items, seed=0):
    rng = np.random.default_rng(seed)
    patch_mask = rng.random((7, 6, 5)) < 0.8
    center_mask = rng.random(patch_mask.shape) < 0.5
    patterns = rng.normal(size=(int(patch_mask.sum()), 1, n_items)) + 1
    return patch_mask, center_mask, patterns, rng.random((2, n_items * (n_items - 1) // 2))


@pytest.mark.parametrize(
    ("metric", "params", "lacking"),
    [
        ("cityblock", {}, 0.0),
        ("minkowski", {"p": 3}, 0.1),
        ("braycurtis", {"w": True}, 0.0),
        ("seuclidean", {"V": True}, 0.0),
        ("seuclidean", {}, 0.1),
        ("euclidean", {"w": True}, 0.1),
        ("correlation", {}, 0.1),
        ("euclidean", {}, 0.1),
        ("correlation", {}, 0.0),
    ],
)
def test_equals_the_definition_patch_by_patch(metric, params, lacking):
    patch_mask, center_mask, patterns, models = grid(5)
    rng = np.random.default_rng(1)
    patterns[rng.random(patterns.shape) < lacking] = np.nan
    params = {k: rng.random(len(patterns)) + 0.1 if v is True else v for k, v in params.items()}
    found = {
        n: searchlight_rsa(
            patterns, patch_mask, center_mask, AFFINE, 6.0, models, dissimilarity=metric,
            params=params, ignore_nan=True, n_threads=n,
        )
        for n in (1, 2)
    }  # fmt: skip
    assert found[1].scores["spearman"].tobytes() == found[2].scores["spearman"].tobytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k, rows in enumerate(patches_by_mm(patch_mask, center_mask, AFFINE, 6.0)):
            folds = np.ascontiguousarray(patterns[rows].transpose(1, 2, 0))
            rdm = patch_rdm(folds, metric, True, select_voxels(params, rows))
            expected = compare(rdm, models, "spearman")
            np.testing.assert_allclose(found[1].scores["spearman"][:, k], expected, atol=1e-10)
            assert found[1].n_voxels[k] == len(rows)
