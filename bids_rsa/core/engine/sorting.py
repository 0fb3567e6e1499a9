"""Sorting words of a key and a number, and cells by their values."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, kernel_part
from bids_rsa.core.engine.vectors import pointer_to
from bids_rsa.core.engine.words import WORD_LANES, exchange

Floats = NDArray[np.float64]
Words = NDArray[np.uint32]
WideWords = NDArray[np.uint64]

_MOST_EXCHANGES = 8  # rounds, before buckets are given up
_MOST_MOVES = 4  # a word, before insertion is given up
_LAST = np.uint32(0xFFFFFFFF)  # sorts behind every word
_SHORT = 24  # cells; insertion sort is fine up to here


@kernel
def count_bits(n: int) -> int:
    """Bits of a number below n. O(log n)."""
    bits = 0
    while (1 << bits) < n:
        bits += 1
    return bits


@kernel_part
def _to_offsets(counts: Words) -> None:
    """Turn counts into the position where each bucket starts. O(buckets)."""
    total = np.uint32(0)
    for b in range(counts.size):
        count = counts[b]
        counts[b] = total
        total += count


@kernel_part
def bucket_sort(words: Words, spare: Words, counts: Words, shift: np.uint32) -> bool:
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
def _pass(source: WideWords, target: WideWords, starts: Words, shift: np.uint64) -> None:
    """Move words to where the buckets of a digit start; those of one keep their order. O(n)."""
    mask = np.uint64(starts.size - 1)
    for k in range(source.size):
        word = source[k]
        digit = (word >> shift) & mask
        position = starts[digit]
        starts[digit] = position + np.uint32(1)
        target[position] = word


@kernel_part
def _insert(words: WideWords, most: int) -> bool:
    """Sort words of which nearly all are in order; False, half done, after too many moves."""
    largest = words[0]
    for k in range(1, words.size):
        word = words[k]
        if word > largest:
            largest = word
            continue
        j = k
        while j > 0 and words[j - 1] > word:
            words[j] = words[j - 1]
            j -= 1
        words[j] = word
        most -= k - j
        if most < 0:
            return False
    return True


@kernel_part
def radix_sort(words: WideWords, spare: WideWords, counts: Words, lowest_bit: int) -> None:
    """Sort words by their two highest digits, and what these leave by insertion. O(n).

    Where keys are crowded, as a few huge cells make them, by all digits from the lowest bit up.

    words, spare : (n,); counts : (2, 2^bits of a digit)
    """
    lower, upper = counts[0], counts[1]
    digit_bits = count_bits(lower.size)
    mask = np.uint64(lower.size - 1)
    high, low = np.uint64(64 - digit_bits), np.uint64(64 - 2 * digit_bits)
    counts[:] = 0
    for k in range(words.size):
        word = words[k]
        lower[(word >> low) & mask] += np.uint32(1)
        upper[word >> high] += np.uint32(1)
    _to_offsets(lower)
    _to_offsets(upper)
    _pass(words, spare, lower, low)
    _pass(spare, words, upper, high)
    if not _insert(words, _MOST_MOVES * words.size):
        last = 64 - digit_bits
        for bit in range(lowest_bit, 64, 2 * digit_bits):
            _count_and_pass(words, spare, lower, np.uint64(min(bit, last)))
            _count_and_pass(spare, words, lower, np.uint64(min(bit + digit_bits, last)))


@kernel_part
def _count_and_pass(source: WideWords, target: WideWords, counts: Words, shift: np.uint64) -> None:
    """Sort words by one digit. O(n)."""
    mask = np.uint64(counts.size - 1)
    counts[:] = 0
    for k in range(source.size):
        counts[(source[k] >> shift) & mask] += np.uint32(1)
    _to_offsets(counts)
    _pass(source, target, counts, shift)


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


@kernel_part
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


@kernel_part
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
def sort_by_value(row: Floats, cells: Words, spare: Words, gap: float) -> None:
    """Sort cells by their values; where all are ties only the two ends matter."""
    if cells.size <= _SHORT:
        _sort_short(row, cells)
        return
    _sort_ends(row, cells)
    if row[cells[cells.size - 1]] - row[cells[0]] > gap:
        _sort_long(row, cells, spare)
