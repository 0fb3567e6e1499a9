"""Unbiased distances of patches that lack voxels, pair of conditions by pair of conditions.

The products of two folds' differences use the voxels that both patterns have in both folds.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.ranges import (
    LEAST,
    MOST,
    exponent_of_difference,
    exponent_out_of_range,
    largest_of,
    scaled_difference,
)
from bids_rsa.core.engine.jit import kernel, summing_kernel

if TYPE_CHECKING:
    from bids_rsa.core.dissimilarity.missing_folds import MissingFolds

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


@kernel
def gather_folds(
    patterns: NDArray[np.floating[Any]], rows: Rows, items: Floats, finite: Flags, complete: Flags
) -> int:
    """Copy some voxels' patterns (n_folds, n_conditions, n_voxels); return how many are seen.

    finite: patterns (n_folds, n_conditions) that have every voxel; complete: conditions that have
    every voxel seen. O(voxels).
    """
    n_folds, n_items, n = items.shape
    finite[:] = True
    complete[:] = True
    n_seen = 0
    for k in range(n):
        seen = False
        for f in range(n_folds):
            for i in range(n_items):
                items[f, i, k] = patterns[rows[k], f, i]
                there = math.isfinite(items[f, i, k])
                finite[f, i] = finite[f, i] and there
                seen = seen or there
        n_seen += seen
        if seen:
            for f in range(n_folds):
                for i in range(n_items):
                    complete[i] = complete[i] and math.isfinite(items[f, i, k])
    return n_seen


@kernel
def undefine(rdm: Floats, complete: Flags) -> None:
    """Set cells that are not finite to NaN; all, if a pair of conditions lacked nothing there."""
    cell = 0
    for i in range(complete.size - 1):
        for j in range(i + 1, complete.size):
            if not math.isfinite(rdm[cell]):
                rdm[cell] = math.nan
                if complete[i] and complete[j]:
                    rdm[:] = math.nan
                    return
            cell += 1


@kernel
def _differences(
    items: Floats, i: int, j: int, whole: Flags, differences: Floats, has: Floats
) -> None:
    """Differences (n_folds, n_voxels), 0 where one is missing, and where none is.

    ``has`` is not written for folds that lack nothing.
    """
    for f in range(items.shape[0]):
        for k in range(items.shape[2]):
            differences[f, k] = items[f, i, k] - items[f, j, k]
        if not whole[f]:
            for k in range(items.shape[2]):
                there = abs(differences[f, k]) < math.inf
                differences[f, k] = differences[f, k] if there else 0.0
                has[f, k] = 1.0 if there else 0.0


@kernel
def _scale_differences(items: Floats, i: int, j: int, differences: Floats) -> int:
    """Write differences that are not 0 anew, over a power of two that is returned."""
    exponent = -2000
    for f in range(items.shape[0]):
        for k in range(items.shape[2]):
            if differences[f, k] != 0.0:
                exponent = max(exponent, exponent_of_difference(items[f, i, k], items[f, j, k]))
    for f in range(items.shape[0]):
        for k in range(items.shape[2]):
            if differences[f, k] != 0.0:
                differences[f, k] = scaled_difference(items[f, i, k], items[f, j, k], exponent)
    return exponent


@summing_kernel
def _product(left: Floats, right: Floats, w: Floats) -> float:
    """Weighted inner product."""
    total = 0.0
    for k in range(left.size):
        total += w[k] * left[k] * right[k]
    return total


@summing_kernel
def _whole_products(differences: Floats, whole: Flags, w: Floats, total: Floats) -> float:
    """Sum the products of different folds' differences that lack nothing, and these themselves."""
    total[:] = 0.0
    products = 0.0
    for f in range(differences.shape[0]):
        if whole[f]:
            for k in range(differences.shape[1]):
                products += w[k] * differences[f, k] * total[k]
                total[k] += differences[f, k]
    return products


@kernel
def _mean_product(
    differences: Floats, has: Floats, whole: Flags, w: Floats, n_seen: int, total: Floats
) -> float:
    """Mean product of two folds' differences, scaled up to the voxels seen; NaN without one.

    A fold that lacks voxels has the same ones in common with all folds that lack none.
    """
    n_folds, n = differences.shape
    n_whole = int(whole.sum())
    products = _whole_products(differences, whole, w, total) * (n_seen / n)
    n_pairs = n_whole * (n_whole - 1) // 2
    for f in range(n_folds):
        count = 0.0 if whole[f] else has[f].sum()
        if count > 0.0:
            products += _product(differences[f], total, w) * (n_seen / count)
            n_pairs += n_whole
            for g in range(f + 1, n_folds):
                count = 0.0 if whole[g] else _product(has[f], has[g], has[f])
                if count > 0.0:
                    products += _product(differences[f], differences[g], w) * (n_seen / count)
                    n_pairs += 1
    return products / n_pairs if n_pairs else math.nan


@kernel
def fill_by_pairs(
    metric: "MissingFolds", patterns: NDArray[np.floating[Any]], rows: Rows, rdm: Floats
) -> None:
    """Fill the unbiased distances of a patch. O(folds items^2 voxels)."""
    n_folds, n_items = patterns.shape[1:]
    finite = np.empty((n_folds, n_items), np.bool_)
    complete, whole = np.empty(n_items, np.bool_), np.empty(n_folds, np.bool_)
    items = np.empty((n_folds, n_items, rows.size))
    differences = np.empty((n_folds, rows.size))
    has = np.empty((n_folds, rows.size))
    total = np.empty(rows.size)
    n_seen = gather_folds(patterns, rows, items, finite, complete)
    w = metric.weights[rows]
    extreme = exponent_out_of_range(largest_of(items.reshape(items.size))) != 0
    cell = 0
    for i in range(n_items - 1):
        for j in range(i + 1, n_items):
            for f in range(n_folds):
                whole[f] = finite[f, i] and finite[f, j]
            _differences(items, i, j, whole, differences, has)
            exponent = _scale_differences(items, i, j, differences) if extreme else 0
            value = _mean_product(differences, has, whole, w, n_seen, total)
            if not extreme and not LEAST < abs(value) < MOST:
                exponent = _scale_differences(items, i, j, differences)
                value = _mean_product(differences, has, whole, w, n_seen, total)
            value = value / max(n_seen, 1) if metric.per_voxel else value
            if metric.signed_root:
                value = math.copysign(math.sqrt(abs(value)), value)
            rdm[cell] = math.ldexp(value, exponent * (1 if metric.signed_root else 2))
            cell += 1
    undefine(rdm, complete)
