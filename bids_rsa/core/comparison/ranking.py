"""Average ranks of many RDMs, near-ties included, in compiled code.

A row's cells are mapped linearly onto integer keys, of as many bits as a 32-bit word has left
beside the cell's number, and the words are sorted: by one pass into buckets and exchanges of
neighbours when the cells are few and spread, else by a radix sort of two passes. Cells whose keys
are equal or adjacent, few in most RDMs, are then put right by their float64 values, so that order
and ties are those of the values, exactly.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.vectors import pointer_to
from bids_rsa.core.engine.words import WORD_LANES, exchange, range_of

Floats = NDArray[np.float64]
Ranks = NDArray[np.floating]
Words = NDArray[np.uint32]

NEAR_TIE = 1e-12  # of the size of the cells, from the sorted neighbour
_UNIT = 2.0  # the largest correlation distance: 1 - r is rounded in units of 1, however small
_BUCKET_SORT_BITS = 10  # up to 2^10 cells the buckets win, measured
_KEY_BITS = 28  # at most: keys go through int32
_MOST_EXCHANGES = 8  # rounds, before buckets are given up
_LAST = np.uint32(0xFFFFFFFF)  # sorts behind every word
_SHORT = 24  # cells; insertion sort is fine up to here


@kernel
def _largest_cell(row: Floats, low: float, high: float) -> float:
    """Largest absolute finite cell. O(1), mostly."""
    largest = max(abs(low), abs(high))
    if not largest < math.inf:
        largest = 0.0
        for k in range(row.size):
            if abs(row[k]) < math.inf:
                largest = max(largest, abs(row[k]))
    return largest


@kernel
def _common_size(row: Floats, order: Words, largest: float) -> float:
    """Size that most cells have at least, which a few huge ones do not change. O(1)."""
    size = min(largest, _UNIT)
    for position in ((row.size - 1) // 4, (row.size - 1) // 2):
        cell = abs(row[order[position]])
        if cell < math.inf:
            size = max(size, cell)
    return size


@kernel
def _bits(n: int) -> int:
    """Bits of a number below n. O(log n)."""
    bits = 0
    while (1 << bits) < n:
        bits += 1
    return bits


@kernel
def _to_offsets(counts: Words) -> None:
    """Turn counts into the position where each bucket starts. O(buckets)."""
    total = np.uint32(0)
    for b in range(counts.size):
        count = counts[b]
        counts[b] = total
        total += count


@kernel
def _bucket_sort(words: Words, spare: Words, counts: Words, shift: np.uint32) -> bool:
    """Sort words: into buckets by their top bits, then by exchanges of neighbours.

    O(n) for spread keys. False, and nothing done, where the keys are not spread.
    """
    n = words.size
    counts[:] = 0
    for k in range(n):
        counts[words[k] >> shift] += np.uint32(1)
    _to_offsets(counts)
    for k in range(n):
        word = words[k]
        bucket = word >> shift
        position = counts[bucket]
        counts[bucket] = position + np.uint32(1)
        spare[position] = word
    spare[n:] = _LAST
    sorted_words = pointer_to(spare)
    n_whole = spare.size - WORD_LANES
    for _ in range(_MOST_EXCHANGES):
        exchange(sorted_words, n_whole, 0)
        if not exchange(sorted_words, n_whole, 1):
            for k in range(n):  # a slice would have numba compile its message for unequal lengths
                words[k] = spare[k]
            return True
    return False


@kernel
def _radix_sort(
    words: Words, spare: Words, lower: Words, upper: Words, shift: np.uint32, middle: np.uint32
) -> None:
    """Sort words by their bits from shift up, in two passes that part at bit middle. O(n)."""
    mask = np.uint32(lower.size - 1)
    lower[:] = 0
    upper[:] = 0
    for k in range(words.size):
        word = words[k]
        lower[(word >> shift) & mask] += np.uint32(1)
        upper[word >> middle] += np.uint32(1)
    _to_offsets(lower)
    _to_offsets(upper)
    for k in range(words.size):
        word = words[k]
        digit = (word >> shift) & mask
        position = lower[digit]
        lower[digit] = position + np.uint32(1)
        spare[position] = word
    for k in range(words.size):
        word = spare[k]
        digit = word >> middle
        position = upper[digit]
        upper[digit] = position + np.uint32(1)
        words[position] = word


@kernel
def _any_near(words: Words, shift: np.uint32, reach: np.uint32) -> bool:
    """Tell whether any key is within reach of the key before. O(n), vectorised."""
    smallest = _LAST
    for k in range(1, words.size):
        smallest = min(smallest, (words[k] >> shift) - (words[k - 1] >> shift))
    return bool(smallest <= reach)


@kernel
def _near_positions(words: Words, shift: np.uint32, reach: np.uint32, near: Words) -> int:
    """Collect positions whose key is within reach of the key before; return how many. O(n)."""
    count = 0
    if not _any_near(words, shift, reach):
        return count
    before = words[0] >> shift
    for k in range(1, words.size):
        key = words[k] >> shift
        near[count] = k
        count += int(key - before <= reach)
        before = key
    return count


@kernel
def _sort_short(row: Floats, cells: Words) -> None:
    """Sort a few cells by their values, in place. O(n^2)."""
    for k in range(1, cells.size):
        cell = cells[k]
        value = row[cell]
        j = k
        while j > 0 and row[cells[j - 1]] > value:
            cells[j] = cells[j - 1]
            j -= 1
        cells[j] = cell


@kernel
def _sort_long(row: Floats, cells: Words, spare: Words) -> None:
    """Sort many cells by their values, in place, merging sorted runs. O(n log n)."""
    n = cells.size
    for start in range(0, n, _SHORT):
        _sort_short(row, cells[start : min(start + _SHORT, n)])
    length = _SHORT
    while length < n:
        for start in range(0, n - length, 2 * length):
            middle = start + length
            end = min(middle + length, n)
            for k in range(start, middle):
                spare[k] = cells[k]
            left, right, k = start, middle, start
            while left < middle and right < end:
                if row[cells[right]] < row[spare[left]]:
                    cells[k] = cells[right]
                    right += 1
                else:
                    cells[k] = spare[left]
                    left += 1
                k += 1
            while left < middle:
                cells[k] = spare[left]
                left += 1
                k += 1
        length *= 2


@kernel
def _sort_ends(row: Floats, cells: Words) -> None:
    """Bring the smallest cell to the front and the largest to the back. O(n)."""
    last = cells.size - 1
    for k in range(1, cells.size):
        if row[cells[k]] < row[cells[0]]:
            cells[0], cells[k] = cells[k], cells[0]
    for k in range(1, last):
        if row[cells[k]] > row[cells[last]]:
            cells[last], cells[k] = cells[k], cells[last]


@kernel
def _sort_by_value(row: Floats, cells: Words, spare: Words, gap: float) -> None:
    """Sort cells by their values; where all are ties only the two ends matter."""
    if cells.size <= _SHORT:
        _sort_short(row, cells)
        return
    _sort_ends(row, cells)
    if row[cells[cells.size - 1]] - row[cells[0]] > gap:
        _sort_long(row, cells, spare)


@kernel
def _sort_equal_keys(
    row: Floats, words: Words, near: Words, shift: np.uint32, spare: Words, gap: float
) -> None:
    """Put cells with equal keys into the order of their values. O(near) for short runs."""
    mask = (np.uint32(1) << shift) - np.uint32(1)
    i = 0
    while i < near.size:
        start = near[i] - np.uint32(1)
        end = near[i]
        key = words[start] >> shift
        while i < near.size and near[i] == end and words[end] >> shift == key:
            end += np.uint32(1)
            i += 1
        if end == start + np.uint32(1):  # an adjacent key, not an equal one
            i += 1
            continue
        run = words[start:end]
        for k in range(run.size):
            run[k] &= mask
        _sort_by_value(row, run, spare, gap)
        for k in range(run.size):
            run[k] |= key << shift


@kernel
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


@kernel
def _sort_words(
    row: Floats, low: float, scale: float, words: Words, spare: Words, lower: Words, upper: Words,
    buckets: Words,
) -> None:  # fmt: skip
    """Sort words of key and cell number by their keys. O(n)."""
    bits = _bits(row.size)
    key_bits = min(_KEY_BITS, 32 - bits)
    shift = np.uint32(bits)
    for k in range(row.size):
        words[k] = (np.uint32(np.int32((row[k] - low) * scale)) << shift) | np.uint32(k)
    if len(buckets) > 0 and _bucket_sort(words, spare, buckets, np.uint32(key_bits)):
        return
    _radix_sort(words, spare, lower, upper, shift, np.uint32(bits + key_bits // 2))


@kernel
def _sort_row(
    row: Floats, order: Words, ties: Words, spare: Words, lower: Words, upper: Words,
    buckets: Words,
) -> int:  # fmt: skip
    """Sort a row's cells by value and find ties; return how many. O(n), mostly."""
    n = row.size
    bits = _bits(n)
    shift = np.uint32(bits)
    low, high = range_of(pointer_to(row), n)
    largest = _largest_cell(row, low, high)
    gap = NEAR_TIE * largest  # no tie is wider
    scale = 1.0 / (high - low)
    if 0.0 < scale < 1e290:
        scale *= (1 << min(_KEY_BITS, 32 - bits)) - 1.5
        _sort_words(row, low, scale, order, spare, lower, upper, buckets)
        # keys are exact to 1e-7; the whole part of a gap of g keys is at most one more than g's
        reach = np.uint32(min(gap * scale + 1e-6, 2.0**30)) + np.uint32(1)
        n_near = _near_positions(order, shift, reach, ties)
    else:  # too close together or too far apart for keys: all the same one
        n_near = n - 1
        for k in range(n):
            order[k] = k
            ties[max(k - 1, 0)] = k
    _sort_equal_keys(row, order, ties[:n_near], shift, spare, NEAR_TIE * min(largest, _UNIT))
    mask = (np.uint32(1) << shift) - np.uint32(1)
    for k in range(n):
        order[k] &= mask
    return _keep_ties(row, order, ties[:n_near], _common_size(row, order, largest))


@kernel
def sort_rows(rows: Floats, orders: Words, ties: Words, n_ties: Words) -> None:
    """Sort each row's cells by value, find positions that tie with the one before. O(n), mostly.

    Fills ``orders`` (n_rows, n_cells) with cell numbers, and the first ``n_ties[r]`` of ``ties``
    (n_rows, n_cells) with ascending positions in the order.
    """
    n = rows.shape[1]
    bits = _bits(n)
    key_bits = min(_KEY_BITS, 32 - bits)
    lower = np.empty(1 << (key_bits // 2), np.uint32)
    upper = np.empty(1 << (key_bits - key_bits // 2), np.uint32)
    buckets = np.empty(1 << bits if bits <= _BUCKET_SORT_BITS else 0, np.uint32)
    # whole vectors of words, and one more for exchanges that begin at the second word
    spare = np.empty((n + 2 * WORD_LANES - 1) // WORD_LANES * WORD_LANES, np.uint32)
    for r in range(rows.shape[0]):
        n_ties[r] = _sort_row(rows[r], orders[r], ties[r], spare, lower, upper, buckets)


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
