"""The compiled loop over relabelings and tiles of voxels: scores, their counts and maxima."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.vectors import LANES, pointer_to, put
from bids_rsa.core.inference._sums import CODES, TILE, flipped_sums
from bids_rsa.core.inference._tile_scores import (
    flipped_correlation,
    keep_resolution,
    permuted_correlation,
    to_t,
    to_z,
    welch_t,
)
from bids_rsa.core.inference.plan import ScoredData

FloatArray = npt.NDArray[np.float64]


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
        keep_resolution(sides, least, start, stop)
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
            flipped_sums(rows[k], unit, start, stop, tables[k])
        for d in range(len(maxima)):
            if welch:
                welch_t(weights[d, 0], unit, least, start, stop, scores, side)
            elif codes.shape[1]:
                flipped_correlation(tables, codes, d, stop - start, sides)
            else:
                permuted_correlation(weights[d], unit, start, stop, sides)
            low, high = _resolved(sides, least, trusted, start, stop, spare)
            if direction < 0:
                scores *= direction
                low, high = -high, -low
            if as_z:
                to_z(scores, df, df_class, table, start, stop)
                low, high = _extremes(sides, stop - start, spare)
            _count(scores, limits, hits, stop - start, two_sided)
            best = max(-low, high) if two_sided else high
            maxima[d] = max(maxima[d], best)
            if len(kept):
                if not (as_z or welch):
                    to_t(scores, df, start, stop)
                kept[d, start:stop] = scores[: stop - start]
        counts[start:stop] += hits[: stop - start].astype(np.int32)
