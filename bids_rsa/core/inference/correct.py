"""From null distributions to p values: voxel-wise, family-wise, false discovery rate."""

import math

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.observed import TOLERANCE, with_tolerance

FloatArray = npt.NDArray[np.float64]


def count_p(counts: npt.ArrayLike, n_draws: int, exhaustive: bool) -> FloatArray:
    """Turn the number of draws that reached the observed value into p.

    Parameters
    ----------
    counts : array_like of int
        How many draws did.
    n_draws : int
        How many draws there were.
    exhaustive : bool
        All relabelings, the identity among them: count / all; else (count + 1) / (draws + 1)
        (Phipson and Smyth 2010, eq. 2).

    Returns
    -------
    ndarray of float64
    """
    counts = np.asarray(counts, dtype=np.float64)
    if exhaustive:
        return np.asarray(counts / n_draws, dtype=np.float64)
    return np.asarray((counts + 1.0) / (n_draws + 1.0), dtype=np.float64)


def familywise_p(
    observed: npt.ArrayLike, maxima: FloatArray, exhaustive: bool, tolerance: float = TOLERANCE
) -> FloatArray:
    """Compare observed values with the null distribution of the maximum: p.

    Parameters
    ----------
    observed : array_like
        Observed values, positive in the tested direction (magnitudes when two-sided).
    maxima : (n_draws,) float64
        The maximum in each draw.
    exhaustive : bool
        See ``count_p``.
    tolerance : float
        Rounding to allow for.

    Returns
    -------
    ndarray of float64
        A maximum counts when it is at least observed - tolerance * max(1, abs(observed)).
    """
    ordered = np.sort(maxima)
    below = np.searchsorted(ordered, with_tolerance(observed, tolerance), side="left")
    return count_p(len(ordered) - below, len(ordered), exhaustive)


def false_discovery_q(p: FloatArray) -> FloatArray:
    """Benjamini and Hochberg's adjusted p (1995, J R Stat Soc B 57), for (n_voxels,) p."""
    order = np.argsort(p, kind="stable")
    n = len(p)
    scaled = p[order] * n / np.arange(1, n + 1)
    q = np.empty(n)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return q


def voxels_needed_at_floor(n_voxels: int, smallest_p: float, alpha: float) -> int:
    """Count the voxels that must reach the smallest p before any survives the FDR at alpha."""
    return math.ceil(n_voxels * smallest_p / alpha - 1e-9)
