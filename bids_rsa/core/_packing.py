"""Patterns along a row of the grid, laid out for the tiles: (n_blocks, n_rows, n_columns, 4)."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core._jit import kernel
from bids_rsa.core._tiles import LANES

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rows = NDArray[np.int32]
Patterns = NDArray[np.floating[Any]]

_N_SAMPLES = 64


@kernel
def used_columns(
    rows: Rows,
    start: int,
    length: int,
    starts: Integers,
    lengths: Integers,
    first: Integers,
    used: Integers,
    bounds: Integers,
) -> int:
    """Choose the columns that hold a voxel of the mask; return their number.

    ``used`` gets their numbers, ``bounds`` the first of each length. Cost: one look per voxel.
    """
    n_used = 0
    for group in range(len(first) - 1):
        bounds[group] = n_used
        for column in range(first[group], first[group + 1]):
            base = start + starts[column]
            for position in range(length + lengths[column] - 1):
                if rows[base + position] >= 0:
                    used[n_used] = column
                    n_used += 1
                    break
    bounds[len(first) - 1] = n_used
    return n_used


@kernel
def is_finite(patterns: Patterns, row: int) -> bool:
    """Tell whether all values of a voxel are finite."""
    total = 0.0
    for f in range(patterns.shape[1]):
        for i in range(patterns.shape[2]):
            total += np.float64(patterns[row, f, i]) * 0.0
    return total == 0.0


@kernel
def sample(
    patterns: Patterns,
    rows: Rows,
    start: int,
    length: int,
    starts: Integers,
    lengths: Integers,
    used: Integers,
    shift: Floats,
    scale: Floats,
) -> None:
    """Means of some voxels of each condition (first fold), and powers of two near 1 / their size.

    Both serve rounding only: any constants would do. Cost: 64 voxels.
    """
    n_voxels = 0
    for i in range(len(shift)):
        shift[i] = 0.0
        scale[i] = 0.0
    step = max(1, len(used) * (length + lengths[used[0]]) // _N_SAMPLES)
    position = 0
    for c in range(len(used)):
        n_positions = length + lengths[used[c]] - 1
        while position < n_positions:
            row = rows[start + starts[used[c]] + position]
            if row >= 0 and is_finite(patterns, row):
                n_voxels += 1
                for i in range(len(shift)):
                    value = np.float64(patterns[row, 0, i])
                    shift[i] += value
                    scale[i] = max(scale[i], abs(value))
            position += step
        position -= n_positions
    for i in range(len(shift)):
        shift[i] /= max(n_voxels, 1)
        # within 2^+-900, so that the scale and its inverse are normal numbers
        exponent = min(max(math.frexp(scale[i])[1], -900), 900)
        scale[i] = math.ldexp(1.0, -exponent)


@kernel
def pack(
    patterns: Patterns,
    rows: Rows,
    start: int,
    length: int,
    starts: Integers,
    lengths: Integers,
    used: Integers,
    shift: Floats,
    scale: Floats,
    packed: Floats,
) -> None:
    """Lay the only fold out, shifted and scaled.

    Behind the conditions stand a row of ones where there is a voxel, and one of ones where its
    values are not finite; everything else outside the mask is 0. Cost: one copy of the row's tube.
    """
    n, n_rows = patterns.shape[2], packed.shape[1]
    for c in range(len(used)):
        base = start + starts[used[c]]
        n_positions = length + lengths[used[c]] - 1
        for block in range(packed.shape[0]):
            for lane in range(LANES):
                position = block * LANES + lane
                row = rows[base + position] if position < n_positions else -1
                known = row >= 0 and is_finite(patterns, row)
                if known:
                    for i in range(n):
                        value = np.float64(patterns[row, 0, i])
                        packed[block, i, c, lane] = (value - shift[i]) * scale[i]
                for i in range(n if known else 0, n_rows):
                    packed[block, i, c, lane] = 0.0
                if row >= 0:
                    packed[block, n, c, lane] = 1.0
                    packed[block, n + 1, c, lane] = 0.0 if known else 1.0


@kernel
def pack_folds(
    patterns: Patterns,
    rows: Rows,
    start: int,
    length: int,
    starts: Integers,
    lengths: Integers,
    used: Integers,
    scale: float,
    folds: Floats,
    total: Floats,
) -> None:
    """Lay out all folds (a column for each) and their sum, minus the first condition's value.

    Differences of conditions don't change by that, and they keep their digits where all conditions
    share a large value. Marks stand behind the sum, as in `pack`. Cost: one copy of the row's tube
    and folds.
    """
    n_folds, n, n_rows = patterns.shape[1], patterns.shape[2], total.shape[1]
    for c in range(len(used)):
        base = start + starts[used[c]]
        n_positions = length + lengths[used[c]] - 1
        for block in range(total.shape[0]):
            for lane in range(LANES):
                position = block * LANES + lane
                row = rows[base + position] if position < n_positions else -1
                known = row >= 0 and is_finite(patterns, row)
                for i in range(n_rows):
                    total[block, i, c, lane] = 0.0
                for f in range(n_folds):
                    reference = np.float64(patterns[row, f, 0]) if known else 0.0
                    for i in range(n):
                        value = 0.0
                        if known:
                            value = (np.float64(patterns[row, f, i]) - reference) * scale
                        folds[block, i, c * n_folds + f, lane] = value
                        total[block, i, c, lane] += value
                if row >= 0:
                    total[block, n, c, lane] = 1.0
                    total[block, n + 1, c, lane] = 0.0 if known else 1.0
