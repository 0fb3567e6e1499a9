"""Draws of one null map per subject: the thresholds of their means, and what lies above."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.int32]

# means of all draws that a thread holds at once
BLOCK_BYTES = 2**26
# locations whose null maps a thread reads at once
LOCATIONS_AT_ONCE = 2048
# draws above a location's threshold, beside those there are without ties
MOST_TIES = 8


@dataclass(frozen=True)
class DrawnPart:
    """What the draws say about some locations; for each sign the (draws, locations) above."""

    thresholds: FloatArray
    counts: npt.NDArray[np.int64]
    above: list[tuple[IndexArray, IndexArray]]


def draw_means(
    nulls: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    signs: tuple[float, ...],
    rank: int,
    bounds: FloatArray,
    n_threads: int,
    on_progress: Callable[[int], None] | None,
) -> list[DrawnPart]:
    """Compute the means of all draws, some locations at a time.

    Parameters
    ----------
    nulls : (n_subjects, n_maps, n_locations) float32
    picks : (n_draws, n_subjects) int64
        Which null map of each subject a draw takes.
    signs : tuple of float
        Directions in which means are extreme.
    rank : int
        So many draws reach a location's threshold, ties apart.
    bounds : (n_signs, n_locations) float64
        Means that are counted reach these.

    Raises
    ------
    ValueError
        So many draws tie that no threshold has about that rank.
    """
    draw = partial(_draw_part, nulls, picks, signs, rank, bounds)
    parts = []
    with ThreadPoolExecutor(n_threads) as pool:
        for part in pool.map(draw, range(0, nulls.shape[2], LOCATIONS_AT_ONCE)):
            parts.append(part)
            if on_progress is not None:
                on_progress(part.thresholds.shape[1])
    return parts


def _draw_part(
    nulls: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    signs: tuple[float, ...],
    rank: int,
    bounds: FloatArray,
    first: int,
) -> DrawnPart:
    """Compute all draws at some locations: thresholds, counts, and what lies above."""
    last = min(first + LOCATIONS_AT_ONCE, nulls.shape[2])
    maps = np.ascontiguousarray(nulls[:, :, first:last])
    n, n_draws = last - first, len(picks)
    thresholds, counts = np.empty((len(signs), n)), np.empty((len(signs), n), np.int64)
    found: list[list[IndexArray]] = [[] for _ in signs]
    step = max(1, min(n, BLOCK_BYTES // (8 * n_draws)))
    drawn = np.empty((step, n_draws))
    for start in range(0, n, step):
        stop = min(start + step, n)
        _mean_of_picked(maps, picks, start, stop, drawn)
        for v in range(start, stop):
            for s, sign in enumerate(signs):
                row = sign * drawn[v - start]
                thresholds[s, v], draws = _largest(row, rank)
                counts[s, v] = np.count_nonzero(row >= bounds[s, first + v])
                found[s].append(draws)
    above = []
    for lists in found:
        draws = np.concatenate(lists)
        if len(draws) > MOST_TIES * rank * n:
            raise ValueError(
                "the null maps are so few or so alike that many draws have the same mean, and no "
                "threshold leaves the wanted share of them"
            )
        lengths = [len(one) for one in lists]
        above.append((draws, np.repeat(np.arange(first, last, dtype=np.int32), lengths)))
    return DrawnPart(thresholds, counts, above)


def _largest(row: FloatArray, rank: int) -> tuple[float, IndexArray]:
    """Find the rank-th largest value, and the draws that reach it."""
    # a part of the draws gives a bound that few others exceed
    some = row[: max(1000, len(row) // 16)]
    guess = min(len(some), int(2 * rank * len(some) / len(row)) + 4)
    bound = np.partition(some, len(some) - guess)[len(some) - guess]
    places = np.flatnonzero(row >= bound)
    if len(places) < rank:
        places = np.arange(len(row))
    values = row[places]
    limit = np.partition(values, len(values) - rank)[len(values) - rank]
    return float(limit), places[values >= limit].astype(np.int32)


@kernel
def _mean_of_picked(
    maps: npt.NDArray[np.float32],
    picks: npt.NDArray[np.int64],
    start: int,
    stop: int,
    out: FloatArray,
) -> None:
    """Write each draw's mean over subjects of one null map each into (stop - start, n_draws)."""
    n_subjects = picks.shape[1]
    sums = np.empty(stop - start)
    for d in range(len(picks)):
        sums[:] = 0.0
        for s in range(n_subjects):
            picked = maps[s, picks[d, s], start:stop]
            for v in range(stop - start):
                sums[v] += picked[v]
        for v in range(stop - start):
            out[v, d] = sums[v] / n_subjects
