"""Buckets of some twenty cells for RDMs whose cells are spread, as in nearly all RDMs.

Neighbours' RDMs have much the same distribution, in units of its standard deviation, so that the
buckets are chosen for one RDM and serve for many. Each is a column of a table (`engine.columns`) of
words: a key, the value on a linear scale, above the cell's number. Keys have more bits than fit
into a word, but the highest are the same in a column, or nearly so: the column's lowest word is
subtracted before words are compared.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.ranking import NEAR_TIE
from bids_rsa.core.engine.columns import COLUMNS
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.keys import keys_of, moments_of
from bids_rsa.core.engine.sorting import Words, count_bits
from bids_rsa.core.engine.vectors import pointer_to, put

Floats = NDArray[np.float64]

MOST_ROWS = 48  # words of a column
STRIDE = 49 * COLUMNS  # words from table to table: a power of two would crowd the cache
_KEY_BITS = 26
_BIN_BITS = 4  # that the finest bins have more than bins of two cells
_MOST_BIN_BITS = 16
_MOST_BIN = 18  # cells of a bin, unless bins are the finest
_TOP = 2.0**_KEY_BITS - 1.0  # the largest key
_TARGET = 18  # words of a column, on average
_CHUNK = 1024  # keys at a time, which stay in the nearest cache
_SMOOTHED = 8  # bins to either side
_MARGIN = 0.2  # standard deviations beyond the cells that columns are chosen for
_MOST_SCALE = 1e290  # keys by cells
_MOST_REACH = 1000.0  # keys of the widest tie


class SpreadRoom(NamedTuple):
    """What rows of one length are ranked in, and the columns chosen for a row before.

    Attributes
    ----------
    form : (6,) float64
        Lowest value and range that have keys, in standard deviations from the mean, 0 if not known;
        columns, a whole number of tables, 0 if not chosen; time lost in choosing columns that did
        not serve, in rows; bits of a key that do not count for its column; number of bins.
    buckets : (n_finest_bins,) uint16
        Column of the highest bits of a key.
    sums : (n_finest_bins + 1,) uint32
        Room for counts.
    bases, firsts, places, counts, starts : (n_columns,) uint32
        Of each column the lowest word, the place of its first word in the tables and that of the
        next, the number of its words and of those in all columns before.
    tables : (2^bits,) uint32
        Words; the next word of a column is a row further on.
    keys : (chunk,) uint32
    near : (5, n_cells) uint32
        Positions whose word is near the one before, places of both words, and room to sort cells.
    """

    form: Floats
    buckets: NDArray[np.uint16]
    sums: Words
    bases: Words
    firsts: Words
    places: Words
    counts: Words
    starts: Words
    tables: Words
    keys: Words
    near: Words


class Work(NamedTuple):
    """Pointers to the arrays of a room, and numbers that follow from their sizes."""

    n: int
    bits: int
    shift: int
    n_columns: int
    inside: int
    buckets: Any
    bases: Any
    firsts: Any
    places: Any
    counts: Any
    starts: Any
    tables: Any
    keys: Any
    positions: Any
    at: Any
    before: Any


class KeyScale(NamedTuple):
    """How a row's keys are made: lowest value, keys by value, 0: none; widest tie; largest size."""

    low: float
    factor: float
    gap: float
    largest: float


def make_spread_room(n_cells: int) -> SpreadRoom:
    """Make room to rank rows of at most 2^17 cells."""
    bits = max(n_cells - 1, 1).bit_length()
    n_bins = 2 ** max(min(bits - 1 + _BIN_BITS, _MOST_BIN_BITS), bits - 1)
    most = 2 * n_cells // _TARGET + 2 ** max(_KEY_BITS + bits - 32, 0) + 2 * COLUMNS
    most = most // COLUMNS * COLUMNS
    bases, firsts, places, counts, starts = np.zeros((5, most), np.uint32)
    table, column = np.divmod(np.arange(most), COLUMNS)
    firsts[:] = table * STRIDE + column
    return SpreadRoom(
        np.zeros(6), np.zeros(n_bins, np.uint16), np.zeros(n_bins + 1, np.uint32),
        bases, firsts, places, counts, starts,
        np.zeros(1 << (most // COLUMNS * STRIDE - 1).bit_length(), np.uint32),
        np.zeros(_CHUNK, np.uint32), np.zeros((5, n_cells), np.uint32),
    )  # fmt: skip


@kernel_part
def point_to_work(n: int, room: SpreadRoom) -> Work:
    """Return a room by pointers."""
    return Work(
        n, count_bits(n), int(room.form[4]), int(room.form[2]),
        room.tables.size - 1, pointer_to(room.buckets), pointer_to(room.bases),
        pointer_to(room.firsts), pointer_to(room.places), pointer_to(room.counts),
        pointer_to(room.starts), pointer_to(room.tables), pointer_to(room.keys),
        pointer_to(room.near[0]), pointer_to(room.near[1]), pointer_to(room.near[2]),
    )  # fmt: skip


@kernel_part
def find_scale(row: Floats, form: Floats) -> KeyScale:
    """Find how a row's keys are made. O(n), vectorised."""
    low, high, mean, deviation = moments_of(pointer_to(row), row.size)
    if not form[1] > 0.0:
        form[0] = (low - mean) / deviation - _MARGIN
        form[1] = (high - low) / deviation + 2.0 * _MARGIN
        if not form[1] < math.inf:
            form[1] = 0.0
    largest = max(abs(low), abs(high))
    factor = _TOP / (form[1] * deviation)
    if not (factor < _MOST_SCALE and NEAR_TIE * largest * factor < _MOST_REACH):
        factor = 0.0
    return KeyScale(mean + form[0] * deviation, factor, NEAR_TIE * largest, largest)


@kernel_part
def _sum_bins(row: Floats, scale: KeyScale, room: SpreadRoom, n_bins: int) -> int:
    """Count the cells below each bin of highest bits; return those of the fullest bin. O(n)."""
    sums, keys = room.sums, room.keys
    shift = np.uint32(_KEY_BITS - count_bits(n_bins))
    sums[: n_bins + 1] = 0
    for start in range(0, row.size, _CHUNK):
        n = min(_CHUNK, row.size - start)
        keys_of(pointer_to(row), start, n, pointer_to(keys), scale.low, scale.factor, _TOP)
        for k in range(n):
            sums[np.int64(keys[k] >> shift) + 1] += np.uint32(1)
    most = np.uint32(0)
    for k in range(n_bins):
        most = max(most, sums[k + 1])
        sums[k + 1] += sums[k]
    return int(np.int64(most))


@kernel_part
def choose_columns(row: Floats, scale: KeyScale, room: SpreadRoom) -> None:
    """Choose columns in which a row's cells would be spread, none if they are too many. O(n)."""
    sums, bits = room.sums, count_bits(row.size)
    n_bins = 1 << max(bits - 1, 0)
    while _sum_bins(row, scale, room, n_bins) > _MOST_BIN and 4 * n_bins <= room.buckets.size:
        n_bins *= 4
    shift = _KEY_BITS - count_bits(n_bins)
    widest = 1 << max(32 - bits - shift, 0)  # bins; the differences in wider columns need more bits
    column, start, held = 0, 0, 0.0
    room.bases[0] = 0
    for k in range(n_bins):
        low, high = max(k - _SMOOTHED, 0), min(k + _SMOOTHED + 1, n_bins)
        here = (np.float64(sums[high]) - np.float64(sums[low])) / (high - low)
        if k - start == widest or (k > start and held + 0.5 * here > _TARGET):
            column = min(column + 1, room.bases.size - 1)
            room.bases[column] = np.uint32(k) << np.uint32(shift) << np.uint32(bits)
            start, held = k, 0.0
        room.buckets[k] = column
        held += here
    n_columns = (column // COLUMNS + 1) * COLUMNS
    room.form[2] = n_columns if column < room.bases.size - 1 else 0
    room.form[4], room.form[5] = shift, n_bins


@kernel_part
def distribute(values: Any, scale: KeyScale, work: Work) -> bool:
    """Put the words of a row into their columns; False where a column is too short. O(n)."""
    keys, tables, buckets, places = work.keys, work.tables, work.buckets, work.places
    bits, shift, inside = np.uint32(work.bits), np.uint32(work.shift), np.uint32(work.inside)
    for k in range(work.n_columns):
        put(places, k, work.firsts[k])
    for start in range(0, work.n, _CHUNK):
        n = min(_CHUNK, work.n - start)
        keys_of(values, start, n, keys, scale.low, scale.factor, _TOP)
        for k in range(n):
            key = keys[k]
            column = np.int64(buckets[np.int64(key >> shift)])
            place = places[column]
            put(places, column, np.uint32(place + np.uint32(COLUMNS)))
            put(tables, np.int64(place & inside), np.uint32((key << bits) | np.uint32(start + k)))
    return _count_words(work) <= MOST_ROWS


@kernel_part
def _count_words(work: Work) -> int:
    """Count the words of each column, and before it; return those of the longest."""
    before, most = np.uint32(0), np.uint32(0)
    for k in range(work.n_columns):
        count = (work.places[k] - work.firsts[k]) // np.uint32(COLUMNS)
        put(work.counts, k, np.uint32(count))
        put(work.starts, k, before)
        before += count
        most = max(most, count)
    return int(np.int64(most))
