"""A radix sort of the locations above 0, highest first."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.sorting import WideWords, Words, count_bits, radix_sort

DIGIT_BITS = 11
N_DIGITS = 6  # 66 bits hold a float64
_KEY_BITS = 50  # at most: keys are whole parts of a double
_WHOLE = 2.0**52  # doubles from here on are whole numbers, which stand in their lowest bits
_MOST_MOVES = 4  # a location, before words are given up

Values = npt.NDArray[np.float64]
Order = npt.NDArray[np.int32]


class SortRoom(NamedTuple):
    """Room for sorting maps.

    Attributes
    ----------
    words, spare : (n_locations,) uint64
    counts : (2, 2048) uint32
    """

    words: WideWords
    spare: WideWords
    counts: Words


@kernel
def room_for_sorting(n_locations: int) -> SortRoom:
    """Make room for sorting maps of so many locations."""
    return SortRoom(
        np.empty(n_locations, np.uint64),
        np.empty(n_locations, np.uint64),
        np.empty((2, 1 << DIGIT_BITS), np.uint32),
    )


@kernel
def sort_positive(values: Values, sign: float, room: SortRoom, order: Order) -> int:
    """Put the indices of ``sign * values > 0`` into ``order``, largest first.

    Exact; ties stand in the order of their index. Values are mapped linearly onto keys, each beside
    its index in a word, and the words are sorted; values of equal keys are then put right. O(n).

    Returns
    -------
    int
        How many there are.
    """
    top = 0.0
    for v in range(len(values)):
        top = max(top, sign * values[v])
    key_bits = min(_KEY_BITS, 64 - count_bits(len(values)))
    scale = (2.0**key_bits - 2.0) / top
    if not 0.0 < scale < 1e300:  # infinite, next to nothing, or none
        return _sort_by_bits(values, sign, room.words, order, room.spare)
    shift = np.uint64(64 - key_bits)
    numbers = room.words.view(np.float64)
    n = 0
    for v in range(len(values)):
        value = sign * values[v]
        numbers[n] = (top - value) * scale + _WHOLE
        room.words[n] = (room.words[n] << shift) | np.uint64(v)
        n += int(value > 0.0)
    words = room.words[:n]
    radix_sort(words, room.spare[:n], room.counts, 64 - key_bits)
    mask = (np.uint64(1) << shift) - np.uint64(1)
    for k in range(n):
        order[k] = np.int32(words[k] & mask)
    if _sort_equal_keys(values, sign, words, shift, order):
        return n
    return _sort_by_bits(values, sign, room.words, order, room.spare)


@kernel
def _sort_equal_keys(
    values: Values, sign: float, words: WideWords, shift: np.uint64, order: Order
) -> bool:
    """Put indices of equal keys into order by insertion; False, half done, after many moves."""
    left = _MOST_MOVES * words.size
    for k in range(1, words.size):
        key = words[k] >> shift
        if words[k - 1] >> shift != key:
            continue
        v = order[k]
        j = k
        while (
            j > 0 and words[j - 1] >> shift == key and sign * (values[order[j - 1]] - values[v]) < 0
        ):
            order[j] = order[j - 1]
            j -= 1
        order[j] = v
        left -= k - j
        if left < 0:
            return False
    return True


@kernel
def _sort_by_bits(
    values: Values, sign: float, keys: WideWords, order: Order, spare_keys: WideWords
) -> int:
    """Do the same by all bits: those of a positive float64 sort as integers. Six passes at most.

    A digit that all share costs no pass.
    """
    bits = values.view(np.uint64)
    histograms = np.zeros((N_DIGITS, 1 << DIGIT_BITS), dtype=np.int64)
    low = np.uint64((1 << DIGIT_BITS) - 1)
    magnitude = np.uint64(0x7FFFFFFFFFFFFFFF)
    n = 0
    for v in range(len(values)):
        if sign * values[v] > 0.0:
            key = magnitude - (bits[v] & magnitude)  # the largest comes first
            keys[n] = key
            order[n] = v
            n += 1
            for digit in range(N_DIGITS):
                histograms[digit, np.int64((key >> np.uint64(digit * DIGIT_BITS)) & low)] += 1
    source_keys, source, target_keys, target = keys, order, spare_keys, np.empty_like(order)
    for digit in range(N_DIGITS):
        shift = np.uint64(digit * DIGIT_BITS)
        histogram = histograms[digit]
        if n and histogram[np.int64((source_keys[0] >> shift) & low)] == n:
            continue
        place = 0
        for b in range(len(histogram)):
            count = int(histogram[b])
            histogram[b] = place
            place += count
        for i in range(n):
            value = np.int64((source_keys[i] >> shift) & low)
            target_keys[histogram[value]] = source_keys[i]
            target[histogram[value]] = source[i]
            histogram[value] += 1
        source_keys, target_keys = target_keys, source_keys
        source, target = target, source
    return _copy_back(source, order, n)


@kernel
def _copy_back(source: Order, order: Order, n: int) -> int:
    """Bring the sorted indices to where the caller expects them."""
    for i in range(n):
        order[i] = source[i]
    return n
