"""Scores under many permutations of the conditions, summarised in compiled code."""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import summing_kernel

Floats = NDArray[np.float64]


@summing_kernel
def summarize_draws(
    scores: Floats,
    weights: Floats,
    tolerance: float,
    is_relative: bool,
    summary: Floats,
    maxima: Floats,
) -> None:
    """Compare each row's first score with all of them, and find each column's maximum. O(n) a row.

    scores: (n_rows, n_draws), the first is the observed; weights: how often each draw counts;
    tolerance: how much less still reaches the observed, as a share of the largest magnitude where
    is_relative; summary: (n_rows, 3), written: draws that reach it, their mean and standard
    deviation; maxima: (n_draws,), raised. Rows without an observed score are NaN.
    """
    n_draws = scores.shape[1]
    total = 0.0
    for k in range(n_draws):
        total += weights[k]
    for r in range(scores.shape[0]):
        row = scores[r]
        if not math.isfinite(row[0]):
            summary[r, :] = math.nan
            continue
        bound = row[0] - tolerance
        if is_relative:
            largest = 0.0
            for k in range(n_draws):
                if abs(row[k]) > largest:
                    largest = abs(row[k])
            bound = row[0] - tolerance * largest
        below = 0.0
        mean = 0.0
        for k in range(n_draws):
            # a draw without a score counts as one that reaches the observed
            below += weights[k] if row[k] < bound else 0.0
            mean += weights[k] * row[k]
        mean /= total
        squares = 0.0
        for k in range(n_draws):
            off = row[k] - mean
            squares += weights[k] * off * off
        for k in range(n_draws):
            maxima[k] = row[k] if row[k] > maxima[k] else maxima[k]
        summary[r, 0] = total - below
        summary[r, 1] = mean
        summary[r, 2] = math.sqrt(squares / total)
