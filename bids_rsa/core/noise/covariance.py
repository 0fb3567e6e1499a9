"""The noise covariance of one patch, by its four estimators."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# products of images take the rows of all folds at once: beyond this, voxels' covariances are used
MOST_BYTES = 2**30
METHODS = ("none", "diagonal", "shrinkage", "shrinkage-identity", "full")


@dataclass(frozen=True, eq=False)
class NoiseCovariance:
    """The noise covariance of one patch.

    Attributes
    ----------
    matrix : (n_voxels, n_voxels) float64
    shrinkage : float
        Share of the target in the estimate, 0 to 1; NaN where the method does not shrink.
    """

    matrix: Floats
    shrinkage: float


def noise_covariance(
    residuals: ArrayLike, dof: float | None = None, method: str = "shrinkage"
) -> NoiseCovariance:
    """Estimate the noise covariance of the voxels of a patch.

    Parameters
    ----------
    residuals : (n_samples, n_voxels) array_like
        Residuals of the first-level model with mean 0 in each run, or deviations of images from
        the mean of their condition.
    dof : float, optional
        Degrees of freedom of the residuals; ``n_samples - 1`` without it.
    method : str
        ``none``: the identity. ``diagonal``: variances alone. ``shrinkage``: off-diagonal entries
        shrunk towards 0 (Schäfer and Strimmer 2005, in the form of rsatoolbox's
        ``shrinkage_diag``). ``shrinkage-identity``: shrunk towards a multiple of the identity
        (Ledoit and Wolf 2004, rsatoolbox's ``shrinkage_eye``). ``full``: not shrunk.

    Returns
    -------
    NoiseCovariance
        The ``matrix`` (n_voxels, n_voxels), and the ``shrinkage`` in it.

    Raises
    ------
    ValueError
        Residuals that are not two-dimensional and finite, an unknown method, dof that are not
        positive or more than the samples, a voxel without variance, or ``full`` with fewer
        degrees of freedom than voxels.

    Examples
    --------
    >>> import numpy as np
    >>> from bids_rsa import noise_covariance
    >>> residuals = np.random.default_rng(0).normal(size=(200, 3))
    >>> found = noise_covariance(residuals)
    >>> found.matrix.shape, bool(0 <= found.shrinkage <= 1)
    ((3, 3), True)
    """
    samples = np.array(residuals, dtype=np.float64)
    if samples.ndim != 2:
        raise ValueError(f"residuals must be (n_samples, n_voxels), not of shape {samples.shape}")
    if not np.isfinite(samples).all():
        raise ValueError("residuals contain values that are not finite")
    dof = len(samples) - 1 if dof is None else dof
    check_method(method)
    check_dof(dof, len(samples))
    n_voxels = samples.shape[1]
    if method == "none":
        return NoiseCovariance(np.eye(n_voxels), np.nan)
    if not (samples != 0).any(axis=0).all():
        raise ValueError("a voxel's residuals are all 0; leave it out of the patch")
    if method == "full":
        check_full(dof, n_voxels)
    matrix, shrinkage = _ESTIMATORS[method](samples, dof)
    return NoiseCovariance(matrix, shrinkage)


def check_method(method: str) -> None:
    """Refuse an unknown estimator; the message lists the known ones."""
    if method not in METHODS:
        raise ValueError(f"unknown noise estimator '{method}'; known: {', '.join(METHODS)}")


def check_dof(dof: float, n_samples: float = np.inf) -> None:
    """Refuse degrees of freedom that are not a number above 0, and up to that of the samples."""
    if not isinstance(dof, Real):
        raise TypeError(f"the degrees of freedom must be a number, not {dof!r}")
    if not (np.isfinite(dof) and dof > 0):
        raise ValueError(f"the degrees of freedom must be above 0, not {dof:g}")
    if dof > n_samples:
        raise ValueError(f"{dof:g} degrees of freedom are more than the {n_samples:g} samples")


def check_full(dof: float, n_voxels: int) -> None:
    """Refuse the unshrunk covariance where it is singular."""
    if dof < n_voxels:
        raise ValueError(
            f"the full noise covariance of {n_voxels} voxels cannot be inverted with {dof:g} "
            "degrees of freedom; use shrinkage, or smaller patches"
        )


def _diagonal(samples: Floats, dof: float) -> tuple[Floats, float]:
    """Variances alone."""
    return np.diag((samples**2).sum(axis=0) / dof), np.nan


def _full(samples: Floats, dof: float) -> tuple[Floats, float]:
    """Return the sample covariance."""
    return samples.T @ samples / dof, np.nan


def _shrinkage(samples: Floats, dof: float) -> tuple[Floats, float]:
    """Shrink off-diagonal entries; intensity from the variances of the correlations."""
    n = len(samples)
    covariance = samples.T @ samples / dof
    units = samples / np.sqrt(np.diag(covariance))
    means = units.T @ units / (n - 1)
    squares = (units**2).T @ units**2 / (n - 1)
    others = ~np.eye(len(covariance), dtype=bool)
    variance = n / dof**2 * np.sum((squares - means**2)[others])
    signal = np.sum(means[others] ** 2)
    # one voxel, or uncorrelated ones: nothing is there to shrink
    intensity = float(np.clip(variance / signal, 0.0, 1.0)) if signal > 0 else 1.0
    return np.where(others, (1 - intensity) * covariance, covariance), intensity


def _shrinkage_identity(samples: Floats, dof: float) -> tuple[Floats, float]:
    """Shrink towards the mean variance times the identity."""
    n, n_voxels = samples.shape
    covariance = samples.T @ samples / n
    squares = (samples**2).T @ samples**2 / n
    target = np.trace(covariance) / n_voxels * np.eye(n_voxels)
    distance = np.sum((covariance - target) ** 2)
    variance = np.sum(squares - covariance**2) / n
    intensity = float(min(variance / distance, 1.0)) if distance > 0 else 1.0
    return (intensity * target + (1 - intensity) * covariance) * (n / dof), intensity


_ESTIMATORS = {
    "diagonal": _diagonal,
    "shrinkage": _shrinkage,
    "shrinkage-identity": _shrinkage_identity,
    "full": _full,
}
