"""Definitions of dissimilarities with a noise covariance, patch by patch."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cholesky, eigh, solve_triangular

from bids_rsa.core.dissimilarity.codes import EUCLIDEAN, PRODUCTS, SQUARES_PER_VOXEL
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.dissimilarity.table import (
    SQUARED_DISTANCE,
    Dissimilarity,
    check_folds,
    dissimilarities_with_noise,
    find_dissimilarity,
)
from bids_rsa.core.noise.covariance import NoiseCovariance
from bids_rsa.core.noise.differences import (
    NEAR_FOR_DIFFERENCES,
    some_lie_near,
    squares_of_differences,
)
from bids_rsa.core.noise.lapack import is_definite

Floats = NDArray[np.float64]

ASYMMETRY = 1e-6  # of the largest entry: more than the rounding of a covariance kept as float32


def crossnobis(folds: ArrayLike, covariance: ArrayLike | None = None) -> Floats:
    """Compute the cross-validated Mahalanobis distances between patterns.

    The mean over pairs of different folds of (a - b)' S^-1 (a - b), where the two differences are
    of different folds, divided by the number of voxels (Walther et al. 2016, NeuroImage 137). Its
    expectation is 0 where two patterns do not differ, so that estimates are also negative.

    Parameters
    ----------
    folds : (n_folds, n_items, n_voxels) array_like
        At least two folds.
    covariance : (n_voxels, n_voxels) array_like, optional
        S; the identity without it.

    Returns
    -------
    rdm : (n_items * (n_items - 1) / 2,) float64
        Condensed.

    Raises
    ------
    ValueError
        Folds or a covariance of another shape, fewer than two folds, or a covariance that is not
        positive definite.

    Examples
    --------
    >>> from bids_rsa import crossnobis
    >>> folds = [[[0, 0], [2, 1]], [[0, 0], [2, -1]]]
    >>> crossnobis(folds).tolist()  # (2 * 2 - 1 * 1) / 2 voxels
    [1.5]
    """
    patterns = np.array(folds, dtype=np.float64)
    if patterns.ndim != 3 or len(patterns) < 2:
        raise ValueError(
            "crossnobis needs (n_folds, n_items, n_voxels) with at least two folds, not shape "
            f"{patterns.shape}"
        )
    return np.asarray(_squares(patterns, covariance) / patterns.shape[2])


def mahalanobis(patterns: ArrayLike, covariance: ArrayLike | None = None) -> Floats:
    """Compute squared Mahalanobis distances between patterns, divided by the number of voxels.

    Parameters
    ----------
    patterns : (n_items, n_voxels) array_like
        The pattern of each item.
    covariance : (n_voxels, n_voxels) array_like, optional
        S; the identity without it.

    Returns
    -------
    rdm : (n_items * (n_items - 1) / 2,) float64
        Condensed (a - b)' S^-1 (a - b) / n_voxels. Noise makes it larger than it is:
        see `crossnobis`.

    Raises
    ------
    ValueError
        Patterns or a covariance of another shape, or a covariance that is not positive definite.

    Examples
    --------
    >>> from bids_rsa import mahalanobis
    >>> mahalanobis([[0, 0], [2, 2]], covariance=[[1, 0], [0, 4]]).tolist()  # (4 / 1 + 4 / 4) / 2
    [2.5]
    """
    items = np.array(patterns, dtype=np.float64)
    if items.ndim != 2:
        raise ValueError(f"patterns must be (n_items, n_voxels), not of shape {items.shape}")
    return np.asarray(_squares(items[None], covariance) / items.shape[1])


class NotDefiniteError(ValueError):
    """A covariance that cannot be inverted."""


def whiten(patterns: ArrayLike, covariance: ArrayLike) -> Floats:
    """Multiply patterns by S^-1/2, the symmetric root (multivariate noise normalisation).

    Parameters
    ----------
    patterns : (..., n_voxels) array_like
        Any number of patterns.
    covariance : (n_voxels, n_voxels) array_like
        S, positive definite.

    Returns
    -------
    whitened : (..., n_voxels) float64
        Their noise is uncorrelated between voxels, with variance 1.

    Raises
    ------
    ValueError
        A covariance of another shape, or one that is not positive definite.

    Examples
    --------
    >>> from bids_rsa import whiten
    >>> whiten([[1, 2], [3, 4]], covariance=[[1, 0], [0, 4]]).tolist()
    [[1.0, 1.0], [3.0, 2.0]]
    """
    items = np.array(patterns, dtype=np.float64)
    sizes, axes = eigh(_checked(covariance, items.shape[-1]))
    if not sizes[0] > sizes[-1] * len(sizes) * np.finfo(np.float64).eps:
        raise NotDefiniteError(_NOT_DEFINITE)
    return np.asarray(items @ ((axes / np.sqrt(sizes)) @ axes.T))


def noise_rdm(folds: ArrayLike, metric: str, covariance: ArrayLike) -> Floats:
    """Compute the RDM of one patch with its noise covariance.

    Parameters
    ----------
    folds : (n_folds, n_items, n_voxels) array_like
        One fold: not cross-validated.
    metric : str
        ``crossnobis``, ``mahalanobis``, or ``correlation``, ``cosine``, ``euclidean``,
        ``sqeuclidean`` of patterns whitened by `whiten`.
    covariance : (n_voxels, n_voxels) array_like

    Returns
    -------
    rdm : (n_cells,) float64
        Condensed; NaN where undefined.

    Raises
    ------
    ValueError
        An unknown metric, ``mahalanobis`` with folds, or what `crossnobis` and `whiten` raise.
    """
    items = np.array(folds, dtype=np.float64)
    known = find_dissimilarity(metric)
    check_noise_metric(known, len(items))
    if known.needs_folds:
        return crossnobis(items, covariance)
    if known.noise_code == SQUARES_PER_VOXEL:
        return mahalanobis(items[0], covariance)
    if known.gram_code in PRODUCTS:
        return patch_rdm(np.ascontiguousarray(whiten(items, covariance)), metric, False, {})
    squares = _squares(items, covariance)
    if known.noise_code == EUCLIDEAN:
        return np.asarray(np.sign(squares) * np.sqrt(np.abs(squares)))
    return squares


def check_noise_metric(known: Dissimilarity, n_folds: int) -> None:
    """Refuse what no noise covariance goes with, or not with so many folds.

    Raises
    ------
    ValueError
    """
    if known.noise_code is None:
        raise ValueError(
            f"{known.name} takes no noise covariance; those that do: "
            f"{', '.join(dissimilarities_with_noise())}"
        )
    check_folds(known, n_folds)
    if known.noise_code == SQUARES_PER_VOXEL and not known.needs_folds and n_folds > 1:
        raise ValueError(
            f"{known.name} with a noise covariance is not cross-validated; with folds use "
            f"{crossnobis.__name__}"
        )


_NOT_DEFINITE = "the noise covariance is not positive definite, so it cannot be inverted"


def _checked(covariance: ArrayLike, n_voxels: int) -> Floats:
    """Check the shape of a covariance, and that it is finite and symmetric."""
    if isinstance(covariance, NoiseCovariance):
        raise TypeError("the noise covariance must be an array: pass its attribute matrix")
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (n_voxels, n_voxels):
        raise ValueError(
            f"the noise covariance must be ({n_voxels}, {n_voxels}) for {n_voxels} voxels, not of "
            f"shape {matrix.shape}"
        )
    if not np.isfinite(matrix).all():
        raise ValueError("the noise covariance contains values that are not finite")
    if np.abs(matrix - matrix.T).max(initial=0.0) > ASYMMETRY * np.abs(matrix).max(initial=0.0):
        raise ValueError("the noise covariance is not symmetric")
    return matrix


def _about_middle(patterns: Floats) -> Floats:
    """Subtract the median item of patterns (..., n_items, n_voxels).

    Differences don't change by what all items share, and keep their digits.
    """
    if not patterns.size:
        return patterns
    middle = np.sort(patterns, axis=-2)[..., [patterns.shape[-2] // 2], :]
    return np.asarray(patterns - np.where(np.isfinite(middle), middle, 0.0))


def _squares(folds: Floats, covariance: ArrayLike | None) -> Floats:
    """Squared distances through S^-1 (n_cells,), the unbiased ones of several folds."""
    decorrelate = _decorrelation(covariance, folds.shape[2])
    items = decorrelate(_about_middle(folds))
    rows = items.transpose(1, 0, 2).reshape(items.shape[1], -1)
    if some_lie_near(rows @ rows.T, NEAR_FOR_DIFFERENCES):
        return squares_of_differences(folds, decorrelate)
    return patch_rdm(items, SQUARED_DISTANCE, False, {})


def _decorrelation(covariance: ArrayLike | None, n_voxels: int) -> Callable[[Floats], Floats]:
    """Return what multiplies patterns by an inverse root of S, the same for all folds."""
    if covariance is None:
        return np.ascontiguousarray
    matrix = _checked(covariance, n_voxels)
    try:
        factor = cholesky(matrix, lower=True)
    except np.linalg.LinAlgError:
        raise NotDefiniteError(_NOT_DEFINITE) from None
    if not is_definite(factor, matrix.diagonal()):
        raise NotDefiniteError(_NOT_DEFINITE)

    def decorrelate(patterns: Floats) -> Floats:
        rows = patterns.reshape(-1, n_voxels)
        solved = solve_triangular(factor, rows.T, lower=True, check_finite=False)
        return np.ascontiguousarray(solved.T).reshape(patterns.shape)

    return decorrelate
