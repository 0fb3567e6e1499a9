"""From null distributions to p values: voxel-wise, family-wise, false discovery rate."""

import math

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.observed import TOLERANCE, with_tolerance

FloatArray = npt.NDArray[np.float64]


def count_p(
    counts: npt.ArrayLike, n_draws: int, exhaustive: bool, smallest: float = 0.0
) -> FloatArray:
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
    smallest : float
        The smallest p that all relabelings together can give, as `smallest_possible_p` finds it.
        A random sample may miss both the observed labelling and its mirror image, and its p would
        be smaller.

    Returns
    -------
    ndarray of float64
    """
    counts = np.asarray(counts, dtype=np.float64)
    if exhaustive:
        return np.asarray(counts / n_draws, dtype=np.float64)
    return np.maximum((counts + 1.0) / (n_draws + 1.0), smallest)


def familywise_p(
    observed: npt.ArrayLike,
    maxima: FloatArray,
    exhaustive: bool,
    tolerance: float = TOLERANCE,
    *,
    smallest: float = 0.0,
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
    smallest : float
        See ``count_p``.

    Returns
    -------
    ndarray of float64
        A maximum counts when it is at least observed - tolerance * max(1, abs(observed)).
    """
    ordered = np.sort(maxima)
    below = np.searchsorted(ordered, with_tolerance(observed, tolerance), side="left")
    return count_p(len(ordered) - below, len(ordered), exhaustive, smallest)


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
