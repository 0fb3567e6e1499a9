"""How finely scores are known: no spread over subjects is taken to be smaller than that."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.group_scores import largest_correlation

FloatArray = npt.NDArray[np.float64]

# no score is taken to be known to better than a thousandth of itself
RELATIVE_RESOLUTION = 1e-3
# scores in maps of float32 that differ by less are the same score
SAME_SCORE = 1e-6


def score_resolution(
    scores: npt.ArrayLike, n_cells: int, step: float = 0.0, fisher: bool = True
) -> FloatArray:
    """Give the resolution of one map's scores, in the unit of the transformed score.

    Parameters
    ----------
    scores : array_like
        Scores of one participant before the transform; NaN stays NaN.
    n_cells : int
        Number of RDM cells that were compared.
    step : float
        Smallest step between two scores that the comparison can take with so many cells; 0 where
        scores are continuous. Where the scores of the map recur, their own smallest step counts
        if it is wider: ties in a model make it so.
    fisher : bool
        Whether scores are transformed by Fisher's z; a perfect correlation then stands half a
        rank step from 1, and is known to no better.

    Returns
    -------
    ndarray of float64
        Half a step towards 0, and at least a thousandth of the transformed score. It is the same
        for a map with its signs flipped.
    """
    scores = np.asarray(scores, dtype=np.float64)
    size = np.abs(scores)
    half = np.full(size.shape, max(step, recurring_step(scores[np.isfinite(scores)])) / 2)
    if not fisher:
        return np.asarray(np.fmax(half, RELATIVE_RESOLUTION * size) + 0 * size)
    largest = largest_correlation(n_cells)
    perfect = size > largest
    half[perfect] = np.maximum(half[perfect], 1 - largest)
    z = np.arctanh(np.where(perfect, largest, size))
    below = np.arctanh(np.maximum(np.where(perfect, largest, size) - half, -largest))
    return np.asarray(np.fmax(z - below, RELATIVE_RESOLUTION * z) + 0 * size, dtype=np.float64)


def recurring_step(scores: FloatArray) -> float:
    """Find the smallest step between the scores of a map; 0 where most of them are unique.

    Parameters
    ----------
    scores : (n,) float64
        Finite scores.
    """
    gaps = np.diff(np.sort(scores))
    steps = gaps[gaps > SAME_SCORE]
    recur = 2 * (len(steps) + 1) <= len(scores)
    return float(steps.min()) if recur and len(steps) else 0.0
