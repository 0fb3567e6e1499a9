"""Comparisons: how well model RDMs agree with the RDM of a patch."""

import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.blocks import CompleteRdms, RdmBlock, cut_into_blocks
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON, Comparison, find_comparison
from bids_rsa.core.comparison.terms import Terms, unit_rows

Floats = NDArray[np.float64]
_MIN_CELLS = 3


@dataclass(frozen=True)
class _Group:
    """Models that use the same cells (None: all of them), and what is precomputed of them."""

    models: NDArray[np.intp]
    cells: NDArray[np.intp] | None
    terms: Terms | None  # None: fewer than three cells


@dataclass(frozen=True)
class Plan:
    """One comparison made ready for one set of models; safe to share between threads.

    Attributes
    ----------
    comparison : Comparison
    models : (n_models, n_cells) float64
        As given, NaN where a cell is left out.
    standardize : bool
    """

    comparison: Comparison
    models: Floats
    standardize: bool
    _groups: tuple[_Group, ...] = field(repr=False)

    def score(self, rdms: Floats, out: Floats) -> None:
        """Score RDMs against all models.

        Parameters
        ----------
        rdms : (n_rdms, n_cells) float64, C-contiguous
            NaN cells are left out; with fewer than three left the scores are NaN.
        out : (n_models, n_rdms) float64
            Written in place; any strides.
        """
        for block in cut_into_blocks(rdms, np.arange(len(rdms))):
            scores = np.empty((len(self.models), len(block.rdms)))
            self.score_block(block, scores)
            out[:, block.centers] = scores

    def score_block(self, block: RdmBlock, out: Floats) -> None:
        """Score the RDMs of a block, (n_models, n_rdms), sharing its sorts and ranks."""
        for part in block.parts:
            if part.cells is None:
                out[:, part.rows] = self._scores(part.rdms)
            elif part.cells.sum() < _MIN_CELLS:
                out[:, part.rows] = np.nan
            else:
                out[:, part.rows] = _restricted(self, part.cells)._scores(part.rdms)

    def _scores(self, rdms: CompleteRdms) -> Floats:
        """Scores (n_models, n_rdms) of RDMs without NaN, one group of models after the other."""
        scores = np.full((len(self.models), len(rdms.rows)), np.nan)
        for group in self._groups:
            if group.terms is None:
                continue
            if group.cells is None:
                scores[group.models] = group.terms.score(rdms).T
            else:
                rows = np.ascontiguousarray(rdms.rows[:, group.cells])
                scores[group.models] = group.terms.score(CompleteRdms(rows)).T
        return scores


def prepare(models: ArrayLike, comparison: str, *, standardize: bool = False) -> Plan:
    """Precompute all that a comparison needs of its models.

    Parameters
    ----------
    models : (n_models, n_cells) array_like
        Condensed model RDMs; NaN cells are left out, per model, or jointly where a
        comparison fits all of them at once.
    comparison : str
        A key of `bids_rsa.core.comparison.table.COMPARISONS`.
    standardize : bool
        z-score the RDM and the models; changes the weights of ``regression``, nothing else.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        Unknown comparison, models of the wrong shape, infinite cells, too few models.

    Warns
    -----
    UserWarning
        ``regression`` with linearly dependent models (the minimum-norm weights are returned).
    """
    chosen = find_comparison(comparison)
    models = np.array(models, dtype=np.float64, ndmin=2, order="C")
    if models.ndim != 2 or not len(models):
        raise ValueError(f"models must be (n_models, n_cells), not of shape {models.shape}")
    if np.isinf(models).any():
        raise ValueError("model RDMs hold infinite cells; a cell is a number, or NaN to leave out")
    if len(models) < chosen.min_models:
        raise ValueError(
            f"comparison '{comparison}' needs at least {chosen.min_models} models, "
            f"{len(models)} given"
        )
    if chosen.weights and (dependent := dependent_models(models)):
        warnings.warn(
            f"the models at positions {', '.join(map(str, dependent))} (from 0) are linearly "
            "dependent: the weights of minimum norm are returned, which are not unique",
            stacklevel=2,
        )
    return _plan(chosen, models, standardize)


def _plan(comparison: Comparison, models: Floats, standardize: bool) -> Plan:
    """Group models by the cells they use and precompute each group's terms."""
    finite = np.isfinite(models)
    if comparison.joint:
        finite[:] = finite.all(axis=0)
    members: dict[bytes, list[int]] = {}
    for row, mask in enumerate(finite):
        members.setdefault(mask.tobytes(), []).append(row)
    groups = []
    for rows in map(np.array, members.values()):
        mask = finite[rows[0]]
        n_cells = int(mask.sum())
        cells = None if n_cells == mask.size else np.flatnonzero(mask)
        terms = None
        if n_cells >= _MIN_CELLS:
            used = models[rows] if cells is None else np.ascontiguousarray(models[rows][:, cells])
            terms = comparison.make_terms(used, comparison.ranked, standardize)
        groups.append(_Group(rows, cells, terms))
    return Plan(comparison, models, standardize, tuple(groups))


def _restricted(plan: Plan, cells: NDArray[np.bool_]) -> Plan:
    """Return the same comparison on fewer cells."""
    models = np.ascontiguousarray(plan.models[:, cells])
    return _plan(plan.comparison, models, plan.standardize)


def compare(
    rdm: ArrayLike,
    models: ArrayLike,
    comparison: str = DEFAULT_COMPARISON,
    *,
    standardize: bool = False,
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
    standardize : bool
        See `prepare`.

    Returns
    -------
    scores : (n_models,) float64
        NaN where undefined: fewer than three cells, a constant RDM, no residual.

    Raises
    ------
    ValueError
        See `prepare`; also when the numbers of cells differ.
    """
    plan = prepare(models, comparison, standardize=standardize)
    row = np.array(rdm, dtype=np.float64, ndmin=2, order="C")
    if row.shape != (1, plan.models.shape[1]):
        raise ValueError(
            f"the RDM has shape {np.shape(rdm)}, the models have {plan.models.shape[1]} cells each"
        )
    out = np.empty((len(plan.models), 1))
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
    left, sizes, _ = np.linalg.svd(units, full_matrices=True)
    sizes = np.concatenate([sizes, np.zeros(len(units) - len(sizes))])
    involved = np.abs(left[:, sizes <= tolerance]).max(axis=1, initial=0.0) > 1e-6
    return tuple(int(i) for i in np.flatnonzero(involved | constant))
