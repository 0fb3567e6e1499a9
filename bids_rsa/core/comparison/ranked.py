"""What becomes of the ranks of sorted cells: they are stored, or multiplied by those of models."""

from typing import Any, NamedTuple

import numpy as np

from bids_rsa.core.comparison.spreading import STRIDE, Work
from bids_rsa.core.engine.columns import COLUMNS, most_words, scatter_ranks, weigh_ranks
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.vectors import WIDE, put


class Ranked(NamedTuple):
    """What becomes of a row's ranks, by pointers.

    Attributes
    ----------
    ranks : (n,) float32
        Where they are stored, if there are no models.
    weights : (n_models * n,) int32
        Twice the centred ranks of models.
    products : (n_models,) float64
        Sums of weights times twice the centred ranks.
    n_models, n : int
    """

    ranks: Any
    weights: Any
    products: Any
    n_models: int
    n: int


if WIDE == 8:

    @kernel_part
    def _put_ranks(work: Work, first: int, ranks: Any) -> None:
        """Store the ranks of the words of a table."""
        center, mask = np.float32(0.5 * (work.n - 1)), np.uint32((1 << work.bits) - 1)
        at, most = first // COLUMNS * STRIDE, most_words(work.counts, first)
        scatter_ranks(work.tables, at, work.counts, work.starts, first, most, mask, center, ranks)
else:

    @kernel_part
    def _put_ranks(work: Work, first: int, ranks: Any) -> None:
        """Store the ranks of the words of a table."""
        center, mask = np.float32(0.5 * (work.n - 1)), np.uint32((1 << work.bits) - 1)
        for column in range(first, first + COLUMNS):
            at = np.int64(work.firsts[column])
            rank = np.float32(work.starts[column]) - center
            for _ in range(np.int64(work.counts[column])):
                put(ranks, np.int64(work.tables[at] & mask), rank)
                rank += np.float32(1.0)
                at += COLUMNS


@kernel_part
def take_ranks(work: Work, ranked: Ranked) -> None:
    """Store the ranks of all words, without ties, or add up their products with models. O(n)."""
    mask, twice_center = np.uint32((1 << work.bits) - 1), np.uint32(work.n - 1)
    for first in range(0, work.n_columns, COLUMNS):
        if ranked.n_models == 0:
            _put_ranks(work, first, ranked.ranks)
        at, most = first // COLUMNS * STRIDE, most_words(work.counts, first)
        for m in range(ranked.n_models):
            total = weigh_ranks(
                work.tables, at, work.counts, work.starts, first, most, mask, twice_center,
                ranked.weights, m * ranked.n,
            )  # fmt: skip
            put(ranked.products, m, ranked.products[m] + total)


@kernel_part
def tie_rank(ranked: Ranked, cell: np.int64, rank: float, untied: float) -> None:
    """Store the rank of a cell that ties with others, or add to products what it changes."""
    if ranked.n_models == 0:
        put(ranked.ranks, cell, np.float32(rank))
    for m in range(ranked.n_models):
        weight = np.float64(ranked.weights[m * ranked.n + cell])
        put(ranked.products, m, ranked.products[m] + 2.0 * (rank - untied) * weight)
