"""Comparisons that fit all models at once: what each precomputes, and how it scores a block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.fit import Fit, Terms
from bids_rsa.core.comparison.nonnegative import regress_nonnegative
from bids_rsa.core.comparison.scaling import centered_norms, ranked_rows, unit_rows

Floats = NDArray[np.float64]
_MOST_SETS = 8  # models of which every set has its solver ready


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
class _NonnegativeRegression(Terms):
    """Orthonormal basis of the models, the unit models in it, and the solver of each set of them.

    ``lengths`` turn weights of unit models into weights of the models.
    """

    basis: Floats
    factor: Floats
    solvers: Floats | None
    lengths: Floats
    standardize: bool

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models)."""
        rows, squares, scales = block.centered()
        scores = np.empty((len(rows), len(self.factor)))
        divisors = np.sqrt(squares / rows.shape[1]) if self.standardize else scales
        if self.solvers is not None:
            regress_nonnegative(
                rows, squares, divisors, self.basis, self.factor, self.solvers, scores
            )
        else:
            for target, square, out in zip(rows @ self.basis.T, squares, scores, strict=True):
                out[:] = optimize.nnls(self.factor, target)[0] if square > 0.0 else np.nan
            scores /= divisors[:, None]
        return scores / self.lengths


@dataclass(frozen=True)
class _Explained(Terms):
    """Basis of all models, and the residual of each on the others; none for the share of all."""

    basis: Floats
    units: Floats

    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_models), or (n_rdms, 1)."""
        rows, squares, _ = block.centered()
        scores = np.empty((len(rows), max(len(self.units), 1)))
        kernels.explain_rows(rows, squares, self.basis, self.units, scores)
        return scores


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


def partial_terms(fit: Fit) -> Terms:
    """Span of all models, or of their ranks, and what is left of each beside all others."""
    models = fit.models
    units = unit_rows(ranked_rows(models) if fit.ranked else models)
    residuals = _residual_units(units)
    if models.shape[1] <= len(models) + 1:
        residuals = np.full_like(units, np.nan)
    return _Partial(fit.ranked, _orthonormal(units[np.isfinite(units[:, 0])]), residuals)


def explained_terms(fit: Fit) -> Terms:
    """Span of all models; undefined where they can fit anything."""
    units = unit_rows(fit.models)
    basis = _orthonormal(units[np.isfinite(units[:, 0])], kernels.RESIDUAL)
    if fit.models.shape[1] <= len(fit.models) + 1:
        basis = np.full((1, fit.models.shape[1]), np.nan)
    return _Explained(basis, np.empty((0, fit.models.shape[1])))


def unique_variance_terms(fit: Fit) -> Terms:
    """Take from each model what all others explain: 0 where they explain it whole."""
    units = unit_rows(fit.models)
    left = np.nan_to_num(_residual_units(units))
    if fit.models.shape[1] <= len(fit.models) + 1:
        left[:] = np.nan
    return _Explained(np.empty((0, fit.models.shape[1])), left)


def regression_terms(fit: Fit) -> Terms:
    """Pseudo-inverse of models, their rank judged on centred unit-norm models."""
    models, standardize = fit.models, fit.options.standardize
    units = unit_rows(models)
    units[~np.isfinite(units[:, 0])] = 0.0
    rank = len(_orthonormal(units, kernels.RESIDUAL))
    norms = centered_norms(models)
    if rank == len(models):
        # full rank: the weights don't depend on scale, so that unit-norm models are safe
        inverse = np.linalg.pinv(units.T, rcond=kernels.RESIDUAL)
        inverse /= np.sqrt(models.shape[1]) if standardize else norms[:, None]
    else:
        design = units * (np.sqrt(models.shape[1]) if standardize else norms[:, None])
        left, sizes, right = np.linalg.svd(design, full_matrices=False)
        inverse = (left[:, :rank] / sizes[:rank]) @ right[:rank]
    return _Regression(np.ascontiguousarray(inverse), standardize)


def nonnegative_regression_terms(fit: Fit) -> Terms:
    """Basis of the unit-norm models; for few models the least-squares solver of each set of them.

    A constant model has the weight 0: the intercept takes its part.
    """
    models, n = fit.models, len(fit.models)
    units = unit_rows(models)
    units[~np.isfinite(units[:, 0])] = 0.0
    spanning = _orthonormal(units, kernels.RESIDUAL)
    basis = np.zeros((n, models.shape[1]))
    basis[: len(spanning)] = spanning
    factor = np.ascontiguousarray(basis @ units.T)
    solvers = None
    if n <= _MOST_SETS:
        solvers = np.zeros((2**n, n, n))
        for members in range(1, 2**n):
            chosen = [m for m in range(n) if members >> m & 1]
            solvers[members, chosen] = np.linalg.pinv(factor[:, chosen], rcond=kernels.RESIDUAL)
    standardize = fit.options.standardize
    norms = centered_norms(models)
    lengths = np.full(n, np.sqrt(models.shape[1])) if standardize else np.where(norms > 0, norms, 1)
    return _NonnegativeRegression(basis, factor, solvers, lengths, standardize)
