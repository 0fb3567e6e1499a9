import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bids_rsa.core.folds import FoldMeans, cell_counts, consecutive_groups


@given(n_folds=st.integers(2, 12), more=st.integers(0, 30))
def test_consecutive_groups_are_even(n_folds, more):
    groups = consecutive_groups(n_folds + more, n_folds)
    sizes = np.bincount(groups)
    assert (np.diff(groups) >= 0).all()
    assert len(sizes) == n_folds
    assert sizes.max() - sizes.min() <= 1


def test_too_few_runs_for_the_folds():
    with pytest.raises(ValueError, match="2 runs cannot make 3 folds"):
        consecutive_groups(2, 3)


@pytest.mark.parametrize("ignore_nan", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_are_those_of_numpy(dtype, ignore_nan):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(14, 50)).astype(dtype)
    images[rng.random(images.shape) < 0.2] = np.nan
    images[:, 0] = np.nan
    folds, conditions = rng.permutation(np.arange(14) % 2), np.repeat([0, 1], 7)
    folds[3] = -1
    counts = cell_counts(folds, conditions, 2, 2)
    means = FoldMeans(50, counts, ignore_nan)
    for image, fold, condition in zip(images, folds, conditions, strict=True):
        if fold >= 0:
            means.add(image, fold, condition)
    keep = rng.random(50) > 0.3
    keep[0] = True
    found = means.means(keep)
    assert found.dtype == np.float64
    for fold in range(2):
        for condition in range(2):
            chosen = images[(folds == fold) & (conditions == condition)][:, keep].astype(float)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = (np.nanmean if ignore_nan else np.mean)(
                    np.ma.masked_invalid(chosen).filled(np.nan), axis=0
                )
            np.testing.assert_allclose(found[:, fold, condition], expected, rtol=1e-14)
