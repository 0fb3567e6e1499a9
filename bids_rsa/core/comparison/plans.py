"""Comparisons: how well model RDMs agree with the RDM of a patch."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.blocks import CompleteRdms, RdmBlock, cut_into_blocks
from bids_rsa.core.comparison.fit import Fit, Options, Terms, check_condition_covariance
from bids_rsa.core.comparison.scaling import unit_rows
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON, Comparison, find_comparison
from bids_rsa.core.limits import cells_at_a_time

Floats = NDArray[np.float64]
_MIN_CELLS = 3


@dataclass(frozen=True)
class _Group:
    """Models that use the same cells (None: all of them), and what is precomputed of them."""

    models: NDArray[np.intp]
    cells: NDArray[np.intp] | None
    terms: Terms | None  # None: fewer than three cells


@dataclass(frozen=True)
class ComparisonPlan:
    """One comparison made ready for one set of models; safe to share between threads.

    Attributes
    ----------
    comparison : Comparison
    models : (n_models, n_cells) float64
        As given, NaN where a cell is left out; nuisance models last.
    n_nuisance : int
    options : Options
    """

    comparison: Comparison
    models: Floats
    n_nuisance: int
    options: Options
    _groups: tuple[_Group, ...] = field(repr=False)

    @property
    def n_scores(self) -> int:
        """Scores of each RDM: one a model, or one of all models together."""
        return self.comparison.n_scores(len(self.models) - self.n_nuisance)

    @property
    def cells_at_a_time(self) -> int:
        """Cells of RDMs that it scores at a time, if no other comparison does."""
        terms = (group.terms for group in self._groups)
        return cells_at_a_time(len(self.models), any(t and t.stores_cells for t in terms))

    def score(self, rdms: Floats, out: Floats) -> None:
        """Score RDMs against all models.

        Parameters
        ----------
        rdms : (n_rdms, n_cells) float64, C-contiguous
            NaN cells are left out; with fewer than three left the scores are NaN.
        out : (n_scores, n_rdms) float64
            Written in place; any strides.
        """
        for block in cut_into_blocks(rdms, np.arange(len(rdms)), self.cells_at_a_time):
            out[:, block.centers] = self.score_block(block).T

    def score_block(self, block: RdmBlock) -> Floats:
        """Scores (n_rdms, n_scores) of the RDMs of a block, sharing its sorts and ranks."""
        parts = block.parts
        if len(parts) == 1 and parts[0].cells is None:
            return self.score_complete(parts[0].rdms)
        scores = np.full((len(block.rdms), self.n_scores), np.nan)
        for part in parts:
            if part.cells is None:
                scores[part.rows] = self.score_complete(part.rdms)
            elif part.cells.sum() >= _MIN_CELLS:
                scores[part.rows] = _restricted(self, part.cells).score_complete(part.rdms)
        return scores

    def score_complete(self, rdms: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_scores) of RDMs without NaN, one group of models after the other."""
        group, n_scores = self._groups[0], self.n_scores
        if len(self._groups) == 1 and group.terms is not None and group.cells is None:
            return np.ascontiguousarray(group.terms.score(rdms)[:, :n_scores])
        scores = np.full((len(rdms.rows), n_scores), np.nan)
        for group in self._groups:
            if group.terms is None:
                continue
            scored = np.arange(n_scores) if self.comparison.joint else group.models
            own = rdms
            if group.cells is not None:
                own = CompleteRdms(np.ascontiguousarray(rdms.rows[:, group.cells]))
            scores[:, scored] = group.terms.score(own)[:, : len(scored)]
        return scores


def prepare(
    models: ArrayLike,
    comparison: str,
    *,
    standardize: bool = False,
    nuisance: ArrayLike | None = None,
    condition_covariance: ArrayLike | None = None,
) -> ComparisonPlan:
    """Precompute all that a comparison needs of its models.

    Parameters
    ----------
    models : (n_models, n_cells) array_like
        Condensed model RDMs; NaN cells are left out, per model, or jointly where a
        comparison fits all of them at once.
    comparison : str
        A key of `bids_rsa.core.comparison.table.COMPARISONS`.
    standardize : bool
        z-score the RDM and the models; changes the weights of regressions, nothing else.
    nuisance : (n_nuisance, n_cells) array_like, optional
        Further models that take part in joint fits and get no score; other comparisons leave
        them out.
    condition_covariance : (n_conditions, n_conditions) array_like, optional
        Covariance of the condition estimates, up to a factor, for whitened comparisons; without
        it conditions are independent and equally noisy.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        Unknown comparison, models of the wrong shape, infinite cells, too few models, a
        covariance that is none.

    Warns
    -----
    UserWarning
        Weights of linearly dependent models (those of minimum norm are returned).
    """
    chosen = find_comparison(comparison)
    rows = _rows(models)
    given = _checked_models(rows, nuisance if chosen.joint else None)
    n_nuisance = len(given) - len(rows)
    if len(given) < chosen.min_models:
        raise ValueError(
            f"comparison '{comparison}' needs at least {chosen.min_models} models, "
            f"{len(given)} given"
        )
    if chosen.weights and (dependent := dependent_models(given)):
        warnings.warn(
            f"the models at positions {', '.join(map(str, dependent))} (from 0) are linearly "
            "dependent: the weights of minimum norm are returned, which are not unique",
            stacklevel=2,
        )
    covariance = None
    if chosen.whitened:
        covariance = check_condition_covariance(condition_covariance, given.shape[1])
    return _plan(chosen, given, n_nuisance, Options(standardize, covariance), None, given.shape[1])


def _rows(models: ArrayLike) -> Floats:
    """Models as float64 rows."""
    return np.array(models, dtype=np.float64, ndmin=2, order="C")


def _checked_models(rows: Floats, nuisance: ArrayLike | None) -> Floats:
    """Check models, and put nuisance models below them."""
    if rows.ndim != 2 or not len(rows):
        raise ValueError(f"models must be (n_models, n_cells), not of shape {rows.shape}")
    if nuisance is not None and np.size(nuisance):
        further = _rows(nuisance)
        if further.ndim != 2 or further.shape[1] != rows.shape[1]:
            raise ValueError(
                f"nuisance models must have {rows.shape[1]} cells, not shape {further.shape}"
            )
        rows = np.concatenate([rows, further])
    if np.isinf(rows).any():
        raise ValueError(
            "model RDMs contain infinite cells; a cell is a number, or NaN to leave out"
        )
    return rows


def _plan(
    comparison: Comparison,
    models: Floats,
    n_nuisance: int,
    options: Options,
    used: NDArray[np.intp] | None,
    n_all_cells: int,
) -> ComparisonPlan:
    """Group models by the cells they use and precompute each group's terms.

    ``used`` says which cells of the whole RDM the models' columns are; None: all.
    """
    finite = np.isfinite(models)
    if comparison.joint:
        finite[:] = finite.all(axis=0)
    members: dict[bytes, list[int]] = {}
    for m, row in enumerate(finite):
        members.setdefault(row.tobytes(), []).append(m)
    groups = []
    for rows in map(np.array, members.values()):
        mask = finite[rows[0]]
        n_cells = int(mask.sum())
        cells = None if n_cells == mask.size else np.flatnonzero(mask)
        terms = None
        if n_cells >= _MIN_CELLS:
            own = models if len(members) == 1 else models[rows]
            if cells is not None:
                own = np.ascontiguousarray(own[:, cells])
            among = cells if used is None else used[mask]
            fit = Fit(own, n_nuisance, comparison.ranked, options, among, n_all_cells)
            terms = comparison.make_terms(fit)
        groups.append(_Group(rows, cells, terms))
    return ComparisonPlan(comparison, models, n_nuisance, options, tuple(groups))


def _restricted(plan: ComparisonPlan, cells: NDArray[np.bool_]) -> ComparisonPlan:
    """Return the same comparison on fewer cells."""
    models = np.ascontiguousarray(plan.models[:, cells])
    among = np.flatnonzero(cells)
    return _plan(plan.comparison, models, plan.n_nuisance, plan.options, among, len(cells))


def compare(
    rdm: ArrayLike, models: ArrayLike, comparison: str = DEFAULT_COMPARISON, **options: Any
) -> Floats:
    """Compare one RDM with model RDMs.

    Parameters
    ----------
    rdm : (n_cells,) array_like
        Condensed data RDM; NaN cells are left out.
    models : (n_models, n_cells) or (n_cells,) array_like
        Condensed model RDMs.
    comparison : str
        A key of `bids_rsa.core.comparison.table.COMPARISONS`.
    **options
        ``standardize``, ``nuisance``, ``condition_covariance``; see `prepare`.

    Returns
    -------
    scores : (n_scores,) float64
        One a model, or one of all models together; NaN where undefined: fewer than three cells, a
        constant RDM, no residual.

    Raises
    ------
    ValueError
        See `prepare`; also when the numbers of cells differ.
    """
    plan = prepare(models, comparison, **options)
    row = np.array(rdm, dtype=np.float64, ndmin=2, order="C")
    if row.shape != (1, plan.models.shape[1]):
        raise ValueError(
            f"the RDM has shape {np.shape(rdm)}, the models have {plan.models.shape[1]} cells each"
        )
    out = np.empty((plan.n_scores, 1))
    plan.score(row, out)
    return out[:, 0]


def dependent_models(models: ArrayLike, tolerance: float = kernels.RESIDUAL) -> tuple[int, ...]:
    """Find models that a linear combination of the others (and a constant) reproduces.

    Parameters
    ----------
    models : (n_models, n_cells) array_like
        NaN cells are left out jointly.
    tolerance : float
        Singular values of the centred, unit-norm models at most this count as 0.

    Returns
    -------
    positions : tuple of int
        Of all models that take part in a dependence; a constant model depends on the intercept.
    """
    models = np.array(models, dtype=np.float64, ndmin=2)
    models = models[:, np.isfinite(models).all(axis=0)]
    if not models.shape[1]:
        return ()
    units = unit_rows(models)
    constant = ~np.isfinite(units[:, 0])
    units[constant] = 0.0
    # the other side has as many rows as cells, and is needed only to complete this one
    left, sizes, _ = np.linalg.svd(units, full_matrices=units.shape[0] > units.shape[1])
    sizes = np.concatenate([sizes, np.zeros(len(units) - len(sizes))])
    involved = np.abs(left[:, sizes <= tolerance]).max(axis=1, initial=0.0) > 1e-6
    return tuple(int(i) for i in np.flatnonzero(involved | constant))
