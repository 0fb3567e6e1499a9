"""Comparisons that take each model alone: what each precomputes, and how it scores a block."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.concordance import (
    FEW_LEVELS,
    concord_by_level,
    concord_by_slot,
    models_in_a_pass,
)
from bids_rsa.core.comparison.fit import Fit, Terms
from bids_rsa.core.comparison.scaling import ranked_rows, rows_of_unit_norm, unit_rows
from bids_rsa.core.comparison.spread_ranks import MOST_CELLS
from bids_rsa.core.comparison.whitening import CellWeights, cell_weights
from bids_rsa.core.limits import FEW_MODELS, MANY_MODELS

Floats = NDArray[np.float64]
# matrix products of fewer multiplications are summed in another order by OpenBLAS
_SMALL_PRODUCT = 2**21
_ROWS_OF_A_KERNEL = 16


def _correlate(rows: NDArray[np.floating], squares: Floats, units: Floats) -> Floats:
    """Inner products (n_rows, n_models) of rows, divided by their norms, and models."""
    if len(units) < MANY_MODELS:
        scores = np.empty((len(rows), len(units)))
        kernels.correlate_rows(rows, squares, units, scores)
        return scores
    norms = np.sqrt(np.where(squares > 0.0, squares, np.nan))
    products = _products(rows, units)
    products /= norms[:, None]
    return np.asarray(np.clip(products, -1.0, 1.0, out=products))


def _products(rows: NDArray[np.floating], units: Floats) -> Floats:
    """Inner products (n_rows, n_models), the same whatever other rows there are.

    Rows of 0 fill small products up, which BLAS would compute in another way.
    """
    n_rows = max(len(rows), -(-_SMALL_PRODUCT // units.size))
    filled = np.zeros((-(-n_rows // _ROWS_OF_A_KERNEL) * _ROWS_OF_A_KERNEL, rows.shape[1]))
    filled[: len(rows)] = rows
    return np.asarray((filled @ units.T)[: len(rows)])


@dataclass(frozen=True)
class _RankCorrelation(Terms):
    """Ranks of a few models, by which those of an RDM are multiplied while its cells are sorted.

    Attributes
    ----------
    weights : (n_models, n_cells) int32
        Twice the centred ranks.
    norms : (n_models,) float64
        Norms of the centred ranks, or of untied ranks; NaN for constant models.
    square : float or None
        Squared norm that untied ranks have, to be taken for RDMs; None: the norm of the RDM.
    """

    stores_cells: ClassVar[bool] = False

    weights: NDArray[np.int32]
    norms: Floats
    square: float | None = None

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        products, squares = block.rank_products(self.weights)
        if self.square is not None:
            squares = np.where(squares > 0.0, self.square, np.nan)
        kernels.correlate_ranks(products, squares, self.norms)
        return products


@dataclass(frozen=True)
class _Correlation(Terms):
    """Centred models of unit norm: a correlation is one inner product. NaN for constant models."""

    ranked: bool
    units: Floats

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares = block.ranks() if self.ranked else block.centered()[:2]
        return _correlate(rows, squares, self.units)


@dataclass(frozen=True)
class _ExpectedRankCorrelation(Terms):
    """Centred ranks of models, divided by the norm that untied ranks have."""

    units: Floats
    square: float

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares = block.ranks()
        untied = np.where(squares > 0.0, self.square, np.nan)
        return _correlate(rows, untied, self.units)


@dataclass(frozen=True)
class _Cosine(Terms):
    """Models of unit norm."""

    units: Floats

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares = block.scaled()
        return _correlate(rows, squares, self.units)


@dataclass(frozen=True)
class _Whitened(Terms):
    """Models weighted by the inverse covariance of the cells, of unit norm in it."""

    centered: bool
    weights: CellWeights
    units: Floats

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, plain = block.centered()[:2] if self.centered else block.scaled()
        squares = np.where(plain > 0.0, self.weights.squares(rows), np.nan)
        return _correlate(rows, squares, self.units)


@dataclass(frozen=True)
class _Concordance(Terms):
    """Models of few levels, and each cell's places among the sorted cells of the others.

    Attributes
    ----------
    few : (n_few,) int
        Models with few levels.
    levels : (n_few, n_cells) uint32
        Levels 0, 1, ... of their cells.
    n_levels : (n_few,) int32
    passes : tuple of (models, (n_cells, n_models, 3) uint32)
        The other models, some in one pass: see `concordance`.
    untied : (n_models,) float64 or None
        The pairs of cells that each model tells apart; None: every pair counts.
    """

    few: NDArray[np.intp]
    levels: NDArray[np.uint32]
    n_levels: NDArray[np.int32]
    passes: tuple[tuple[NDArray[np.intp], NDArray[np.uint32]], ...]
    untied: Floats | None = None

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        n_models = len(self.few) + sum(len(models) for models, _ in self.passes)
        scores = np.empty((len(block.rows), n_models))
        orders, ties, n_ties = block.sorted()
        if len(self.few):
            own = np.empty((len(scores), len(self.few)))
            concord_by_level(orders, ties, n_ties, self.levels, self.n_levels, own)
            scores[:, self.few] = own
        for models, slots in self.passes:
            own = np.empty((len(scores), len(models)))
            concord_by_slot(orders, ties, n_ties, slots, own)
            scores[:, models] = own
        if self.untied is None:
            return scores
        tied, n = np.empty(len(scores)), block.rows.shape[1]
        kernels.tie_correction(ties, n_ties, tied)
        pairs = 0.5 * n * (n - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            corrected = scores * pairs / np.sqrt((pairs - tied)[:, None] * self.untied)
        return np.asarray(np.clip(corrected, -1.0, 1.0))


def correlation_terms(fit: Fit) -> Terms:
    """Models, or their ranks, centred and of unit norm."""
    if not fit.ranked:
        return _Correlation(False, unit_rows(fit.models))
    ranks = ranked_rows(fit.models)
    return _few_ranks(ranks) or _Correlation(True, unit_rows(ranks))


def expected_rank_correlation_terms(fit: Fit) -> Terms:
    """Centred ranks of models, not divided by the spread that ties leave them."""
    n = fit.models.shape[1]
    square = (n**3 - n) / 12.0
    average = ranked_rows(fit.models)
    if (few := _few_ranks(average)) is not None:
        norms = np.where(few.norms > 0.0, np.sqrt(square), np.nan)
        return _RankCorrelation(few.weights, norms, square)
    ranks = average - 0.5 * (n + 1)
    ranks[(ranks == 0.0).all(axis=1)] = np.nan
    return _ExpectedRankCorrelation(np.ascontiguousarray(ranks / np.sqrt(square)), square)


def _few_ranks(ranks: Floats) -> _RankCorrelation | None:
    """Return average ranks as whole numbers, if models are few and products are exact."""
    n_models, n = ranks.shape
    if n_models > FEW_MODELS or n > MOST_CELLS:
        return None
    weights = np.ascontiguousarray(np.rint(2.0 * ranks - (n + 1)), dtype=np.int32)
    norms = 0.5 * np.sqrt((weights.astype(np.float64) ** 2).sum(axis=1))
    norms[norms == 0.0] = np.nan
    return _RankCorrelation(weights, norms)


def cosine_terms(fit: Fit) -> Terms:
    """Models of unit norm; NaN for models of zeros."""
    return _Cosine(rows_of_unit_norm(fit.models))


def whitened_terms(fit: Fit) -> Terms:
    """Models weighted by the inverse covariance of the cells."""
    return _whitened(fit, rows_of_unit_norm(fit.models), centered=False)


def whitened_correlation_terms(fit: Fit) -> Terms:
    """Models less the mean of their cells, weighted by the inverse covariance of the cells."""
    return _whitened(fit, unit_rows(fit.models), centered=True)


def _whitened(fit: Fit, models: Floats, centered: bool) -> Terms:
    """Bring models to unit norm in the metric of the inverse covariance."""
    weights = cell_weights(fit)
    weighted = weights.weigh(models)
    norms = np.sqrt(np.einsum("mc,mc->m", models, weighted))
    return _Whitened(centered, weights, np.ascontiguousarray(weighted / norms[:, None]))


def concordance_terms(fit: Fit) -> Terms:
    """Levels and slots of each model's cells."""
    return _concordance(fit.models)


def tie_corrected_concordance_terms(fit: Fit) -> Terms:
    """Levels and slots, and how many pairs of cells each model tells apart."""
    n = fit.models.shape[1]
    counts = (np.unique(model, return_counts=True)[1] for model in fit.models)
    tied = np.array([(count * (count - 1.0)).sum() / 2 for count in counts])
    return _concordance(fit.models, 0.5 * n * (n - 1) - tied)


def _concordance(models: Floats, untied: Floats | None = None) -> Terms:
    """Find levels and slots of each model's cells."""
    n_models, n_cells = models.shape
    levels = np.empty(models.shape, np.uint32)
    n_levels = np.empty(n_models, np.int32)
    slots = np.empty((n_cells, 3), np.uint32)
    many: list[tuple[int, NDArray[np.uint32]]] = []
    for m, row in enumerate(models):
        n_levels[m] = kernels.place_cells(row, np.argsort(row), levels[m], slots)
        if n_levels[m] > FEW_LEVELS:
            many.append((m, slots.copy()))
    few, step = np.flatnonzero(n_levels <= FEW_LEVELS), models_in_a_pass(n_cells)
    passes = []
    for start in range(0, len(many), step):
        numbers, own = zip(*many[start : start + step], strict=True)
        passes.append((np.array(numbers), np.stack(own, axis=1)))
    return _Concordance(few, levels[few], n_levels[few], tuple(passes), untied)
