"""What each comparison precomputes from its models, and how it scores a block of RDMs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.concordance import concord_rows

Floats = NDArray[np.float64]


class Terms:
    """What one comparison precomputes from models without NaN."""

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models) of a block of rows."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Correlation(Terms):
    """Centred models of unit norm: a correlation is one inner product. NaN for constant models."""

    ranked: bool
    units: Floats

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares = block.ranks() if self.ranked else block.centered()[:2]
        scores = np.empty((len(rows), len(self.units)))
        kernels.correlate_rows(rows, squares, self.units, scores)
        return scores


@dataclass(frozen=True)
class _Partial(Terms):
    """Orthonormal basis of all models, and each model's unit residual on the others."""

    ranked: bool
    basis: Floats
    units: Floats

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares = block.ranks() if self.ranked else block.centered()[:2]
        scores = np.empty((len(rows), len(self.units)))
        kernels.partial_rows(rows, squares, self.basis, self.units, scores)
        return scores


@dataclass(frozen=True)
class _Regression(Terms):
    """Pseudo-inverse of the centred models."""

    inverse: Floats
    standardize: bool

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares, scales = block.centered()
        scores = np.empty((len(rows), len(self.inverse)))
        kernels.regress_rows(rows, squares, scales, self.inverse, self.standardize, scores)
        return scores


@dataclass(frozen=True)
class _Concordance(Terms):
    """Models as levels 0, 1, ... and each cell's place among the model's sorted cells."""

    levels: NDArray[np.uint32]
    n_levels: NDArray[np.int32]
    slots: NDArray[np.uint32]

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        scores = np.empty((len(block.rows), len(self.levels)))
        concord_rows(*block.sorted(), self.levels, self.n_levels, self.slots, scores)
        return scores


def unit_rows(rows: Floats) -> Floats:
    """Rows centred and divided by their norm; NaN where constant."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = rows / np.max(np.abs(rows), axis=1, keepdims=True)
        centered = scaled - scaled.mean(axis=1, keepdims=True)
        centered -= centered.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(centered, axis=1)
        norms[norms <= kernels.CONSTANT * np.linalg.norm(scaled, axis=1)] = np.nan
        return np.ascontiguousarray(centered / norms[:, None])


def _ranked(models: Floats) -> Floats:
    """Average ranks of each model's cells."""
    ranks = np.empty(models.shape)
    for row, own in zip(models, ranks, strict=True):
        kernels.rank_cells(row, np.argsort(row), own)
    return ranks


def _orthonormal(rows: Floats, tolerance: float | None = None) -> Floats:
    """Orthonormal rows that span the given unit rows; tolerance None: that of least squares."""
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    if tolerance is None:
        tolerance = max(rows.shape) * np.finfo(np.float64).eps * sizes.max(initial=1.0)
    return np.ascontiguousarray(basis[sizes > tolerance])


def _residual_units(units: Floats) -> Floats:
    """Take from each row what all others explain, to unit norm; NaN where 1e-10 or less is left."""
    residuals = np.full_like(units, np.nan)
    known = np.isfinite(units[:, 0])
    for i in np.flatnonzero(known):
        others = _orthonormal(units[known & (np.arange(len(units)) != i)])
        rest = units[i]
        for _ in range(2):  # once more takes away the rounding of the first
            rest = rest - (others @ rest) @ others
        norm = np.linalg.norm(rest)
        if norm >= kernels.RESIDUAL:
            residuals[i] = rest / norm
    return residuals


def correlation_terms(models: Floats, ranked: bool, standardize: bool) -> Terms:
    """Models, or their ranks, centred and of unit norm."""
    return _Correlation(ranked, unit_rows(_ranked(models) if ranked else models))


def partial_terms(models: Floats, ranked: bool, standardize: bool) -> Terms:
    """Span of all models, or of their ranks, and what is left of each beside all others."""
    units = unit_rows(_ranked(models) if ranked else models)
    residuals = _residual_units(units)
    if models.shape[1] <= len(models) + 1:
        residuals = np.full_like(units, np.nan)
    return _Partial(ranked, _orthonormal(units[np.isfinite(units[:, 0])]), residuals)


def regression_terms(models: Floats, ranked: bool, standardize: bool) -> Terms:
    """Pseudo-inverse of models, their rank judged on centred unit-norm models."""
    units = unit_rows(models)
    units[~np.isfinite(units[:, 0])] = 0.0
    rank = len(_orthonormal(units, kernels.RESIDUAL))
    norms = _centered_norms(models)
    if rank == len(models):
        # full rank: the weights don't depend on scale, so that unit-norm models are safe
        inverse = np.linalg.pinv(units.T, rcond=kernels.RESIDUAL)
        inverse /= np.sqrt(models.shape[1]) if standardize else norms[:, None]
    else:
        design = units * (np.sqrt(models.shape[1]) if standardize else norms[:, None])
        left, sizes, right = np.linalg.svd(design, full_matrices=False)
        inverse = (left[:, :rank] / sizes[:rank]) @ right[:rank]
    return _Regression(np.ascontiguousarray(inverse), standardize)


def _centered_norms(models: Floats) -> Floats:
    """Norms of the centred rows, safe at any scale; 0 for rows of zeros."""
    sizes = np.max(np.abs(models), axis=1)
    scaled = models / np.where(sizes > 0, sizes, 1.0)[:, None]
    norms: Floats = sizes * np.linalg.norm(scaled - scaled.mean(axis=1, keepdims=True), axis=1)
    return norms


def concordance_terms(models: Floats, ranked: bool, standardize: bool) -> Terms:
    """Levels and slots of each model's cells."""
    levels = np.empty(models.shape, np.uint32)
    slots = np.empty((*models.shape, 3), np.uint32)
    n_levels = [
        kernels.place_cells(row, np.argsort(row), *own)
        for row, *own in zip(models, levels, slots, strict=True)
    ]
    return _Concordance(levels, np.array(n_levels, dtype=np.int32), slots)
