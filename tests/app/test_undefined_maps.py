"""A map without a single defined score is an error, also beside maps that have some."""

import numpy as np
import pytest

from bids_rsa.core.scores import Scores
from bids_rsa.errors import ContentError
from bids_rsa.outputs.maps import evaluated_centers
from bids_rsa.settings import RsaSettings

N_VOXELS = np.array([5, 20, 30], np.int32)  # the first patch is smaller than --min-voxels


def centers(*rows):
    scores = Scores({"spearman": np.array(rows)}, N_VOXELS)
    return evaluated_centers(scores, RsaSettings(), "sub-01", ["good", "bad"][: len(rows)])


def test_some_undefined_centres_are_no_error():
    assert centers([0.1, np.nan, 0.2], [0.1, 0.3, np.nan]).tolist() == [False, True, True]


def test_a_map_of_undefined_scores_is_named():
    with pytest.raises(ContentError, match=r"sub-01: the spearman score of bad is undefined .* 2 "):
        centers([0.1, 0.3, 0.2], [0.1, np.nan, np.nan])
