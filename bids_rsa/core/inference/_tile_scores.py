"""Compiled scores of a tile of voxels: correlations, Welch's t, and their t and z."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.inference._sums import sum_lines, weighted_sum
from bids_rsa.core.inference.plan import SMALLEST_REMAINDER
from bids_rsa.core.inference.zscore import KNOTS_PER_UNIT

FloatArray = npt.NDArray[np.float64]


@kernel
def _without_nuisance(correlation: FloatArray, sides: FloatArray, n_voxels: int) -> None:
    """Turn correlations into partial ones: divide by what the nuisance rows leave of norm 1."""
    for v in range(n_voxels):
        remainder = 1.0
        for k in range(1, len(sides)):
            remainder -= sides[k, v] * sides[k, v]
        correlation[v] /= np.sqrt(max(remainder, SMALLEST_REMAINDER))


@kernel
def keep_resolution(sides: FloatArray, least: FloatArray, start: int, stop: int) -> None:
    """Never take the residual share of variance, 1 - r^2, below ``least``, in place.

    What comes out is the correlation that belongs to the t with that variance, so that it still
    orders t over voxels.
    """
    correlation = sides[0]
    for v in range(stop - start):
        remainder = 1.0
        for k in range(1, len(sides)):
            remainder -= sides[k, v] * sides[k, v]
        share = least[start + v] / max(remainder, SMALLEST_REMAINDER)
        if 1.0 - correlation[v] * correlation[v] < share:
            ratio = correlation[v] / np.sqrt(share)
            correlation[v] = ratio / np.sqrt(1.0 + ratio * ratio)


@kernel
def flipped_correlation(
    tables: FloatArray,
    codes: npt.NDArray[np.uint8],
    d: int,
    n_voxels: int,
    sides: FloatArray,
) -> None:
    """Correlate the tested row with sign-flipped residuals, into the first row of ``sides``."""
    for k in range(len(sides)):
        sum_lines(tables, codes, k, d, n_voxels, sides)
    if len(sides) > 1:
        _without_nuisance(sides[0], sides, n_voxels)


@kernel
def permuted_correlation(
    weights: FloatArray,
    unit: FloatArray,
    start: int,
    stop: int,
    sides: FloatArray,
) -> None:
    """Correlate the permuted tested row with residuals, into the first row of ``sides``."""
    for k in range(len(sides)):
        weighted_sum(weights[k], unit, 0, start, stop, sides[k])
    if len(sides) > 1:
        _without_nuisance(sides[0], sides, stop - start)


@kernel
def welch_t(
    members: FloatArray,
    unit: FloatArray,
    least: FloatArray,
    start: int,
    stop: int,
    out: FloatArray,
    side: FloatArray,
) -> None:
    """Welch's t of centred, unit-norm data: the second group's sums follow from the first's.

    No group's variance is taken below ``least``.
    """
    n = len(members)
    n_a = members.sum()
    n_b = n - n_a
    weighted_sum(members, unit, 0, start, stop, out)
    weighted_sum(members, unit, n, start, stop, side)
    for v in range(stop - start):
        total = out[v]
        varies = 1.0 if side[v] > 0.0 or total != 0.0 else 0.0
        known = least[start + v]
        spread_a = max(side[v] - total * total / n_a, 0.0) / (n_a * (n_a - 1))
        spread_b = max(1.0 - side[v] - total * total / n_b, 0.0) / (n_b * (n_b - 1))
        spread_a, spread_b = max(spread_a, known / n_a), max(spread_b, known / n_b)
        error = np.sqrt(max(spread_a + spread_b, SMALLEST_REMAINDER))
        out[v] = varies * total * (1.0 / n_a + 1.0 / n_b) / error


@kernel
def to_t(scores: FloatArray, df: FloatArray, start: int, stop: int) -> None:
    """Correlation to t, in place."""
    for v in range(stop - start):
        remainder = max(1.0 - scores[v] * scores[v], SMALLEST_REMAINDER)
        scores[v] *= np.sqrt(df[start + v] / remainder)


@kernel
def to_z(
    scores: FloatArray,
    df: FloatArray,
    df_class: npt.NDArray[np.int32],
    table: FloatArray,
    start: int,
    stop: int,
) -> None:
    """Correlation to z by cubic interpolation of z / a (see zscore.ratio_table), in place."""
    last = table.shape[1] - 3
    for v in range(stop - start):
        r = scores[v]
        a = np.sqrt(-df[start + v] * np.log1p(-min(r * r, 1.0 - SMALLEST_REMAINDER)))
        place = a * KNOTS_PER_UNIT
        knot = min(max(int(place), 1), last)
        x = min(place, last + 1.0) - knot
        row = table[df_class[start + v]]
        below = -x * (x - 1.0) * (x - 2.0) / 6.0 * row[knot - 1]
        here = (x + 1.0) * (x - 1.0) * (x - 2.0) / 2.0 * row[knot]
        above = -(x + 1.0) * x * (x - 2.0) / 2.0 * row[knot + 1]
        beyond = (x + 1.0) * x * (x - 1.0) / 6.0 * row[knot + 2]
        scores[v] = np.sign(r) * a * (below + here + above + beyond)
