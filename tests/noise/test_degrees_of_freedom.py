"""Degrees of freedom of noise from images of conditions in runs."""

import numpy as np
import pytest

from bids_rsa.core.noise.samples import rank_of


@pytest.mark.parametrize("seed", range(20))
def test_the_rank_of_means_of_conditions_and_runs_is_that_of_their_design(seed):
    rng = np.random.default_rng(seed)
    n_images = rng.integers(2, 30)
    conditions, runs = (rng.integers(0, rng.integers(1, 8), n_images) for _ in range(2))
    design = [labels[:, None] == np.unique(labels) for labels in (conditions, runs)]
    assert rank_of(conditions, None) == np.linalg.matrix_rank(design[0] * 1.0)
    assert rank_of(conditions, runs) == np.linalg.matrix_rank(np.hstack(design) * 1.0)
