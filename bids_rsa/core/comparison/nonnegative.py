"""Least squares with weights >= 0, by the active sets of Lawson and Hanson (1974, chapter 23).

The data stand in an orthonormal basis of the models, which are few; a set of models is a number
whose bits say which of them belong to it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.kernels import dot
from bids_rsa.core.engine.jit import kernel

_SMALLEST_GAIN = 1e-13  # of a model's correlation with what is left, below this: rounding

Floats = NDArray[np.float64]


@kernel
def _first_at_zero(weights: Floats, wanted: Floats, passive: int) -> tuple[int, float]:
    """Find the weight that reaches 0 first on the way to the wanted ones, and how far that is."""
    first, step = -1, 1.0
    for m in range(weights.size):
        if (passive >> m) & 1 and wanted[m] <= 0.0:
            share = weights[m] / (weights[m] - wanted[m]) if weights[m] > 0.0 else 0.0
            if first < 0 or share < step:
                first, step = m, share
    return first, step


@kernel
def _most_promising(
    target: Floats, factor: Floats, weights: Floats, passive: int, rest: Floats
) -> int:
    """Find the model outside the set that reduces what is left most; -1: none does. O(n^2)."""
    n = weights.size
    size = 0.0
    for k in range(n):
        rest[k] = target[k] - dot(factor[k], weights)
        size += target[k] * target[k]
    best, chosen = _SMALLEST_GAIN * math.sqrt(size), -1
    for m in range(n):
        if not (passive >> m) & 1:
            gain = 0.0
            for k in range(n):
                gain += factor[k, m] * rest[k]
            if gain > best:
                best, chosen = gain, m
    return chosen


@kernel
def _least_squares(target: Floats, solver: Floats, passive: int, wanted: Floats) -> None:
    """Weights of the models in a set, whatever their sign; 0 for the others. O(n^2)."""
    for m in range(wanted.size):
        wanted[m] = dot(solver[m], target) if (passive >> m) & 1 else 0.0


@kernel
def _nonnegative(
    target: Floats, factor: Floats, solvers: Floats, weights: Floats, wanted: Floats, rest: Floats
) -> None:
    """Write the weights >= 0 that leave least of the target.

    factor: (n_models, n_models), unit models in the basis; solvers: (2^n_models, n_models,
    n_models), the pseudo-inverse of each set of models.
    """
    weights[:] = 0.0
    passive = 0
    # ends after a few turns; rounding must not make it go round in circles
    for _ in range(4 * weights.size + 4):
        chosen = _most_promising(target, factor, weights, passive, rest)
        if chosen < 0:
            return
        passive |= 1 << chosen
        while passive:
            _least_squares(target, solvers[passive], passive, wanted)
            first, step = _first_at_zero(weights, wanted, passive)
            for m in range(weights.size):
                if (passive >> m) & 1:
                    weights[m] += step * (wanted[m] - weights[m])
            if first < 0:
                break
            weights[first] = 0.0
            passive &= ~(1 << first)


@kernel
def regress_nonnegative(
    rows: Floats,
    squares: Floats,
    divisors: Floats,
    basis: Floats,
    factor: Floats,
    solvers: Floats,
    scores: Floats,
) -> None:
    """Weights >= 0 of centred rows; see `_nonnegative`. O(n) a row and model."""
    n = factor.shape[0]
    target, wanted, rest = np.empty(n), np.empty(n), np.empty(n)
    weights = np.empty(n)
    for r in range(rows.shape[0]):
        if not squares[r] > 0.0:
            scores[r] = math.nan
            continue
        for k in range(n):
            target[k] = dot(rows[r], basis[k])
        _nonnegative(target, factor, solvers, weights, wanted, rest)
        for m in range(n):
            scores[r, m] = weights[m] / divisors[r]
