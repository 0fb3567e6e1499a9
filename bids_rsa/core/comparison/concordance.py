"""Kendall's tau-a of many RDMs with several models, in compiled code.

A row's cells are visited in ascending order; for each, the cells visited before that lie lower or
higher in the model are counted. With few levels in the model a count for each level is kept up to
date. With many there is a bit for each cell, a count for each word of 64 bits, of the cells visited
before it in its group of 16 words, and a count for each group; some models are done in one pass,
because a processor waits for one's counts while it works at another's.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.counts import count_above_of_8, count_above_of_16, count_bits_set
from bids_rsa.core.engine.jit import kernel, kernel_part
from bids_rsa.core.engine.sorting import Words
from bids_rsa.core.engine.vectors import pointer_to, put

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]
Bits = NDArray[np.uint64]

FEW_LEVELS = 16  # up to here a count for each level is faster, measured
_CACHED_CELLS = 2**16  # of 12 bytes of slots and some of counts, for the models of one pass
_MOST_MODELS = 16  # of one pass


def models_in_a_pass(n_cells: int) -> int:
    """Return how many models with many levels are done in one pass."""
    return min(max(_CACHED_CELLS // max(n_cells, 1), 1), _MOST_MODELS)


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


@kernel_part
def _visited(bits: Bits, within: Counts, groups: Counts, first: int, top: int, slot: int) -> int:
    """Count visited cells in slots below the given one. O(1).

    A model's words begin at ``first``, its groups at ``top``.
    """
    word = slot >> 6
    below = (np.uint64(1) << np.uint64(slot & 63)) - np.uint64(1)
    counted = int(count_bits_set(bits[first + word] & below))
    return int(groups[top + (word >> 4)]) + int(within[first + word]) + counted


@kernel
def _balance_by_slot(
    order: Words, ends: Words, slots: Words, bits: Bits, within: NDArray[np.int16], groups: Counts,
    balances: NDArray[np.int64],
) -> None:  # fmt: skip
    """Concordant minus discordant pairs with each model, a bit for each visited cell. O(n).

    slots: (n_cells, n_models, 3), a cell's own place among the model's sorted cells, where the
    cells of its level start and where they end. bits, within: (n_models, n_words), whole groups of
    16; groups: (n_models, n_groups), a multiple of eight.
    """
    bits[:] = 0
    within[:] = 0
    groups[:] = 0
    balances[:] = 0
    n_models, n_words, n_groups = bits.shape[0], bits.shape[1], groups.shape[1]
    cells, run_ends, places = pointer_to(order), pointer_to(ends), pointer_to(slots)
    words, lower, upper = pointer_to(bits), pointer_to(within), pointer_to(groups)
    done = np.int64(0)
    while done < order.size:
        end = np.int64(run_ends[done])
        for k in range(done, end):
            at = np.int64(cells[k]) * n_models * 3
            for m in range(n_models):
                first, top = m * n_words, m * n_groups
                start, stop = int(places[at + 3 * m + 1]), int(places[at + 3 * m + 2])
                below = _visited(words, lower, upper, first, top, start)
                upto = below
                if stop != start + 1:
                    upto = _visited(words, lower, upper, first, top, stop)
                balances[m] += below + upto - done
        for k in range(done, end):
            at = np.int64(cells[k]) * n_models * 3
            for m in range(n_models):
                slot = np.int64(places[at + 3 * m])
                word, group = slot >> 6, slot >> 10
                mine = m * n_words + word
                put(words, mine, words[mine] | (np.uint64(1) << np.uint64(slot & 63)))
                count_above_of_16(lower, m * n_words + group * 16, word & 15)
                for g in range(0, n_groups, 8):
                    count_above_of_8(upper, m * n_groups + g, group - g)
        done = end


@kernel
def concord_by_slot(
    orders: Words, ties: Words, n_ties: Words, slots: Words, scores: Floats
) -> None:
    """Kendall's tau-a of each sorted row with models of many levels; NaN for a constant row.

    slots: (n_cells, n_models, 3), see `_balance_by_slot`; scores: (n_rows, n_models).
    """
    n, n_models = orders.shape[1], slots.shape[1]
    n_groups = n // 1024 + 1
    ends = np.empty(n, np.uint32)
    bits = np.empty((n_models, 16 * n_groups), np.uint64)
    within = np.empty((n_models, 16 * n_groups), np.int16)
    groups = np.empty((n_models, (n_groups + 7) // 8 * 8), np.int32)
    balances = np.empty(n_models, np.int64)
    for r in range(orders.shape[0]):
        _run_ends(ties[r, : n_ties[r]], ends)
        _balance_by_slot(orders[r], ends, slots, bits, within, groups, balances)
        for m in range(n_models):
            balance = math.nan if n_ties[r] == n - 1 else np.float64(balances[m])
            scores[r, m] = balance / (0.5 * n * (n - 1))


@kernel
def concord_by_level(
    orders: Words,
    ties: Words,
    n_ties: Words,
    levels: NDArray[np.uint32],
    n_levels: Counts,
    scores: Floats,
) -> None:
    """Kendall's tau-a of each sorted row with models of few levels; NaN where one is constant.

    levels: (n_models, n_cells), scores: (n_rows, n_models).
    """
    n = orders.shape[1]
    pairs = 0.5 * n * (n - 1)
    ends = np.empty(n, np.uint32)
    below = np.empty(FEW_LEVELS + 1, np.int32)
    for r in range(orders.shape[0]):
        _run_ends(ties[r, : n_ties[r]], ends)
        for m in range(levels.shape[0]):
            if n_ties[r] == n - 1 or n_levels[m] == 1:
                scores[r, m] = math.nan
            else:
                counts = below[: n_levels[m] + 1]
                scores[r, m] = _balance_by_level(orders[r], ends, levels[m], counts) / pairs
