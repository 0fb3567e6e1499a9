"""Average ranks of many RDMs, near-ties included, in compiled code.

A row's cells are mapped linearly onto integer keys, each beside its cell's number in one word, and
the words are sorted (`engine.sorting`). Some hundred cells get words of 32 bits, which are sorted
by one pass into buckets and exchanges of neighbours where the cells are spread; all others words of
64 bits and a radix sort. Cells whose keys are equal or near, few in most RDMs, are then put right
by their float64 values, so that order and ties are those of the values, exactly.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, kernel_part
from bids_rsa.core.engine.sorting import (
    WideWords,
    Words,
    bucket_sort,
    count_bits,
    radix_sort,
    sort_by_value,
)
from bids_rsa.core.engine.vectors import pointer_to
from bids_rsa.core.engine.words import WORD_LANES, range_of

Floats = NDArray[np.float64]
Ranks = NDArray[np.floating]
AnyWords = NDArray[np.unsignedinteger]

NEAR_TIE = 1e-12  # of the size of the cells, from the sorted neighbour
UNIT = 2.0  # the largest correlation distance: 1 - r is rounded in units of 1, however small
_MOST_NARROW = 2**10  # cells; up to here the buckets win, measured
_NARROW_KEY_BITS = 28  # at most: keys go through int32
_WIDE_KEY_BITS = 50  # at most: keys are whole parts of a double
_WHOLE = 2.0**52  # doubles from here on are whole numbers, which stand in their lowest bits
_WIDE_DIGIT_BITS = 10  # of the radix sort, up to 2^16 cells; then one more
_MOST_SCALE = 1e290  # keys by cells


class _Range(NamedTuple):
    """What the keys of a row are made of: lowest cell, 1 / range, widest tie, largest size."""

    low: float
    scale: float
    gap: float
    largest: float


class _NarrowRoom(NamedTuple):
    """Room to sort words of 32 bits: two sets of words, and a count for each bucket."""

    words: Words
    spare: Words
    buckets: Words


class _WideRoom(NamedTuple):
    """Room to sort words of 64 bits: two sets of words, and two for the counts of digits."""

    words: WideWords
    spare: WideWords
    counts: Words


@kernel_part
def _largest_cell(row: Floats, low: float, high: float) -> float:
    """Largest absolute finite cell. O(1), mostly."""
    largest = max(abs(low), abs(high))
    if not largest < math.inf:
        largest = 0.0
        for k in range(row.size):
            if abs(row[k]) < math.inf:
                largest = max(largest, abs(row[k]))
    return largest


@kernel_part
def _common_size(row: Floats, order: Words, largest: float) -> float:
    """Size that most cells have at least, which a few huge ones do not change. O(1)."""
    size = min(largest, UNIT)
    for position in ((row.size - 1) // 4, (row.size - 1) // 2):
        cell = abs(row[order[position]])
        if cell < math.inf:
            size = max(size, cell)
    return size


@kernel_part
def _any_near(words: AnyWords, shift: np.unsignedinteger, reach: np.unsignedinteger) -> bool:
    """Tell whether any key is within reach of the key before. O(n), vectorised."""
    smallest = words[words.size - 1] >> shift
    for k in range(1, words.size):
        smallest = min(smallest, (words[k] >> shift) - (words[k - 1] >> shift))
    return bool(smallest <= reach)


@kernel_part
def _near_positions(
    words: AnyWords, shift: np.unsignedinteger, reach: np.unsignedinteger, near: Words
) -> int:
    """Collect positions whose key is within reach of the key before; return how many. O(n)."""
    count = 0
    if _any_near(words, shift, reach):
        before = words[0] >> shift
        for k in range(1, words.size):
            key = words[k] >> shift
            near[count] = k
            count += int(key - before <= reach)
            before = key
    return count


@kernel_part
def _sort_equal_keys(
    row: Floats, words: AnyWords, order: Words, near: Words, shift: np.unsignedinteger,
    spare: Words, gap: float,
) -> None:  # fmt: skip
    """Put cells with equal keys into the order of their values. O(near) for short runs."""
    i = 0
    while i < near.size:
        start = near[i] - np.uint32(1)
        end = near[i]
        key = words[start] >> shift
        while i < near.size and near[i] == end and words[end] >> shift == key:
            end += np.uint32(1)
            i += 1
        if end == start + np.uint32(1):  # a near key, not an equal one
            i += 1
            continue
        sort_by_value(row, order[start:end], spare, gap)


@kernel_part
def _keep_ties(row: Floats, order: Words, near: Words, size: float) -> int:
    """Keep the positions whose value ties with the one before; return how many. O(near).

    Neighbours tie within 1e-12 of their own size, and of the size that most cells have.
    """
    count = 0
    for i in range(near.size):
        position = near[i]
        low = row[order[position - np.uint32(1)]]
        high = row[order[position]]
        gap = high - low
        if low == high or (gap < math.inf and gap <= NEAR_TIE * max(size, abs(low), abs(high))):
            near[count] = position
            count += 1
    return count


@kernel_part
def _find_range(row: Floats) -> _Range:
    """Find what keys are made of. O(n)."""
    low, high = range_of(pointer_to(row), row.size)
    largest = _largest_cell(row, low, high)
    return _Range(low, 1.0 / (high - low), NEAR_TIE * largest, largest)


@kernel_part
def _sort_narrow(row: Floats, found: _Range, order: Words, ties: Words, room: _NarrowRoom) -> int:
    """Sort cells by words of 32 bits; return how many are near, -1 where cells are crowded."""
    words = room.words
    bits = count_bits(row.size)
    key_bits = min(_NARROW_KEY_BITS, 32 - bits)
    shift = np.uint32(bits)
    low, scale = found.low, found.scale * ((1 << key_bits) - 1.5)
    for k in range(row.size):
        words[k] = (np.uint32(np.int32((row[k] - low) * scale)) << shift) | np.uint32(k)
    n_near = -1
    if bucket_sort(words, room.spare, room.buckets, np.uint32(key_bits)):
        # keys are exact to 1e-7; the whole part of a gap of g keys is at most one more than g's
        reach = np.uint32(min(found.gap * scale + 1e-6, 2.0**30)) + np.uint32(1)
        n_near = _near_positions(words, shift, reach, ties)
        mask = (np.uint32(1) << shift) - np.uint32(1)
        for k in range(row.size):
            order[k] = words[k] & mask
        gap = min(found.gap, NEAR_TIE * UNIT)
        _sort_equal_keys(row, words, order, ties[:n_near], shift, room.spare, gap)
    return n_near


@kernel_part
def _sort_wide(row: Floats, found: _Range, order: Words, ties: Words, room: _WideRoom) -> int:
    """Sort cells by words of 64 bits; return how many are near. O(n), mostly."""
    words = room.words
    key_bits = min(_WIDE_KEY_BITS, 64 - count_bits(row.size))
    shift = np.uint64(64 - key_bits)
    low, scale = found.low, found.scale * (2.0**key_bits - 2.0)
    numbers = words.view(np.float64)
    for k in range(row.size):
        numbers[k] = (row[k] - low) * scale + _WHOLE
    for k in range(row.size):
        words[k] = (words[k] << shift) | np.uint64(k)
    radix_sort(words, room.spare, room.counts, 64 - key_bits)
    # a key is rounded by less than one, so that a gap of g keys becomes less than g + 2
    reach = np.uint64(np.int64(min(found.gap * scale, 2.0**60))) + np.uint64(2)
    n_near = _near_positions(words, shift, reach, ties)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    for k in range(row.size):
        order[k] = np.uint32(words[k] & mask)
    gap = min(found.gap, NEAR_TIE * UNIT)
    _sort_equal_keys(row, words, order, ties[:n_near], shift, room.spare.view(np.uint32), gap)
    return n_near


@kernel
def _sort_narrow_rows(
    rows: Floats, orders: Words, ties: Words, n_ties: Words, left: NDArray[np.int64]
) -> int:
    """Sort rows of few cells; note the rows that are left, and return how many. O(n), mostly."""
    n = rows.shape[1]
    # whole vectors of words, and one more for exchanges that begin at the second word
    spare = np.empty((n + 2 * WORD_LANES - 1) // WORD_LANES * WORD_LANES, np.uint32)
    room = _NarrowRoom(np.empty(n, np.uint32), spare, np.empty(1 << count_bits(n), np.uint32))
    n_left = 0
    for r in range(rows.shape[0]):
        row, order = rows[r], orders[r]
        found = _find_range(row)
        n_near = -1
        if 0.0 < found.scale < _MOST_SCALE:
            n_near = _sort_narrow(row, found, order, ties[r], room)
        if n_near < 0:
            left[n_left] = r
            n_left += 1
        else:
            size = _common_size(row, order, found.largest)
            n_ties[r] = _keep_ties(row, order, ties[r, :n_near], size)
    return n_left


@kernel
def _sort_wide_rows(
    rows: Floats, chosen: NDArray[np.int64], orders: Words, ties: Words, n_ties: Words
) -> None:
    """Sort some rows, with any number of cells. O(n), mostly."""
    n = rows.shape[1]
    digit_bits = _WIDE_DIGIT_BITS + int(count_bits(n) > 16)
    counts = np.empty((2, 1 << digit_bits), np.uint32)
    room = _WideRoom(np.empty(n, np.uint64), np.empty(n, np.uint64), counts)
    for r in chosen:
        row, order = rows[r], orders[r]
        found = _find_range(row)
        n_near = n - 1
        if 0.0 < found.scale < _MOST_SCALE:
            n_near = _sort_wide(row, found, order, ties[r], room)
        else:  # too close together or too far apart for keys: all the same one
            for k in range(n):
                order[k] = k
                ties[r, max(k - 1, 0)] = k
            gap = min(found.gap, NEAR_TIE * UNIT)
            sort_by_value(row, order, room.spare.view(np.uint32), gap)
        size = _common_size(row, order, found.largest)
        n_ties[r] = _keep_ties(row, order, ties[r, :n_near], size)


def sort_rows(rows: Floats, orders: Words, ties: Words, n_ties: Words) -> None:
    """Sort each row's cells by value, find positions that tie with the one before. O(n), mostly.

    Fills ``orders`` (n_rows, n_cells) with cell numbers, and the first ``n_ties[r]`` of ``ties``
    (n_rows, n_cells) with ascending positions in the order.

    There is a kernel for each way to sort, so that only the one that is needed is compiled.
    """
    left = np.arange(len(rows))
    if rows.shape[1] <= _MOST_NARROW:
        left = left[: _sort_narrow_rows(rows, orders, ties, n_ties, left)]
    if len(left):
        _sort_wide_rows(rows, left, orders, ties, n_ties)


@kernel
def rank_rows(orders: Words, ties: Words, n_ties: Words, ranks: Ranks, squares: Floats) -> None:
    """Centred average ranks of sorted rows (multiples of one half), their sums of squares. O(n)."""
    n = orders.shape[1]
    center = 0.5 * (n - 1)
    for r in range(orders.shape[0]):
        for k in range(n):
            ranks[r, orders[r, k]] = k - center
        tied = 0.0
        i = 0
        while i < n_ties[r]:
            start = ties[r, i] - np.uint32(1)
            end = ties[r, i]
            while i < n_ties[r] and ties[r, i] == end:
                end += np.uint32(1)
                i += 1
            rank = 0.5 * (np.float64(start) + np.float64(end) - 1.0) - center
            for k in range(start, end):
                ranks[r, orders[r, k]] = rank
            length = np.float64(end) - np.float64(start)
            tied += length * (length * length - 1.0)
        squares[r] = (np.float64(n) * (np.float64(n) * n - 1.0) - tied) / 12.0
