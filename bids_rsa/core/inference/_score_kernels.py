"""Compiled kernels from relabelled contrast rows to statistics, in tiles of voxels."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.vectors import LANES, pointer_to, put
from bids_rsa.core.inference.plan import ScoredData

FloatArray = npt.NDArray[np.float64]

TILE = 256  # voxels; the sums of 20 flipped subjects are 40 kB and stay in the nearest cache
SUBJECTS_PER_TABLE = 4
CODES = 1 << SUBJECTS_PER_TABLE
SMALLEST_REMAINDER = 1e-14
KNOTS_PER_UNIT = 64.0


@kernel
def _weighted_sum(
    weights: FloatArray, unit: FloatArray, first: int, start: int, stop: int, out: FloatArray
) -> None:
    """Write weights @ unit[first:, start:stop] into out: one multiply-add per subject and voxel.

    Always summed in the same order, so that the result has the same bits in any block.
    """
    n_voxels = stop - start
    out[:n_voxels] = 0.0
    n = len(weights)
    fours = n - n % 4
    for j in range(0, fours, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        u0 = unit[first + j, start:stop]
        u1 = unit[first + j + 1, start:stop]
        u2 = unit[first + j + 2, start:stop]
        u3 = unit[first + j + 3, start:stop]
        for v in range(n_voxels):
            out[v] += (w0 * u0[v] + w1 * u1[v]) + (w2 * u2[v] + w3 * u3[v])
    for j in range(fours, n):
        w0 = weights[j]
        u0 = unit[first + j, start:stop]
        for v in range(n_voxels):
            out[v] += w0 * u0[v]


@kernel
def _flipped_sums(
    row: FloatArray, unit: FloatArray, start: int, stop: int, tables: FloatArray
) -> None:
    """Tabulate row[j] * unit[j] summed over four subjects at a time, with all 16 flips of them.

    ``tables`` is (n_tables * 16, TILE); bit j of a code flips subject j of its four. Any draw is
    then a sum of n / 4 lines (the method of four Russians); 16 n / 4 additions per voxel.
    """
    n_voxels = stop - start
    for first in range(0, len(row), SUBJECTS_PER_TABLE):
        base = first // SUBJECTS_PER_TABLE * CODES
        members = min(SUBJECTS_PER_TABLE, len(row) - first)
        unflipped = tables[base]
        unflipped[:n_voxels] = 0.0
        for j in range(first, first + members):
            values = unit[j, start:stop]
            for v in range(n_voxels):
                unflipped[v] += row[j] * values[v]
        for bit in range(members):
            values = unit[first + bit, start:stop]
            change = -2.0 * row[first + bit]
            for code in range(1 << bit):
                known = tables[base + code]
                flipped = tables[base + code + (1 << bit)]
                for v in range(n_voxels):
                    flipped[v] = known[v] + change * values[v]


@kernel
def _sum_lines(
    tables: FloatArray, codes: npt.NDArray[np.uint8], k: int, d: int, n_voxels: int, out: FloatArray
) -> None:
    """Sum over the tables of row k the line of each code of draw d, into row k of ``out``.

    One draw's product: n / 4 additions a voxel. Lines are places behind a pointer, as numba counts
    references to slices.
    """
    lines, sums, n_tables = pointer_to(tables), pointer_to(out), codes.shape[1]
    own = k * out.shape[1]
    first = k * n_tables * CODES
    fours = n_tables - n_tables % 4
    if not fours:
        for v in range(n_voxels):
            put(sums, own + v, 0.0)
    for j in range(0, fours, 4):
        a = (first + j * CODES + codes[d, j]) * TILE
        b = (first + (j + 1) * CODES + codes[d, j + 1]) * TILE
        c = (first + (j + 2) * CODES + codes[d, j + 2]) * TILE
        e = (first + (j + 3) * CODES + codes[d, j + 3]) * TILE
        if j:
            for v in range(n_voxels):
                more = (lines[a + v] + lines[b + v]) + (lines[c + v] + lines[e + v])
                put(sums, own + v, sums[own + v] + more)
        else:  # the first four lines are written, not added
            for v in range(n_voxels):
                whole = (lines[a + v] + lines[b + v]) + (lines[c + v] + lines[e + v])
                put(sums, own + v, whole)
    for j in range(fours, n_tables):
        a = (first + j * CODES + codes[d, j]) * TILE
        for v in range(n_voxels):
            put(sums, own + v, sums[own + v] + lines[a + v])


@kernel
def _without_nuisance(correlation: FloatArray, sides: FloatArray, n_voxels: int) -> None:
    """Turn correlations into partial ones: divide by what the nuisance rows leave of norm 1."""
    for v in range(n_voxels):
        remainder = 1.0
        for k in range(1, len(sides)):
            remainder -= sides[k, v] * sides[k, v]
        correlation[v] /= np.sqrt(max(remainder, SMALLEST_REMAINDER))


@kernel
def _keep_resolution(sides: FloatArray, least: FloatArray, start: int, stop: int) -> None:
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
def _flipped_correlation(
    tables: FloatArray,
    codes: npt.NDArray[np.uint8],
    d: int,
    n_voxels: int,
    sides: FloatArray,
) -> None:
    """Correlate the tested row with sign-flipped residuals, into the first row of ``sides``."""
    for k in range(len(sides)):
        _sum_lines(tables, codes, k, d, n_voxels, sides)
    if len(sides) > 1:
        _without_nuisance(sides[0], sides, n_voxels)


@kernel
def _permuted_correlation(
    weights: FloatArray,
    unit: FloatArray,
    start: int,
    stop: int,
    sides: FloatArray,
) -> None:
    """Correlate the permuted tested row with residuals, into the first row of ``sides``."""
    for k in range(len(sides)):
        _weighted_sum(weights[k], unit, 0, start, stop, sides[k])
    if len(sides) > 1:
        _without_nuisance(sides[0], sides, stop - start)


@kernel
def _welch_t(
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
    _weighted_sum(members, unit, 0, start, stop, out)
    _weighted_sum(members, unit, n, start, stop, side)
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
def _to_t(scores: FloatArray, df: FloatArray, start: int, stop: int) -> None:
    """Correlation to t, in place."""
    for v in range(stop - start):
        remainder = max(1.0 - scores[v] * scores[v], SMALLEST_REMAINDER)
        scores[v] *= np.sqrt(df[start + v] / remainder)


@kernel
def _to_z(
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


@kernel
def _count(
    scores: FloatArray, limits: FloatArray, hits: FloatArray, n_voxels: int, two_sided: bool
) -> None:
    """Count the voxels' exceedances."""
    if two_sided:
        for v in range(n_voxels):
            hits[v] += 1.0 if abs(scores[v]) >= limits[v] else 0.0
    else:
        for v in range(n_voxels):
            hits[v] += 1.0 if scores[v] >= limits[v] else 0.0


@kernel
def _extremes(rows: FloatArray, n_voxels: int, spare: FloatArray) -> tuple[float, float]:
    """Lowest and highest number of the first row, of which none is NaN.

    A whole tile is folded in half until little is left, as a running maximum does not vectorise.
    """
    values, lows = pointer_to(rows), pointer_to(spare)
    low, high, n_left = np.inf, -np.inf, n_voxels
    if n_voxels == TILE:
        n_left = TILE // 2
        for v in range(TILE // 2):
            a, b = values[v], values[v + TILE // 2]
            put(lows, v, a if a < b else b)
            put(lows, TILE + v, b if a < b else a)
        while n_left > 2 * LANES:
            n_left //= 2
            for v in range(n_left):
                a, b = lows[v], lows[v + n_left]
                put(lows, v, a if a < b else b)
                a, b = lows[TILE + v], lows[TILE + v + n_left]
                put(lows, TILE + v, b if a < b else a)
        for v in range(n_left):
            low, high = min(low, lows[v]), max(high, lows[TILE + v])
    else:
        for v in range(n_left):
            low, high = min(low, values[v]), max(high, values[v])
    return low, high


@kernel
def _trusted(least: FloatArray, start: int, stop: int, welch: bool, n_rows: int) -> float:
    """Largest correlation that leaves every voxel of a tile enough variance.

    Welch's t has taken care of it, and partial correlations are always looked at.
    """
    if welch:
        return np.inf
    return np.sqrt(max(0.0, 1.0 - least[start:stop].max())) if n_rows == 1 else -1.0


@kernel
def _resolved(
    sides: FloatArray, least: FloatArray, trusted: float, start: int, stop: int, spare: FloatArray
) -> tuple[float, float]:
    """Keep the resolution where it may be lost; return the lowest and the highest score."""
    low, high = _extremes(sides, stop - start, spare)
    if max(-low, high) > trusted:
        _keep_resolution(sides, least, start, stop)
        low, high = _extremes(sides, stop - start, spare)
    return low, high


class Draws(NamedTuple):
    """Relabelings of a block: sign flips as codes of rows, all others, with no code, as weights.

    Attributes
    ----------
    codes : (n_draws, n_tables) uint8
    rows : (n_rows, n_subjects) float64
    weights : (n_draws, n_rows, n_subjects) float64
    """

    codes: npt.NDArray[np.uint8]
    rows: FloatArray
    weights: FloatArray


class Tally(NamedTuple):
    """What is kept of the draws of a block, written by `score_block`.

    Thresholds, counts and maxima speak of scores: correlations, z or Welch's t.

    Attributes
    ----------
    thresholds : (n_voxels,) float64
        Read.
    counts : (n_voxels,) int32
        Added to: draws whose score reaches the threshold.
    maxima : (n_draws,) float64
    kept : (n_draws or 0, n_voxels) float64
        Maps of t or z, where asked for.
    """

    thresholds: FloatArray
    counts: npt.NDArray[np.int32]
    maxima: FloatArray
    kept: FloatArray


@kernel
def score_block(data: ScoredData, draws: Draws, tally: Tally) -> None:
    """Score each relabeling at each voxel; count, keep the maximum, and the map if asked for."""
    # arrays are taken out of the tuples once, not for every draw
    codes, rows, weights = draws
    unit, df, df_class, table, least, welch, as_z, direction, two_sided = data
    thresholds, counts, maxima, kept = tally
    n_voxels = unit.shape[1]
    sides = np.zeros((len(rows), TILE))
    scores, side, hits = sides[0], np.empty(TILE), np.empty(TILE)
    spare = np.empty((2, TILE))
    tables = np.empty((len(rows), codes.shape[1] * CODES, TILE))
    maxima[:] = -np.inf
    for start in range(0, n_voxels, TILE):
        stop = min(start + TILE, n_voxels)
        trusted = _trusted(least, start, stop, welch, len(rows))
        limits = thresholds[start:stop]
        hits[:] = 0.0
        for k in range(len(rows) if codes.shape[1] else 0):
            _flipped_sums(rows[k], unit, start, stop, tables[k])
        for d in range(len(maxima)):
            if welch:
                _welch_t(weights[d, 0], unit, least, start, stop, scores, side)
            elif codes.shape[1]:
                _flipped_correlation(tables, codes, d, stop - start, sides)
            else:
                _permuted_correlation(weights[d], unit, start, stop, sides)
            low, high = _resolved(sides, least, trusted, start, stop, spare)
            if direction < 0:
                scores *= direction
                low, high = -high, -low
            if as_z:
                _to_z(scores, df, df_class, table, start, stop)
                low, high = _extremes(sides, stop - start, spare)
            _count(scores, limits, hits, stop - start, two_sided)
            best = max(-low, high) if two_sided else high
            maxima[d] = max(maxima[d], best)
            if len(kept):
                if not (as_z or welch):
                    _to_t(scores, df, start, stop)
                kept[d, start:stop] = scores[: stop - start]
        counts[start:stop] += hits[: stop - start].astype(np.int32)
