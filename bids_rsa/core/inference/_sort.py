"""A radix sort of the voxels above a bound, highest first."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel

DIGIT_BITS = 11
N_DIGITS = 6  # 66 bits hold a float64


@kernel
def sort_positive(
    values: npt.NDArray[np.float64],
    sign: float,
    keys: npt.NDArray[np.uint64],
    order: npt.NDArray[np.int32],
    spare_keys: npt.NDArray[np.uint64],
    spare_order: npt.NDArray[np.int32],
) -> int:
    """Put the indices of ``sign * values > 0`` into ``order``, largest first.

    The bits of a positive float64 sort as integers; a digit that all share costs no pass.
    Exact (64 bits); ties stand in the order of their index. Cost: at most 6 passes.

    Returns
    -------
    int
        How many there are.
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
    source_keys, source, target_keys, target = keys, order, spare_keys, spare_order
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
def _copy_back(source: npt.NDArray[np.int32], order: npt.NDArray[np.int32], n: int) -> int:
    """Bring the sorted indices to where the caller expects them."""
    for i in range(n):
        order[i] = source[i]
    return n
