"""What noise is estimated from: residuals of the first-level model, or repeated images."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.noise.covariance import check_dof, check_method
from bids_rsa.core.noise.samples import (
    checked_samples,
    deviations_of,
    groups_of,
    labels_of,
    positions_of,
    rank_of,
    span_of,
    variances_of,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class NoiseModel:
    """Samples of the noise in each voxel, and how a patch's covariance is estimated from them.

    Made by `noise_from_residuals` and `noise_from_images`.

    Attributes
    ----------
    samples : (n_voxels, n_samples) float32 or float64
        Residuals, or images; may be a memory map. Means are subtracted when it is read.
    groups : tuple of (n_of_group,) int64
        Samples whose common mean is subtracted: runs, or conditions.
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
    held_out : bool
        The covariance that weights a fold is that of the other folds' images: see
        `noise_from_images`.
    run_of : (n_samples,) int64
        Of images whose runs' means are subtracted as well; else empty.
    basis : (n_samples, rank) float64, optional
        Spans the means of conditions and of runs.
    columns : (n_samples,) int64, optional
        The columns of ``samples`` that are used; all of them without it.
    """

    samples: NDArray[np.floating[Any]]
    groups: tuple[Integers, ...]
    dof: float
    method: str
    source: str
    variances: Floats = field(repr=False)
    condition_of: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    fold_of: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    held_out: bool = False
    run_of: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    basis: Floats | None = None
    columns: Integers | None = None

    @property
    def n_samples(self) -> int:
        """Number of residual volumes, or of images."""
        return int(self.samples.shape[1] if self.columns is None else len(self.columns))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Voxels (n_voxels,) whose noise varies; the others belong to no patch."""
        return self.variances > 0

    def deviations(self, voxels: Any) -> Floats:
        """Return samples (n_chosen, n_samples) as float64, without the groups' means."""
        return deviations_of(self.samples, self.groups, voxels, self.columns, self.basis)

    def of_voxels(self, voxels: slice) -> "NoiseModel":
        """Return the noise of a range of voxels."""
        return replace(self, samples=self.samples[voxels], variances=self.variances[voxels])

    def of_folds(self, folds: Sequence[int]) -> "NoiseModel":
        """Return the noise of the images of some folds, which are renumbered in this order.

        Raises
        ------
        ValueError
            No condition has two images in these folds, or, held out, in these but one.
        """
        numbers = np.full(int(self.fold_of.max()) + 1, -1)
        numbers[list(folds)] = np.arange(len(folds))
        kept = np.flatnonzero(numbers[self.fold_of] >= 0)
        columns = kept if self.columns is None else self.columns[kept]
        return _of_images(
            self.samples, self.condition_of[kept], numbers[self.fold_of[kept]], self.method,
            self.held_out, self.run_of[kept] if len(self.run_of) else None, columns,
        )  # fmt: skip

    def without_fold(self, fold: int) -> "NoiseModel":
        """Return the noise of the images of all other folds, as one estimate."""
        others = [int(one) for one in np.unique(self.fold_of) if one != fold]
        return replace(self, held_out=False).of_folds(others)


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
        Run of each volume; the mean of each run is subtracted. By default there is one run.
    dof : float, optional
        Sum over runs of the volumes minus the rank of the design; without it one is subtracted
        for each run.
    method : str
        ``diagonal``, ``shrinkage``, ``shrinkage-identity`` or ``full``; see `noise_covariance`.

    Returns
    -------
    NoiseModel
        To be passed as ``noise`` to `searchlight_rsa`.

    Raises
    ------
    ValueError
        Arrays that don't fit each other, an unknown method, or dof that are not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from bids_rsa import noise_from_residuals
    >>> residuals = np.random.default_rng(0).normal(size=(50, 120))  # 50 voxels, 120 volumes
    >>> noise_from_residuals(residuals, run_of=np.repeat([1, 2], 60)).dof
    118.0
    """
    samples = checked_samples(residuals, "residuals", "n_volumes")
    runs = labels_of(run_of, samples.shape[1], "run_of")
    groups = groups_of(runs)
    dof = float(samples.shape[1] - len(groups) if dof is None else dof)
    check_method(method)
    check_dof(dof, samples.shape[1])
    return NoiseModel(samples, groups, dof, method, "residuals", variances_of(samples, groups, dof))


def noise_from_images(
    images: NDArray[np.floating[Any]],
    condition_of: ArrayLike,
    fold_of: ArrayLike | None = None,
    method: str = "shrinkage",
    held_out: bool = True,
    run_of: ArrayLike | None = None,
) -> NoiseModel:
    """Estimate noise from the deviations of images from the mean of their condition.

    Patterns of the same images are not independent of one covariance of them all. The deviations
    of a condition's images add up to 0: where they are large in one fold, the covariance is, too,
    and they are large with the opposite sign in the others. So products of different folds are
    above 0 on average where nothing differs. By default folds are therefore held out: the products
    of a fold and the mean of the others go through the covariance of the others' images alone, and
    are averaged over folds. The fold's patterns are independent of all else in its product, so
    its expectation is 0.

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
    held_out : bool
        With several folds, weight each by the covariance of the others' images. False: one
        covariance of all images, as in rsatoolbox; cross-validated distances are then biased
        upwards.
    run_of : (n_images,) array_like of int, optional
        Run of each image, for patterns from which the mean over conditions was subtracted. What
        all images of a run share is not noise of such patterns: deviations are then those from
        the sum of a condition's and a run's mean.

    Returns
    -------
    NoiseModel
        Its degrees of freedom are images minus conditions, with ``run_of`` minus the rank of
        conditions and runs; those of a covariance without a fold
        are fewer by the fold's images.

    Raises
    ------
    ValueError
        Arrays that don't fit each other, an unknown method, or no condition with two images, held
        out also without one of the folds.

    Examples
    --------
    >>> import numpy as np
    >>> from bids_rsa import noise_from_images
    >>> images = np.random.default_rng(0).normal(size=(50, 12))  # 4 conditions in 3 folds
    >>> noise = noise_from_images(images, np.tile(range(4), 3), np.repeat(range(3), 4))
    >>> noise.dof, noise.held_out
    (8.0, True)
    """
    samples = checked_samples(images, "images", "n_images")
    conditions = positions_of(condition_of, samples.shape[1], "condition_of")
    folds = positions_of(fold_of, samples.shape[1], "fold_of")
    runs = None if run_of is None else positions_of(run_of, samples.shape[1], "run_of")
    return _of_images(samples, conditions, folds, method, held_out, runs, None)


def images_left(
    condition_of: ArrayLike, fold_of: ArrayLike, run_of: ArrayLike | None = None
) -> int:
    """Count the degrees of freedom that images leave without a fold, where they are fewest.

    Parameters
    ----------
    condition_of, fold_of : (n_images,) array_like of int
    run_of : (n_images,) array_like of int, optional
        See `noise_from_images`.

    Returns
    -------
    int
        Images minus conditions, and runs; of all images where there is one fold.
    """
    conditions, folds = np.asarray(condition_of), np.asarray(fold_of)
    runs = None if run_of is None else np.asarray(run_of)
    names = np.unique(folds)
    kept = [folds != name for name in names] if len(names) > 1 else [folds == folds]
    return min(
        int(one.sum()) - rank_of(conditions[one], None if runs is None else runs[one])
        for one in kept
    )


def _of_images(
    samples: NDArray[np.floating[Any]],
    conditions: Integers,
    folds: Integers,
    method: str,
    held_out: bool,
    runs: Integers | None,
    columns: Integers | None,
) -> NoiseModel:
    """Check degrees of freedom, and find the variances of the chosen columns."""
    groups = groups_of(conditions)
    basis = None if runs is None else span_of(conditions, runs)
    dof = float(len(conditions) - (len(groups) if basis is None else basis.shape[1]))
    held_out = held_out and len(np.unique(folds)) > 1
    check_method(method)
    if dof <= 0:
        raise ValueError(
            f"{len(conditions)} images of {len(groups)} conditions"
            f"{'' if runs is None else ' and of their runs'} leave no degrees of freedom: "
            "noise can be estimated only from conditions with several images"
        )
    if held_out and images_left(conditions, folds, runs) <= 0:
        raise ValueError(
            "without one of the folds no condition has two images: the noise of the others cannot "
            "be estimated. It takes three folds, or several images of a condition in each"
        )
    return NoiseModel(
        samples, groups, dof, method, "images",
        variances_of(samples, groups, dof, columns, basis), conditions, folds, held_out,
        np.empty(0, np.int64) if runs is None else runs, basis, columns,
    )  # fmt: skip


def no_noise(n_voxels: int) -> NoiseModel:
    """Return the noise model of independent voxels with variance 1: nothing is normalised."""
    samples = np.empty((n_voxels, 0))
    return NoiseModel(samples, (), 1.0, "none", "none", np.ones(n_voxels))
