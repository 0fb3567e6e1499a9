"""The general linear model of a run, fitted by nilearn block by block of voxels."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import run_glm
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from bids_rsa.estimation.design import RunDesign, trial_designs

_LEAST_MEAN = 0.01  # of the extent of a voxel's series
_BLOCK = 1024  # voxels: nilearn contains several arrays of a block in double precision


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a fit gives.

    Parameters
    ----------
    effects, variances : ndarray, shape (n_estimates, n_voxels), float32
    """

    effects: NDArray[np.float32]
    variances: NDArray[np.float32]


def scale_factors(series: NDArray[np.float32], scale: str) -> NDArray[np.float64]:
    """Compute what the values of each voxel are multiplied with.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
    scale : str
        ``run``: the mean over all volumes, and the voxels that are not constant, becomes 100;
        ``voxel``: each voxel's own mean does; ``none``.

    Returns
    -------
    ndarray, shape (n_voxels,)
        NaN for voxels without a mean to divide by.

    Raises
    ------
    ValueError
        The mean over all voxels and volumes is not above 0, or the series vary around 0.
    """
    if scale == "none":
        return np.ones(series.shape[1])
    means = series.mean(axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore"):  # of infinite values
        extents = series.max(axis=0).astype(np.float64) - series.min(axis=0)
    counted = np.isfinite(means) & (extents > 0)
    total = means[counted].mean() if counted.any() else np.nan
    extent = np.median(extents[counted]) if counted.any() else np.nan
    # series without their means leave a mean of rounding errors or noise
    if not total > _LEAST_MEAN * extent:
        raise ValueError(f"the mean over voxels and volumes is {total:g}")
    if scale == "voxel":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(means > 0, 100.0 / means, np.nan)
    return np.full(series.shape[1], 100.0 / total)


def _constant(series: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Find the voxels with one value in all volumes: outside the field of view, or no brain."""
    return np.asarray(series.min(axis=0) == series.max(axis=0))


def fit_run(
    series: NDArray[np.float32],
    design: RunDesign,
    noise: str = "ols",
    scale: str = "run",
    keep_residuals: bool = False,
    n_threads: int = 1,
    on_progress: Callable[[int], None] = lambda n: None,
) -> Estimates:
    """Fit the design to every voxel.

    Parameters
    ----------
    series : ndarray, shape (n_volumes, n_voxels)
        With ``keep_residuals`` the residuals are written in its place. With trials estimated
        separately these are the residuals of all trials fitted together.
    design : Design
    noise : str
        ``ols`` or ``ar1`` (as nilearn fits it: coefficients in steps of .01).
    scale : str
        See `scale_factors`.
    keep_residuals : bool
    n_threads : int
        Changes no number.
    on_progress : callable
        Takes the number of voxels finished.

    Returns
    -------
    Estimates
        A voxel that is constant, like one outside the brain, has effects, variances and residuals
        of 0; one that is not finite in every volume has NaN, as have conditions without response.
    """
    factors = scale_factors(series, scale)
    shape = (len(design.conditions), series.shape[1])
    estimates = Estimates(np.empty(shape, np.float32), np.empty(shape, np.float32))
    models = list(trial_designs(design)) if design.separate else []

    def fit(block: slice) -> int:
        values = series[:, block] * factors[block]
        estimates.effects[:, block], estimates.variances[:, block], rest = _fit_block(
            values, design, models, noise
        )
        if keep_residuals:
            series[:, block] = rest
        return block.stop - block.start

    # blocks are the same whatever the threads, and so are the sums in them
    with threadpool_limits(1), ThreadPoolExecutor(n_threads) as pool:
        for done in pool.map(fit, _blocks(series.shape[1])):
            on_progress(done)
    return estimates


def _blocks(n_voxels: int) -> Iterator[slice]:
    """Cut the voxels into blocks."""
    for start in range(0, n_voxels, _BLOCK):
        yield slice(start, min(start + _BLOCK, n_voxels))


def _fit_block(
    values: NDArray[np.float64],
    design: RunDesign,
    models: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    noise: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Fit the voxels of a block; return effects, variances and residuals."""
    constant = _constant(values)
    fine = np.isfinite(values).all(axis=0) & ~constant
    effects = np.full((len(design.conditions), values.shape[1]), np.nan)
    variances, rest = effects.copy(), np.full(values.shape, np.nan)
    for numbers in (effects, variances, rest):
        numbers[:, constant] = 0
    if not fine.any():
        return effects, variances, rest
    chosen = values[:, fine]
    labels, results = run_glm(chosen, design.matrix, noise_model=noise)
    for number, contrast in enumerate(design.contrasts):
        fitted, weights = (labels, results), contrast
        if models:
            matrix, weights = models[number]
            fitted = run_glm(chosen, matrix, noise_model=noise)
        if not weights.any():  # a condition without response, whose columns were left out
            continue
        # nilearn also divides by the standard deviation, which is 0 where the fit is exact
        with np.errstate(divide="ignore"):
            fit = compute_contrast(*fitted, weights)
        effects[number, fine], variances[number, fine] = fit.effect_size(), fit.effect_variance()
    for label, result in results.items():
        own = np.flatnonzero(fine)[labels == label]
        rest[:, own] = values[:, own] - design.matrix @ result.theta
    return effects, variances, rest
