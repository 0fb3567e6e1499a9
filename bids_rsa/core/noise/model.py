"""What noise is estimated from: residuals of the first-level model, or repeated images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.noise.covariance import check_dof, check_method

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# bytes of samples that are read at a time
_SLAB = 2**25


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Samples of the noise in each voxel, and how a patch's covariance is estimated from them.

    Made by `noise_from_residuals` and `noise_from_images`.

    Attributes
    ----------
    samples : (n_voxels, n_samples) float32 or float64
        Residuals, or images; may be a memory map. Means are taken away when it is read.
    groups : tuple of (n_of_group,) int64
        Samples from which their common mean is taken away: runs, or conditions.
    dof : float
        Degrees of freedom.
    method : str
        See `bids_rsa.core.noise.covariance.noise_covariance`.
    source : str
        ``residuals`` or ``images``.
    variances : (n_voxels,) float64
        Sum of squares divided by dof; 0 where a voxel's samples do not vary, or are not finite.
    condition_of, fold_of : (n_samples,) int64
        Of images; empty for residuals.
    """

    samples: NDArray[np.floating[Any]]
    groups: tuple[Integers, ...]
    dof: float
    method: str
    source: str
    variances: Floats = field(repr=False)
    condition_of: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    fold_of: Integers = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def n_samples(self) -> int:
        """Number of residual volumes, or of images."""
        return int(self.samples.shape[1])

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Voxels (n_voxels,) whose noise varies; the others belong to no patch."""
        return self.variances > 0

    def deviations(self, voxels: Any) -> Floats:
        """Return samples (n_chosen, n_samples) as float64, without the groups' means."""
        return _deviations(self.samples, self.groups, voxels)


def noise_from_residuals(
    residuals: NDArray[np.floating[Any]],
    run_of: ArrayLike | None = None,
    dof: float | None = None,
    method: str = "shrinkage",
) -> NoiseModel:
    """Estimate noise from the residuals of the first-level model.

    Parameters
    ----------
    residuals : (n_voxels, n_volumes) float32 or float64
        One row for each voxel, in the order of the patterns; may be a memory map.
    run_of : (n_volumes,) array_like, optional
        Run of each volume; the mean of each run is taken away. One run without it.
    dof : float, optional
        Sum over runs of the volumes minus the rank of the design; without it one is subtracted
        for each run.
    method : str
        ``diagonal``, ``shrinkage``, ``shrinkage-identity`` or ``full``; see `noise_covariance`.

    Returns
    -------
    NoiseModel

    Raises
    ------
    ValueError
        Arrays that don't fit each other, an unknown method, or dof that are not positive.
    """
    samples = _checked(residuals, "residuals", "n_volumes")
    runs = _labels(run_of, samples.shape[1], "run_of")
    groups = _groups(runs)
    dof = float(samples.shape[1] - len(groups) if dof is None else dof)
    check_method(method)
    check_dof(dof)
    return NoiseModel(samples, groups, dof, method, "residuals", _variances(samples, groups, dof))


def noise_from_images(
    images: NDArray[np.floating[Any]],
    condition_of: ArrayLike,
    fold_of: ArrayLike | None = None,
    method: str = "shrinkage",
) -> NoiseModel:
    """Estimate noise from the deviations of images from the mean of their condition.

    Parameters
    ----------
    images : (n_voxels, n_images) float32 or float64
        One row for each voxel, in the order of the patterns; may be a memory map.
    condition_of : (n_images,) array_like of int
        Position of each image's condition among the conditions of the patterns.
    fold_of : (n_images,) array_like of int, optional
        Position of each image's fold among the folds of the patterns; one fold without it.
    method : str
        See `noise_from_residuals`.

    Returns
    -------
    NoiseModel
        Its degrees of freedom are images minus conditions.

    Raises
    ------
    ValueError
        Arrays that don't fit each other, an unknown method, or no condition with two images.
    """
    samples = _checked(images, "images", "n_images")
    conditions = _labels(condition_of, samples.shape[1], "condition_of").astype(np.int64)
    folds = _labels(fold_of, samples.shape[1], "fold_of").astype(np.int64)
    groups = _groups(conditions)
    dof = float(samples.shape[1] - len(groups))
    check_method(method)
    if dof <= 0:
        raise ValueError(
            f"{samples.shape[1]} images of {len(groups)} conditions leave no degrees of freedom: "
            "noise can be estimated only from conditions with several images"
        )
    return NoiseModel(
        samples, groups, dof, method, "images", _variances(samples, groups, dof), conditions, folds
    )


def no_noise(n_voxels: int) -> NoiseModel:
    """Return the noise model of independent voxels with variance 1: nothing is normalised."""
    samples = np.empty((n_voxels, 0))
    return NoiseModel(samples, (), 1.0, "none", "none", np.ones(n_voxels))


def _checked(samples: Any, name: str, axis: str) -> NDArray[np.floating[Any]]:
    """Check the samples' shape and type."""
    if samples.ndim != 2 or samples.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"{name} must be (n_voxels, {axis}) of float32 or float64, not {samples.dtype} of "
            f"shape {samples.shape}"
        )
    checked: NDArray[np.floating[Any]] = samples
    return checked


def _labels(labels: ArrayLike | None, n: int, name: str) -> NDArray[Any]:
    """Return one label for each sample."""
    array = np.zeros(n, dtype=np.int64) if labels is None else np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"{name} must have one entry for each of {n}, not shape {array.shape}")
    return array


def _groups(labels: NDArray[Any]) -> tuple[Integers, ...]:
    """Positions of the samples with each label."""
    return tuple(np.flatnonzero(labels == label) for label in np.unique(labels))


def _deviations(samples: NDArray[Any], groups: Sequence[Integers], voxels: Any) -> Floats:
    """Take the mean of each group away."""
    values = np.array(samples[voxels], dtype=np.float64)
    for group in groups:
        first, last = int(group[0]), int(group[-1])
        # volumes of a run lie side by side: a slice needs no copy
        part: Any = slice(first, last + 1) if last - first + 1 == len(group) else group
        values[:, part] -= values[:, part].mean(axis=1, keepdims=True)
    return values


def _variances(samples: NDArray[Any], groups: Sequence[Integers], dof: float) -> Floats:
    """Divide sums of squares by dof; 0 where a voxel is constant or not finite."""
    step = max(1, _SLAB // (8 * samples.shape[1]))
    variances = np.zeros(len(samples))
    for start in range(0, len(samples), step):
        part = slice(start, start + step)
        with np.errstate(invalid="ignore", over="ignore"):
            values = _deviations(samples, groups, part)
            squares = np.einsum("vn,vn->v", values, values)
        # what is left of a constant by rounding is no variance
        largest = np.abs(np.asarray(samples[part], dtype=np.float64)).max(axis=1, initial=0.0)
        rounding = (largest * 1e-12) ** 2 * samples.shape[1]
        variances[part] = np.where(np.isfinite(squares) & (squares > rounding), squares, 0.0) / dof
    return variances
