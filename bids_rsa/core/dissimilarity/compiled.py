"""Which compiled distances a dissimilarity has; kernels themselves don't depend on the table."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import find_shared
from bids_rsa.core.dissimilarity.missing import MissingVoxels
from bids_rsa.core.dissimilarity.missing_folds import MissingFolds
from bids_rsa.core.dissimilarity.pair_distances import PairDistances
from bids_rsa.core.dissimilarity.table import Dissimilarity

_NOTHING = np.empty(0), np.empty(0, np.uint8)


def compiled_distances(
    known: Dissimilarity, params: Mapping[str, Any], n_voxels: int
) -> PairDistances | MissingVoxels | None:
    """Return compiled distances between pairs of patterns, or None where only scipy has them.

    Parameters
    ----------
    known : Dissimilarity
    params : mapping
        ``w``, ``V`` with one entry per voxel, ``p``.
    n_voxels : int
    """
    if known.gram_code is not None and not params:
        return MissingVoxels(known.gram_code, known.min_voxels)
    return pair_distances(known, params, n_voxels)


def folds_that_lack(
    known: Dissimilarity,
    params: Mapping[str, Any],
    roots: NDArray[np.float64] | None,
    patterns: NDArray[np.floating[Any]],
) -> MissingFolds | None:
    """Return compiled distances across folds whose patterns lack voxels; None: only scipy has them.

    Parameters
    ----------
    known : Dissimilarity
        A function of inner products.
    params : mapping
        ``w``, ``V`` with one entry per voxel.
    roots : (n_voxels,) float64 or None
        Roots of the weights that ``params`` mean.
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
    """
    if roots is not None and not known.is_unbiased(params):
        return None
    assert known.gram_code is not None
    weights = np.ones(len(patterns)) if roots is None else roots * roots
    shared, uneven = find_shared(patterns) if known.is_unbiased(params) else _NOTHING
    return MissingFolds(
        known.gram_code, known.min_voxels, known.signed_root, known.per_voxel, weights, shared,
        uneven,
    )  # fmt: skip


def pair_distances(
    known: Dissimilarity, params: Mapping[str, Any], n_voxels: int
) -> PairDistances | None:
    """Return the metric made ready, or None where only scipy has it.

    Parameters
    ----------
    known : Dissimilarity
    params : mapping
        ``w``, ``V`` with one entry per voxel, ``p``.
    n_voxels : int
    """
    power = float(params.get("p", 2.0))
    code = known.pair_code
    if code is None or not 0.0 < power < math.inf:
        return None
    weights = np.ones(n_voxels)
    if params.get("w") is not None:
        weights = np.ascontiguousarray(params["w"], dtype=np.float64)
        code = code if known.weighted_pair_code is None else known.weighted_pair_code
        if (weights < 0).any():
            return None
    if params.get("V") is not None:
        with np.errstate(divide="ignore"):
            weights = 1.0 / np.asarray(params["V"], dtype=np.float64)
    estimate = known.estimates("V", params)
    return PairDistances(code, weights, power, estimate, known.upscale(params))
