"""Average ranks of many RDMs, near-ties included, in compiled code.

A row's cells are mapped linearly onto integer keys, of as many bits as a 32-bit word has left
beside the cell's number, and the words are sorted: by one pass into buckets and an insertion sort
when the cells are few, by a radix sort of two passes when they are many. Cells whose keys are
equal or adjacent, few in most RDMs, are then put right by their float64 values, so that order and
ties are those of the values, exactly.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.floating]
Words = NDArray[np.uint32]

NEAR_TIE = 1e-12  # of the largest absolute cell, from the sorted neighbour
_BUCKET_SORT_BITS = 10  # up to 2^10 cells the buckets win, measured
_SHORT = 24  # cells; insertion sort is fine up to here

_ANY_ORDER = {"nnan", "nsz", "reassoc"}  # rows hold no NaN; lets minimum and maximum vectorise


@njit(nogil=True, cache=True, fastmath=_ANY_ORDER)
def _range(row: Floats) -> tuple[float, float]:
    """Find the smallest and largest cell. O(n)."""
    low = row[0]
    high = row[0]
    for value in row:
        low = min(low, value)
        high = max(high, value)
    return low, high


@njit(nogil=True, cache=True)
def _near_tie_gap(row: Floats, low: float, high: float) -> float:
    """Largest gap between sorted neighbours that is a tie, from the finite cells. O(1), mostly."""
    largest = max(abs(low), abs(high))
    if not largest < math.inf:
        largest = 0.0
        for value in row:
            if abs(value) < math.inf:
                largest = max(largest, abs(value))
    return NEAR_TIE * largest


@njit(nogil=True, cache=True)
def _pack(row: Floats, low: float, scale: float, shift: np.uint32, words: Words) -> None:
    """Put each cell's key above its number, in one word. O(n)."""
    for k in range(row.size):
        words[k] = (np.uint32(np.int32((row[k] - low) * scale)) << shift) | np.uint32(k)


@njit(nogil=True, cache=True)
def _to_offsets(counts: Words) -> None:
    """Turn counts into the position where each bucket starts. O(buckets)."""
    total = np.uint32(0)
    for b in range(counts.size):
        count = counts[b]
        counts[b] = total
        total += count


@njit(nogil=True, cache=True)
def _bucket_sort(words: Words, spare: Words, counts: Words, shift: np.uint32) -> None:
    """Sort words: into buckets by their top bits, then by insertion. O(n) for spread keys."""
    counts[:] = 0
    for k in range(words.size):
        counts[words[k] >> shift] += np.uint32(1)
    _to_offsets(counts)
    for k in range(words.size):
        word = words[k]
        bucket = word >> shift
        position = counts[bucket]
        counts[bucket] = position + np.uint32(1)
        spare[position] = word
    words[0] = spare[0]
    for k in range(1, words.size):
        word = spare[k]
        j = k
        while j > 0 and words[j - 1] > word:
            words[j] = words[j - 1]
            j -= 1
        words[j] = word


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _near_positions(words: Words, shift: np.uint32, reach: np.uint32, near: Words) -> int:
    """Collect positions whose key is within reach of the key before; return how many. O(n)."""
    count = 0
    before = words[0] >> shift
    for k in range(1, words.size):
        key = words[k] >> shift
        near[count] = k
        count += int(key - before <= reach)
        before = key
    return count


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def _sort_long(row: Floats, cells: Words, gap: float) -> None:
    """Sort many cells by their values; where all are ties only their ends matter. O(n log n)."""
    values = np.empty(cells.size)
    for k in range(cells.size):
        values[k] = row[cells[k]]
    low, high = _range(values)
    if high - low <= gap:
        first = np.argmin(values)
        cells[0], cells[first] = cells[first], cells[0]
        values[0], values[first] = values[first], values[0]
        last = cells.size - 1 - np.argmax(values[::-1])
        cells[-1], cells[last] = cells[last], cells[-1]
    else:
        cells[:] = cells[np.argsort(values, kind="mergesort")]


@njit(nogil=True, cache=True)
def _sort_equal_keys(row: Floats, words: Words, near: Words, shift: np.uint32, gap: float) -> None:
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
        run = words[start:end] & mask
        if run.size <= _SHORT:
            _sort_short(row, run)
        else:
            _sort_long(row, run, gap)
        words[start:end] = run | (key << shift)


@njit(nogil=True, cache=True)
def _keep_ties(row: Floats, order: Words, near: Words, gap: float) -> int:
    """Keep the positions whose value ties with the one before; return how many. O(near)."""
    count = 0
    for position in near:
        low = row[order[position - np.uint32(1)]]
        high = row[order[position]]
        if low == high or high - low <= gap:
            near[count] = position
            count += 1
    return count


@njit(nogil=True, cache=True)
def sort_space(n_cells: int) -> tuple[Words, Words, Words, int]:
    """Work space of `sort_cells`: spare words, two tables of counts, bits of a cell number."""
    shift = 0
    while (1 << shift) < n_cells:
        shift += 1
    key_bits = min(28, 32 - shift)
    lower_bits = key_bits // 2
    upper_bits = key_bits - lower_bits
    if shift <= _BUCKET_SORT_BITS:
        upper_bits = shift + 2  # four buckets a cell
    spare = np.empty(n_cells, np.uint32)
    return spare, np.empty(1 << lower_bits, np.uint32), np.empty(1 << upper_bits, np.uint32), shift


@njit(nogil=True, cache=True)
def sort_cells(
    row: Floats, order: Words, ties: Words, space: tuple[Words, Words, Words, int]
) -> int:
    """Sort cells by value, and find the positions that tie with the one before. O(n), mostly.

    Fills ``order`` with cell numbers and ``ties`` with ascending positions; returns how many.
    """
    n = row.size
    low, high = _range(row)
    gap = _near_tie_gap(row, low, high)
    spread = high - low
    scale = 0.0 if spread == 0.0 else 1.0 / spread
    if spread <= gap or not (0.0 < scale < 1e290):
        order[:] = np.argsort(row, kind="mergesort")
        for k in range(1, n):
            ties[k - 1] = k
        return _keep_ties(row, order, ties[: n - 1], gap)
    spare, lower, upper, bits = space
    shift = np.uint32(bits)
    key_bits = min(28, 32 - bits)
    scale *= (1 << key_bits) - 1.5
    _pack(row, low, scale, shift, order)
    if bits <= _BUCKET_SORT_BITS:
        _bucket_sort(order, spare, upper, np.uint32(key_bits - 2))
    else:
        _radix_sort(order, spare, lower, upper, shift, np.uint32(bits + key_bits // 2))
    # keys are exact to 1e-7, and the whole part of a gap of g keys is at most one more than g's
    reach = np.uint32(min(gap * scale + 1e-6, 2.0**30)) + np.uint32(1)
    n_near = _near_positions(order, shift, reach, ties)
    near = ties[:n_near]
    _sort_equal_keys(row, order, near, shift, gap)
    mask = (np.uint32(1) << shift) - np.uint32(1)
    for k in range(n):
        order[k] &= mask
    return _keep_ties(row, order, near, gap)


@njit(nogil=True, cache=True)
def _rank_row(order: Words, ties: Words, ranks: Ranks) -> float:
    """Write centred average ranks of one sorted row, return their sum of squares. O(n)."""
    n = order.size
    center = 0.5 * (n - 1)
    for k in range(n):
        ranks[order[k]] = k - center
    tied = 0.0
    i = 0
    while i < ties.size:
        start = ties[i] - np.uint32(1)
        end = ties[i]
        while i < ties.size and ties[i] == end:
            end += np.uint32(1)
            i += 1
        rank = 0.5 * (np.float64(start) + np.float64(end) - 1.0) - center
        for cell in order[start:end]:
            ranks[cell] = rank
        length = np.float64(end - start)
        tied += length * (length * length - 1.0)
    return (np.float64(n) * (np.float64(n) * n - 1.0) - tied) / 12.0


@njit(nogil=True, cache=True)
def rank_rows(rows: Floats, ranks: Ranks, squares: Floats) -> None:
    """Centred average ranks of each row (exact multiples of one half) and their sums of squares."""
    n = rows.shape[1]
    order = np.empty(n, np.uint32)
    ties = np.empty(n, np.uint32)
    space = sort_space(n)
    for r in range(rows.shape[0]):
        n_ties = sort_cells(rows[r], order, ties, space)
        squares[r] = _rank_row(order, ties[:n_ties], ranks[r])
