"""Scores of many subjects made ready for a test: Fisher's z, common voxels, smoothing in a mask."""

import numpy as np
import numpy.typing as npt
import scipy

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# a correlation this near to 1 has no finite z
LIMIT = 1e-12
FWHM_PER_SIGMA = float(np.sqrt(8 * np.log(2)))


def largest_correlation(n_cells: int) -> float:
    """Give the largest correlation that is told from a perfect one: half a rank step below it.

    Spearman's rho of ``n_cells`` cells moves in steps of ``12 / (m (m^2 - 1))`` at least.
    """
    return min(1.0 - 6.0 / (n_cells * (n_cells**2 - 1.0)), 1.0 - LIMIT)


def fisher_z(scores: npt.ArrayLike, n_cells: int) -> tuple[FloatArray, int]:
    """Transform correlations by Fisher's z.

    Those nearer to 1 than half a rank step are taken half a rank step from it, so that no perfect
    correlation gets a smaller z than another.

    Parameters
    ----------
    scores : array_like
        Correlations; NaN stays NaN.
    n_cells : int
        Number of RDM cells that were correlated, at least 3.

    Returns
    -------
    z : ndarray of float64
    n_limited : int
        How many correlations were limited.

    Raises
    ------
    ValueError
        Values beyond -1 and 1 by more than rounding of float32, or too few cells.
    """
    if n_cells < 3:
        raise ValueError(f"Fisher's z needs at least 3 cells, found {n_cells}")
    scores = np.array(scores, dtype=np.float64)
    magnitude = np.abs(scores)
    if (magnitude > 1 + 1e-6).any():
        raise ValueError(f"a correlation of {np.nanmax(magnitude):g} exceeds 1")
    largest = largest_correlation(n_cells)
    limited = magnitude > largest
    scores[limited] = np.sign(scores[limited]) * largest
    return np.arctanh(scores), int(limited.sum())


def common_voxels(inside: BoolArray, coverage: float) -> tuple[BoolArray, npt.NDArray[np.int64]]:
    """Find the voxels that enough subjects have.

    Parameters
    ----------
    inside : (n_subjects, ...) bool
        Where each subject has a finite score.
    coverage : float
        Share of the subjects that must have a voxel, in (0, 1]; never fewer than two subjects.

    Returns
    -------
    common : (...) bool
        The voxels.
    lost_alone : (n_subjects,) int64
        For each subject, the voxels that would be common without this one subject and are not.
    """
    n = len(inside)
    needed = max(2, int(np.ceil(coverage * n - 1e-9)))
    counts = inside.sum(axis=0, dtype=np.int64)
    needed_without = max(2, int(np.ceil(coverage * (n - 1) - 1e-9)))
    lost = [((counts - own >= needed_without) & (counts < needed) & ~own).sum() for own in inside]
    return counts >= needed, np.array(lost, dtype=np.int64)


def smooth_inside(
    volume: FloatArray, inside: BoolArray, fwhm_mm: float, voxel_sizes_mm: npt.ArrayLike
) -> FloatArray:
    """Smooth a volume with a Gaussian that takes nothing from outside a mask.

    Parameters
    ----------
    volume : (X, Y, Z) float64
        Values; what stands outside is not looked at.
    inside : (X, Y, Z) bool
        The mask.
    fwhm_mm : float
        Full width at half maximum in mm; 0 changes nothing.
    voxel_sizes_mm : (3,) array_like
        Lengths of the voxel edges in mm.

    Returns
    -------
    (X, Y, Z) float64
        Weighted means of the values inside, NaN outside.
    """
    result = np.where(inside, volume, np.nan)
    if fwhm_mm == 0:
        return result
    sigma = fwhm_mm / FWHM_PER_SIGMA / np.asarray(voxel_sizes_mm, dtype=np.float64)
    values = scipy.ndimage.gaussian_filter(np.where(inside, volume, 0.0), sigma, mode="constant")
    weights = scipy.ndimage.gaussian_filter(inside.astype(np.float64), sigma, mode="constant")
    result[inside] = values[inside] / weights[inside]
    return result
