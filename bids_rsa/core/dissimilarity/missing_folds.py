"""Cross-validated RDMs of patches as lists, for functions of inner products.

Unbiased distances of patches in `fold_squares`; the others are distances between training and test
patterns over the voxels that both have.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import COSINE
from bids_rsa.core.dissimilarity.fold_squares import fill_folds
from bids_rsa.core.dissimilarity.missing import MissingVoxels, PatchItems, prepare_patterns
from bids_rsa.core.dissimilarity.missing_pairs import distance_lacking, one_minus_cosine
from bids_rsa.core.dissimilarity.missing_products import gather_folds, undefine
from bids_rsa.core.dissimilarity.pair_distances import PatchLists
from bids_rsa.core.dissimilarity.ranges import (
    divide_by_power,
    exponent_out_of_range,
    largest_of,
)
from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


class MissingFolds(NamedTuple):
    """One metric ready to fill the cross-validated RDMs of patches whose patterns lack voxels.

    Attributes
    ----------
    code : int
        Which function of inner products.
    least : int
        Correlation and cosine: pairs of patterns with fewer common voxels are undefined.
    signed_root, per_voxel : bool
        See `Dissimilarity`.
    weights : (n_voxels,) float64
        Of products of differences.
    shared : (n_voxels * n_folds,) float64
    uneven : (n_voxels,) uint8
        See `care.find_shared`.
    """

    code: int
    least: int
    signed_root: bool
    per_voxel: bool
    weights: Floats
    shared: Floats
    uneven: NDArray[np.uint8]

    @property
    def kernel(self) -> Callable[..., None]:
        """What fills RDMs of patterns (n_voxels, n_folds, n_items); see `PairDistances.kernel`."""
        return _fill_left_out if self.code <= COSINE else fill_folds


@kernel
def _bring_condition_into_range(items: Floats, i: int) -> None:
    """Divide a condition by a power of two in all folds, so that sums over folds are in range."""
    largest = 0.0
    for f in range(items.shape[0]):
        largest = max(largest, largest_of(items[f, i]))
    for f in range(items.shape[0]):
        divide_by_power(items[f, i], exponent_out_of_range(largest))


@kernel
def _split(items: Floats, test: int, patterns: Floats) -> None:
    """Write the mean over all other folds' finite values, and below the fold's own patterns."""
    n_folds, n_items, n = items.shape
    for i in range(n_items):
        for k in range(n):
            total = 0.0
            count = 0
            for f in range(n_folds):
                if f != test and math.isfinite(items[f, i, k]):
                    total += items[f, i, k]
                    count += 1
            patterns[i, k] = total / count if count else math.nan
            patterns[n_items + i, k] = items[test, i, k]


@summing_kernel
def _dot(left: Floats, right: Floats) -> float:
    """Inner product."""
    total = 0.0
    for k in range(left.size):
        total += left[k] * right[k]
    return total


@kernel
def _fill_left_out(
    metric: MissingFolds, patterns: NDArray[np.floating[Any]], patches: PatchLists, rdms: Floats
) -> None:
    """Fill distances of each fold from the mean of all others. O(folds items^2 voxels) a patch."""
    n_folds, n_items = patterns.shape[1:]
    finite = np.empty((n_folds, n_items), np.bool_)
    complete, whole = np.empty(n_items, np.bool_), np.empty(2 * n_items, np.bool_)
    counts = np.empty(rdms.shape[1])
    means, norms = np.empty(2 * n_items), np.empty(2 * n_items)
    for c in range(rdms.shape[0]):
        rows = patches.members[patches.starts[c] : patches.starts[c + 1]]
        rdm = rdms[c]
        rdm[:] = math.nan
        if rows.size < patches.min_voxels:
            continue
        items = np.empty((n_folds, n_items, rows.size))
        n_seen = gather_folds(patterns, rows, items, finite, complete)
        both, has = np.empty((2 * n_items, rows.size)), np.empty((2 * n_items, rows.size))
        patch = PatchItems(both, has, means, norms, whole, whole)
        for i in range(n_items):
            _bring_condition_into_range(items, i)
        rdm[:] = 0.0
        counts[:] = 0.0
        for test in range(n_folds):
            _split(items, test, both)
            if prepare_patterns(metric.code, patch):
                rdm[:] = math.nan
                break
            _add_fold(MissingVoxels(metric.code, metric.least), patch, n_seen, rdm, counts)
        for cell in range(rdm.size):
            rdm[cell] = rdm[cell] / counts[cell]
        undefine(rdm, complete)


@kernel
def _add_fold(
    metric: MissingVoxels, patch: PatchItems, n_seen: int, rdm: Floats, counts: Floats
) -> None:
    """Add the defined distances between training and test patterns, in both directions."""
    both, whole, norms = patch.items, patch.finite, patch.norms
    n_items = both.shape[0] // 2
    for i in range(2 * n_items):
        whole[i] = patch.has[i].min() > 0.0
    cell = 0
    for i in range(n_items - 1):
        for j in range(i + 1, n_items):
            for a, b in ((i, n_items + j), (j, n_items + i)):
                if whole[a] and whole[b]:
                    value = one_minus_cosine(_dot(both[a], both[b]), norms[a], norms[b])
                else:
                    value = distance_lacking(
                        metric.code, metric.least, both, patch.has, patch.means, (a, b), n_seen
                    )
                if math.isfinite(value):
                    rdm[cell] += value
                    counts[cell] += 1.0
            cell += 1
