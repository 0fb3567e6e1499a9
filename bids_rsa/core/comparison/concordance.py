"""Kendall's tau-a of many RDMs with several models, in compiled code.

A row's cells are visited in ascending order; for each, the cells visited before that lie lower or
higher in the model are counted. With few levels in the model a count for each level is kept up to
date; with many, a bit for each cell and a count for each word of 64 bits.
"""

import math

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.sorting import Words

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]
Bits = NDArray[np.uint64]

FEW_LEVELS = 16  # up to here a count for each level is faster, measured


@intrinsic
def _popcount(typing_context, word):  # type: ignore[no-untyped-def]
    """Count the bits set, one machine instruction."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), codegen


@kernel
def _run_ends(ties: Words, ends: Words) -> None:
    """Where the run of ties ends that starts at a position. O(n)."""
    for k in range(ends.size):
        ends[k] = k + 1
    for i in range(ties.size - 1, -1, -1):
        ends[ties[i] - np.uint32(1)] = ends[ties[i]]


@kernel
def _balance_by_level(order: Words, ends: Words, levels: Words, below: Counts) -> np.int64:
    """Concordant minus discordant pairs, counting visited cells below each level. O(n levels)."""
    below[:] = 0
    balance = np.int64(0)
    done = np.int64(0)
    while done < order.size:
        end = np.int64(ends[done])
        for cell in order[done:end]:
            level = levels[cell]
            balance += below[level] + below[level + np.uint32(1)] - done
        for cell in order[done:end]:
            level = np.int32(levels[cell])
            for v in range(below.size):
                below[v] += np.int32(v > level)
        done = end
    return balance


@kernel
def _visited(bits: Bits, before: Counts, slot: np.uint32) -> np.int64:
    """Count visited cells in slots below the given one. O(1)."""
    word = slot >> np.uint32(6)
    below = (np.uint64(1) << np.uint64(slot & np.uint32(63))) - np.uint64(1)
    counted: np.int64 = _popcount(bits[word] & below)  # type: ignore[call-arg]  # numba fills the context in
    return np.int64(before[word]) + np.int64(counted)


@kernel
def _balance_by_slot(
    order: Words, ends: Words, slots: Words, bits: Bits, before: Counts
) -> np.int64:
    """Concordant minus discordant pairs, a bit for each visited cell. O(n^2 / 64), vectorised.

    slots: (n_cells, 3), a cell's own place among the model's sorted cells, where the cells of its
    level start and where they end.
    """
    bits[:] = 0
    before[:] = 0
    balance = np.int64(0)
    done = np.int64(0)
    while done < order.size:
        end = np.int64(ends[done])
        for cell in order[done:end]:
            lower = _visited(bits, before, slots[cell, 1])
            balance += lower + _visited(bits, before, slots[cell, 2]) - done
        for cell in order[done:end]:
            slot = slots[cell, 0]
            word = slot >> np.uint32(6)
            bits[word] |= np.uint64(1) << np.uint64(slot & np.uint32(63))
            last = np.int32(word)
            for w in range(before.size):
                before[w] += np.int32(w > last)
        done = end
    return balance


@kernel
def concord_rows(
    orders: Words,
    ties: Words,
    n_ties: Words,
    levels: NDArray[np.uint32],
    n_levels: Counts,
    slots: NDArray[np.uint32],
    scores: Floats,
) -> None:
    """Kendall's tau-a of each sorted row with each model; NaN for a constant row or model.

    levels: (n_models, n_cells), slots: (n_models, n_cells, 3), scores: (n_rows, n_models).
    """
    n = orders.shape[1]
    pairs = 0.5 * n * (n - 1)
    ends = np.empty(n, np.uint32)
    bits = np.empty(n // 64 + 1, np.uint64)
    before = np.empty(n // 64 + 1, np.int32)
    below = np.empty(FEW_LEVELS + 1, np.int32)
    for r in range(orders.shape[0]):
        _run_ends(ties[r, : n_ties[r]], ends)
        for m in range(levels.shape[0]):
            if n_ties[r] == n - 1 or n_levels[m] == 1:
                scores[r, m] = math.nan
            elif n_levels[m] <= FEW_LEVELS:
                counts = below[: n_levels[m] + 1]
                scores[r, m] = _balance_by_level(orders[r], ends, levels[m], counts) / pairs
            else:
                scores[r, m] = _balance_by_slot(orders[r], ends, slots[m], bits, before) / pairs
