"""Compiled kernels from relabelled contrast rows to statistics, in tiles of voxels."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import complete_kernel, kernel

FloatArray = npt.NDArray[np.float64]

TILE = 256  # voxels; the sums of 20 flipped subjects are 160 kB and stay in second-level cache
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
    tables: FloatArray, codes: npt.NDArray[np.uint8], n_voxels: int, out: FloatArray
) -> None:
    """Sum over the tables the line of each code: one draw's product, n / 4 additions a voxel."""
    n_tables = len(codes)
    fours = n_tables - n_tables % 4
    if fours:  # the first four lines are written, not added
        a = tables[codes[0]]
        b = tables[CODES + codes[1]]
        c = tables[2 * CODES + codes[2]]
        d = tables[3 * CODES + codes[3]]
        for v in range(n_voxels):
            out[v] = (a[v] + b[v]) + (c[v] + d[v])
    else:
        out[:n_voxels] = 0.0
    for k in range(4, fours, 4):
        a = tables[k * CODES + codes[k]]
        b = tables[(k + 1) * CODES + codes[k + 1]]
        c = tables[(k + 2) * CODES + codes[k + 2]]
        d = tables[(k + 3) * CODES + codes[k + 3]]
        for v in range(n_voxels):
            out[v] += (a[v] + b[v]) + (c[v] + d[v])
    for k in range(fours, n_tables):
        a = tables[k * CODES + codes[k]]
        for v in range(n_voxels):
            out[v] += a[v]


@kernel
def _without_nuisance(correlation: FloatArray, sides: FloatArray, n_voxels: int) -> None:
    """Turn correlations into partial ones: divide by what the nuisance rows leave of norm 1."""
    for v in range(n_voxels):
        remainder = 1.0
        for k in range(1, len(sides)):
            remainder -= sides[k, v] * sides[k, v]
        correlation[v] /= np.sqrt(max(remainder, SMALLEST_REMAINDER))


@complete_kernel
def _has_little_spread(correlation: FloatArray, least: FloatArray, start: int, stop: int) -> bool:
    """Tell whether any voxel's residual share of variance is below its smallest known."""
    limits = least[start:stop]
    largest = 0.0
    for v in range(stop - start):
        largest = max(largest, correlation[v] * correlation[v] + limits[v])
    return largest > 1.0


@kernel
def _keep_resolution(sides: FloatArray, least: FloatArray, start: int, stop: int) -> None:
    """Never take the residual share of variance, 1 - r^2, below ``least``, in place.

    What comes out is the correlation that belongs to the t with that variance, so that it still
    orders t over voxels.
    """
    correlation = sides[0]
    if len(sides) == 1 and not _has_little_spread(correlation, least, start, stop):
        return
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
    least: FloatArray,
    start: int,
    stop: int,
    sides: FloatArray,
) -> None:
    """Correlate the tested row with sign-flipped residuals, into the first row of ``sides``."""
    n_voxels = stop - start
    for k in range(len(sides)):
        _sum_lines(tables[k], codes, n_voxels, sides[k])
    if len(sides) > 1:
        _without_nuisance(sides[0], sides, n_voxels)
    _keep_resolution(sides, least, start, stop)


@kernel
def _permuted_correlation(
    weights: FloatArray,
    unit: FloatArray,
    least: FloatArray,
    start: int,
    stop: int,
    sides: FloatArray,
) -> None:
    """Correlate the permuted tested row with residuals, into the first row of ``sides``."""
    for k in range(len(sides)):
        _weighted_sum(weights[k], unit, 0, start, stop, sides[k])
    if len(sides) > 1:
        _without_nuisance(sides[0], sides, stop - start)
    _keep_resolution(sides, least, start, stop)


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


@complete_kernel
def _count_and_maximum(
    scores: FloatArray,
    thresholds: FloatArray,
    counts: npt.NDArray[np.int32],
    start: int,
    stop: int,
    two_sided: bool,
) -> float:
    """Count the voxels' exceedances, and return the tile's maximum."""
    limits = thresholds[start:stop]
    hits = counts[start:stop]
    best = -np.inf
    for v in range(stop - start):
        value = abs(scores[v]) if two_sided else scores[v]
        hits[v] += np.int32(value >= limits[v])
        best = max(best, value)
    return best


@kernel
def score_block(
    codes: npt.NDArray[np.uint8],
    rows: FloatArray,
    weights: FloatArray,
    unit: FloatArray,
    df: FloatArray,
    df_class: npt.NDArray[np.int32],
    table: FloatArray,
    least: FloatArray,
    welch: bool,
    as_z: bool,
    direction: float,
    two_sided: bool,
    thresholds: FloatArray,
    counts: npt.NDArray[np.int32],
    maxima: FloatArray,
    kept: FloatArray,
) -> None:
    """Score each relabeling at each voxel; count, keep the maximum, and the map where asked for.

    Sign flips come as ``codes`` (n_draws, n_tables) of ``rows``; other relabelings, with no code,
    as ``weights`` (n_draws, n_rows, n_subjects). ``thresholds``, ``counts`` and ``maxima`` speak
    of scores: correlations, z where ``as_z``, Welch's t. ``kept`` is (n_draws, n_voxels) t or z,
    or has no rows.
    """
    n_voxels = unit.shape[1]
    sides = np.zeros((len(rows), TILE))
    scores, side = sides[0], np.empty(TILE)
    tables = np.empty((len(rows), codes.shape[1] * CODES, TILE))
    maxima[:] = -np.inf
    for start in range(0, n_voxels, TILE):
        stop = min(start + TILE, n_voxels)
        for k in range(len(rows) if codes.shape[1] else 0):
            _flipped_sums(rows[k], unit, start, stop, tables[k])
        for d in range(len(maxima)):
            if welch:
                _welch_t(weights[d, 0], unit, least, start, stop, scores, side)
            elif codes.shape[1]:
                _flipped_correlation(tables, codes[d], least, start, stop, sides)
            else:
                _permuted_correlation(weights[d], unit, least, start, stop, sides)
            if direction < 0:
                scores *= direction
            if as_z:
                _to_z(scores, df, df_class, table, start, stop)
            best = _count_and_maximum(scores, thresholds, counts, start, stop, two_sided)
            maxima[d] = max(maxima[d], best)
            if len(kept):
                if not (as_z or welch):
                    _to_t(scores, df, start, stop)
                kept[d, start:stop] = scores[: stop - start]
