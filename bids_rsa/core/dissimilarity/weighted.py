"""Weights of voxels, ``w`` and ``1 / V``: inner products of patterns times the weights' roots."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.careful import CarefulSource
from bids_rsa.core.dissimilarity.codes import EUCLIDEAN, PRODUCTS, SQEUCLIDEAN
from bids_rsa.core.dissimilarity.protocol import RdmSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.limits import MEASURED_CELLS
from bids_rsa.core.neighborhood.protocol import CenterBlock

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]

# a correlation is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
_BLOCK = 1024  # voxels weighted, or looked at, at a time


def weigh(
    known: Dissimilarity, params: Mapping[str, Any], n_folds: int
) -> tuple[Dissimilarity, Floats] | None:
    """Tell which inner products, with which roots of weights, a dissimilarity is a function of.

    Parameters
    ----------
    known : Dissimilarity
    params : mapping
        ``w`` or ``V`` with one entry per voxel.
    n_folds : int

    Returns
    -------
    known : Dissimilarity
        With a ``gram_code``.
    roots : (n_voxels,) float64
        None is returned where there are other parameters, or where it is no such function.
    """
    if set(params) == {"w"} and known.gram_code is not None:
        return known, np.sqrt(np.asarray(params["w"], dtype=np.float64))
    if set(params) == {"V"} and known.estimated == "V":
        code = EUCLIDEAN if n_folds == 1 else SQEUCLIDEAN
        with np.errstate(divide="ignore"):
            roots = 1.0 / np.sqrt(np.asarray(params["V"], dtype=np.float64))
        return replace(known, gram_code=code, signed_root=n_folds == 1), roots
    return None


def weighted_patterns(patterns: Patterns, roots: Floats, known: Dissimilarity) -> Floats:
    """Multiply patterns (n_voxels, n_folds, n_conditions) by the roots of the voxels' weights.

    For distances, the median condition is taken away first: differences don't change by what all
    conditions share, and keep their digits.
    """
    weighted = np.empty(patterns.shape)
    middle = patterns.shape[2] // 2
    for k in range(0, len(patterns), _BLOCK):
        block, out = patterns[k : k + _BLOCK], weighted[k : k + _BLOCK]
        with np.errstate(invalid="ignore", over="ignore"):
            if known.gram_code not in PRODUCTS:
                shared = np.partition(block, middle, axis=2)[:, :, middle, None]
                block = np.subtract(block, shared, out=out, dtype=np.float64)
            np.multiply(block, roots[k : k + _BLOCK, None, None], out=out)
    return weighted


def with_roots(patterns: Patterns, roots: Floats) -> Floats:
    """Weighted patterns (n_voxels, 1, n_conditions + 1), of which the last are the roots.

    A number near each condition's mean is taken away first, so that correlations keep their
    digits.
    """
    n = patterns.shape[2]
    lines = np.empty((len(patterns), 1, n + 1))
    some = patterns[:: max(1, len(patterns) // _BLOCK), 0]
    with np.errstate(invalid="ignore", over="ignore"):
        lines[:, 0, :n] = (patterns[:, 0] - _medians(some)) * roots[:, None]
    lines[:, 0, n] = roots
    return lines


class WeightedCorrelations:
    """Correlation distances with weights, from sums along grid rows.

    With the roots of the weights as one more pattern, they are partial cosines: those of the
    weighted patterns without the part along that pattern, which is their weighted mean.

    Parameters
    ----------
    cosines : RdmSource
        Of the patterns and the roots, as `with_roots` puts them together.
    careful : CarefulSource
        Of patches whose digits are lost.
    n_conditions : int
    """

    def __init__(self, cosines: RdmSource, careful: CarefulSource, n_conditions: int) -> None:
        self._cosines, self._careful = cosines, careful
        self.max_length = cosines.max_length
        self._pairs = np.triu_indices(n_conditions, 1)
        self._of_mean = np.triu_indices(n_conditions + 1, 1)[1] == n_conditions

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        cells = np.empty((len(rdms), len(self._of_mean)))
        sizes = self._cosines.fill(block, cells)
        lost = np.zeros(len(rdms), dtype=np.bool_)
        at_once = max(MEASURED_CELLS // max(rdms.shape[1], 1), 1)
        for k in range(0, len(rdms), at_once):
            part = slice(k, k + at_once)
            lost[part] = self._take_means_out(cells[part], rdms[part])
        if lost.any():
            self._careful.fill_some(block, np.flatnonzero(lost), rdms)
        return sizes

    def _take_means_out(self, cells: Floats, rdms: Floats) -> NDArray[np.bool_]:
        """Write partial cosines of some patches; tell which have lost digits."""
        np.subtract(1.0, cells, out=cells)
        means = cells[:, self._of_mean]
        spreads = 1.0 - means * means
        i, j = self._pairs
        with np.errstate(all="ignore"):
            scales = 1.0 / np.sqrt(spreads)
            products = cells[:, ~self._of_mean] - means[:, i] * means[:, j]
            products *= scales[:, i]
            products *= scales[:, j]
            np.subtract(1.0, products, out=rdms)
        # comparisons with NaN, of undefined patches, are False
        return np.asarray((spreads < _TRUSTED).any(axis=1))


def _medians(values: Patterns) -> Floats:
    """Medians (n_conditions,) of the finite values of some voxels; 0 where there is none."""
    known = np.where(np.isfinite(values), values, np.nan).astype(np.float64)
    known = known[np.isfinite(known).all(axis=1)]
    return np.median(known, axis=0) if len(known) else np.zeros(values.shape[1])
