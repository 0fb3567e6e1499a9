"""Blocks of RDMs as measures get them: missing cells handled, sorts and ranks shared."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.ranking import rank_rows, sort_rows
from bids_rsa.core.comparison.spread_ranks import multiply_spread_ranks, rank_spread
from bids_rsa.core.engine.sorting import Words
from bids_rsa.core.limits import MEASURED_CELLS, runs_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MIN_ROWS = 4


class CompleteRdms:
    """RDMs without NaN, and what measures share of them: each is computed once, when asked for.

    Attributes
    ----------
    rows : (n_rdms, n_cells) float64
    """

    def __init__(self, rows: Floats) -> None:
        self.rows = rows
        self._sorted: tuple[Words, Words, Words] | None = None
        self._ranks: tuple[NDArray[np.floating], Floats] | None = None
        self._centered: tuple[Floats, Floats, Floats] | None = None
        self._scaled: tuple[Floats, Floats] | None = None

    def sorted(self) -> tuple[Words, Words, Words]:
        """Cells in ascending order, positions that tie with the one before, their numbers; once."""
        if self._sorted is None:
            self._sorted = _sort(self.rows)
        return self._sorted

    def ranks(self) -> tuple[NDArray[np.floating], Floats]:
        """Centred average ranks and their sums of squares, computed once."""
        if self._ranks is None:
            # ranks are multiples of one half: single precision holds them up to 2^22 cells
            dtype = np.float32 if self.rows.shape[1] < 2**22 else np.float64
            ranks, squares = np.empty(self.rows.shape, dtype), np.empty(len(self.rows))
            if self._sorted is None:
                left = rank_spread(self.rows, ranks, squares)
                for few in self._runs(left):
                    rank_rows(*_sort(self.rows[few]), ranks[few], squares[few])
            else:
                rank_rows(*self._sorted, ranks, squares)
            self._ranks = ranks, squares
        return self._ranks

    def rank_products(self, weights: NDArray[np.int32]) -> tuple[Floats, Floats]:
        """Inner products of ranks with those of few models, and the ranks' sums of squares.

        Ranks that nothing asked for before are not stored, which takes longer than their products.
        Either way these are sums of whole numbers, hence exact.

        Parameters
        ----------
        weights : (n_models, n_cells) int32
            Twice the centred ranks of models, of at most 2^17 cells.

        Returns
        -------
        products : (n_rdms, n_models) float64
            Of twice the centred ranks of both.
        squares : (n_rdms,) float64
            As of `ranks`.
        """
        products, squares = np.empty((len(self.rows), len(weights))), np.empty(len(self.rows))
        if self._ranks is None and self._sorted is None:
            left = multiply_spread_ranks(self.rows, weights, products, squares)
            for few in self._runs(left):
                ranks = np.empty(self.rows[few].shape, np.float32)
                rank_rows(*_sort(self.rows[few]), ranks, squares[few])
                kernels.multiply_ranks(ranks, weights, products[few])
        else:
            ranks, squares = self.ranks()
            kernels.multiply_ranks(ranks, weights, products)
        return products, squares

    def _runs(self, numbers: Integers) -> Iterator[slice]:
        """Yield slices of RDMs that follow each other, few enough to be sorted in the cache."""
        if len(numbers):
            longest = max(MEASURED_CELLS // max(self.rows.shape[1], 1), 1)
            yield from runs_of(numbers, longest)

    def centered(self) -> tuple[Floats, Floats, Floats]:
        """Centred rows, squared norms (NaN where constant) and scales, computed once."""
        if self._centered is None:
            rows, n = np.empty_like(self.rows), len(self.rows)
            squares, scales = np.empty(n), np.empty(n)
            kernels.center_rows(self.rows, rows, squares, scales)
            self._centered = rows, squares, scales
        return self._centered

    def scaled(self) -> tuple[Floats, Floats]:
        """Rows times a power of two that keeps squares in range, and their squares, once."""
        if self._scaled is None:
            squares, scales = np.empty(len(self.rows)), np.empty(len(self.rows))
            kernels.measure_rows(self.rows, squares, scales)
            plain = bool((scales == 1.0).all())
            self._scaled = (self.rows if plain else self.rows * scales[:, None]), squares
        return self._scaled

    def permuted(self, cells: NDArray[np.intp]) -> "CompleteRdms":
        """Put the cells of the same RDMs in another order; ranks and centred rows move along."""
        moved = CompleteRdms(np.ascontiguousarray(self.rows[:, cells]))
        if self._ranks is not None:
            moved._ranks = np.ascontiguousarray(self._ranks[0][:, cells]), self._ranks[1]
        if self._centered is not None:
            rows, squares, scales = self._centered
            moved._centered = np.ascontiguousarray(rows[:, cells]), squares, scales
        return moved


def _sort(rows: Floats) -> tuple[Words, Words, Words]:
    """Cells in ascending order, positions that tie with the one before, their numbers."""
    orders, ties = np.empty(rows.shape, np.uint32), np.empty(rows.shape, np.uint32)
    n_ties = np.empty(len(rows), np.uint32)
    sort_rows(rows, orders, ties, n_ties)
    return orders, ties, n_ties


class Part(NamedTuple):
    """RDMs of a block that have the same cells.

    Attributes
    ----------
    rows : (n,) int or slice
        Which of the block's.
    cells : (n_cells,) bool or None
        The cells they have; None: all.
    rdms : CompleteRdms
        Their cells.
    """

    rows: NDArray[np.intp] | slice
    cells: NDArray[np.bool_] | None
    rdms: CompleteRdms


class RdmBlock:
    """RDMs of some centres, few enough to be sorted in a core's own cache.

    Attributes
    ----------
    rdms : (n_rdms, n_cells) float64, C-contiguous
        NaN where a cell is undefined.
    centers : (n_rdms,) int64
        Numbers of their centres.
    """

    def __init__(self, rdms: Floats, centers: Integers) -> None:
        self.rdms, self.centers = rdms, centers

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The RDMs grouped by the cells they have; neighbours mostly lack the same."""
        incomplete = np.empty(len(self.rdms), dtype=np.bool_)
        if not kernels.find_nan(self.rdms, incomplete):
            return (Part(slice(None), None, CompleteRdms(self.rdms)),)
        groups: dict[bytes, list[int]] = {}
        masks = {}
        for r, lacking in enumerate(incomplete):
            mask = ~np.isnan(self.rdms[r]) if lacking else np.ones(self.rdms.shape[1], dtype=bool)
            key = mask.tobytes()
            masks[key] = mask
            groups.setdefault(key, []).append(r)
        parts = []
        for key, members in groups.items():
            rows, cells = np.array(members), masks[key]
            rdms = CompleteRdms(np.ascontiguousarray(self.rdms[rows][:, cells]))
            parts.append(Part(rows, None if cells.all() else cells, rdms))
        return tuple(parts)


def cut_into_blocks(
    rdms: Floats, centers: Integers, cells_at_a_time: int = MEASURED_CELLS
) -> Iterator[RdmBlock]:
    """Cut RDMs (n_rdms, n_cells) of so many centres into blocks of about the same size."""
    n = len(rdms)
    most = max(_MIN_ROWS, cells_at_a_time // max(rdms.shape[1], 1))
    n_blocks = -(-n // most)
    for k in range(n_blocks):
        part = slice(n * k // n_blocks, n * (k + 1) // n_blocks)
        yield RdmBlock(rdms[part], centers[part])
