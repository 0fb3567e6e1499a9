"""Noise ceilings: how well the best model could do, given how subjects' RDMs agree.

Upper: the mean similarity of each subject's RDM with the mean RDM of all; lower: with the mean RDM
of the others (Nili et al. 2014, PLoS Computational Biology 10). What is averaged is what the
comparison compares: see `Comparison.ceiling`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.fit import Fit, Options, check_condition_covariance
from bids_rsa.core.comparison.kernels import project_on_sum
from bids_rsa.core.comparison.plans import prepare
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.comparison.whitening import cell_weights

Floats = NDArray[np.float64]
_MIN_SUBJECTS = 3
_MIN_CELLS = 3
# a sum of n unit RDMs of a squared norm below this times n^2 is one of rounding
_CANCELLED = 1e-12
_BLOCK_CELLS = 2**21  # of all subjects, that are worked on at a time


def noise_ceiling(
    rdms: ArrayLike, comparison: str, condition_covariance: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Compute the lower and upper noise ceiling of a comparison.

    Parameters
    ----------
    rdms : (n_subjects, n_cells) or (n_subjects, n_centers, n_cells) array_like
        Condensed RDMs of at least three subjects. Cells that a subject lacks (NaN) are left out
        for all.
    comparison : str
        A key of `bids_rsa.core.comparison.table.COMPARISONS` that takes each model by itself.
    condition_covariance : (n_conditions, n_conditions) array_like, optional
        Covariance of the condition estimates, for whitened comparisons.

    Returns
    -------
    lower, upper : (n_centers,) float64, or float64
        NaN where a subject's RDM is constant or undefined.

    Raises
    ------
    ValueError
        Fewer than three subjects, or a comparison without a ceiling.

    Notes
    -----
    For Spearman's rho the mean is that of centred unit ranks and is not ranked again: where models
    have ties, the usual form is no upper bound of their scores. For rho-a the mean ranks are ranked
    again, which is the exact maximum; for Kendall's taus that is an approximation.
    """
    lower, upper = subject_ceilings(rdms, comparison, condition_covariance)
    return lower.mean(axis=0), upper


def subject_ceilings(
    rdms: ArrayLike, comparison: str, condition_covariance: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Compute each subject's share in the lower noise ceiling, and the upper one.

    Parameters
    ----------
    rdms, comparison, condition_covariance
        As in `noise_ceiling`.

    Returns
    -------
    lower : (n_subjects, n_centers) or (n_subjects,) float64
        Similarity of the subject's RDM with the mean RDM of the others.
    upper : (n_centers,) float64, or float64

    Raises
    ------
    ValueError
        As in `noise_ceiling`.
    """
    known = find_comparison(comparison)
    if not known.ceiling:
        raise ValueError(f"there is no noise ceiling for {comparison}, which fits several models")
    given = np.asarray(rdms, dtype=np.float64)
    if given.ndim not in (2, 3) or len(given) < _MIN_SUBJECTS:
        raise ValueError(
            "a noise ceiling needs the RDMs of at least three participants, (n_subjects, "
            f"n_centers, n_cells), not an array of shape {given.shape}"
        )
    stacks = given[:, None] if given.ndim == 2 else given
    n_subjects, n_centers, n_cells = stacks.shape
    covariance = None
    if known.whitened:
        covariance = check_condition_covariance(condition_covariance, n_cells)
    lower, upper = np.empty((n_centers, n_subjects)), np.empty(n_centers)
    step = max(1, _BLOCK_CELLS // (n_subjects * n_cells))
    for start in range(0, n_centers, step):
        part = slice(start, start + step)
        block = np.ascontiguousarray(stacks[:, part])
        lower[part], upper[part] = _of_block(block, comparison, covariance)
    return (lower.T, upper) if given.ndim == 3 else (lower[0], upper[0])


def _of_block(stacks: Floats, comparison: str, covariance: Floats | None) -> tuple[Floats, Floats]:
    """Ceilings of (n_subjects, n_centers, n_cells): each subject's lower one, upper."""
    n_subjects, n_centers, n_cells = stacks.shape
    with np.errstate(invalid="ignore"):
        rest = stacks.reshape(-1, n_cells) @ np.zeros(n_cells)  # NaN where a cell is not finite
    whole = np.isfinite(rest).reshape(n_subjects, n_centers).all(axis=0)
    if whole.all():
        return _ceilings(stacks, comparison, covariance, None)
    lower, upper = np.full((n_centers, n_subjects), np.nan), np.full(n_centers, np.nan)
    if whole.any():
        lower[whole], upper[whole] = _ceilings(stacks[:, whole], comparison, covariance, None)
    for center in np.flatnonzero(~whole):
        cells = np.flatnonzero(np.isfinite(stacks[:, center]).all(axis=0))
        if len(cells) >= _MIN_CELLS:
            own = np.ascontiguousarray(stacks[:, center : center + 1][:, :, cells])
            lower[[center]], upper[[center]] = _ceilings(
                own, comparison, covariance, (cells, n_cells)
            )
    return lower, upper


def _ceilings(
    stacks: Floats,
    comparison: str,
    covariance: Floats | None,
    among: tuple[NDArray[np.intp], int] | None,
) -> tuple[Floats, Floats]:
    """Ceilings of (n_subjects, n_centers, n_cells) without NaN: each subject's lower one, upper.

    ``among`` holds which cells these are, and how many there are.
    """
    known = find_comparison(comparison)
    if known.pool == "ranks again":
        return _of_ranks_again(np.ascontiguousarray(stacks.swapaxes(0, 1)))
    if known.pool == "mean ranks":
        return _of_pools(np.ascontiguousarray(stacks.swapaxes(0, 1)), comparison)
    n_subjects, n_centers, n_cells = stacks.shape
    rdms = CompleteRdms(stacks.reshape(-1, n_cells))
    rows: NDArray[np.floating]
    if known.pool == "unit ranks":
        rows, squares = rdms.ranks()
    elif known.pool == "centred":
        rows, squares = rdms.centered()[:2]
    else:
        rows, squares = rdms.scaled()
    weighted = rows
    if known.whitened:
        cells, n_all = among if among is not None else (None, n_cells)
        weights = cell_weights(
            Fit(stacks[:1, 0], 0, False, Options(False, covariance), cells, n_all)
        )
        weighted = weights.weigh(np.ascontiguousarray(rows))
        squares = np.where(squares > 0, np.einsum("rc,rc->r", rows, weighted), np.nan)
    norms = np.sqrt(np.where(squares > 0, squares, np.nan)).reshape(n_subjects, n_centers)
    # each subject's similarity with the sum of all; those with the means follow from it
    sums = np.empty((n_centers, n_subjects))
    project_on_sum(rows, weighted, norms, sums)
    total = sums.sum(axis=1)
    upper = np.sqrt(np.maximum(total, 0)) / n_subjects
    squared = total[:, None] - 2 * sums + 1  # norm of the sum of the others
    squared[squared <= _CANCELLED * n_subjects**2] = np.nan
    with np.errstate(invalid="ignore"):
        others = (sums - 1) / np.sqrt(squared)
    return others, upper


def _pooled_ranks(stacks: Floats) -> tuple[Floats, Floats]:
    """Centred ranks of each subject, and mean ranks: of the others for each subject, then of all.

    Returns
    -------
    ranks : (n_centers, n_subjects, n_cells), NaN for constant RDMs
    pools : (n_centers, n_subjects + 1, n_cells)
    """
    n_subjects, n_cells = stacks.shape[1:]
    ranks, squares = CompleteRdms(stacks.reshape(-1, n_cells)).ranks()
    own = np.where(squares[:, None] > 0, ranks.astype(np.float64), np.nan).reshape(stacks.shape)
    total = own.sum(axis=1, keepdims=True)
    pools = np.concatenate([(total - own) / (n_subjects - 1), total / n_subjects], axis=1)
    return own, pools


def _of_ranks_again(stacks: Floats) -> tuple[Floats, Floats]:
    """Ceilings of rho-a: mean ranks are ranked again."""
    n = stacks.shape[2]
    own, pools = _pooled_ranks(stacks)
    known = np.isfinite(pools).all(axis=(1, 2))
    again = np.full(pools.shape, np.nan)
    if known.any():
        rows = np.ascontiguousarray(pools[known]).reshape(-1, n)
        again[known] = CompleteRdms(rows).ranks()[0].reshape(-1, *pools.shape[1:])
    scores = 12.0 / (n**3 - n) * own
    lower = (scores * again[:, :-1]).sum(axis=2)
    upper = (scores @ again[:, -1, :, None])[..., 0].mean(axis=1)
    return lower, upper


def _of_pools(stacks: Floats, comparison: str) -> tuple[Floats, Floats]:
    """Ceilings of Kendall's taus: each subject's RDM with the mean ranks."""
    _, pools = _pooled_ranks(stacks)
    lower, upper = np.full(stacks.shape[:2], np.nan), np.full(len(stacks), np.nan)
    for center in np.flatnonzero(np.isfinite(pools).all(axis=(1, 2))):
        scores = np.empty((pools.shape[1], stacks.shape[1]))
        prepare(pools[center], comparison).score(stacks[center], scores)
        lower[center] = np.diagonal(scores)
        upper[center] = scores[-1].mean()
    return lower, upper
