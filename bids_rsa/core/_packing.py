"""Patterns along a row of the grid, laid out for the tiles: (n_blocks, n_rows, n_columns, 4)."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core._jit import kernel, summing_kernel
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


@summing_kernel
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
def rows_of_block(
    patterns: Patterns,
    rows: Rows,
    first: int,
    n_positions: int,
    found: Integers,
    marks: Floats,
) -> bool:
    """Find the voxels of four positions of a column; True if all are there and finite.

    ``found`` (4,) gets their rows, -1 where there is none or it is not finite; ``marks`` (2, 4)
    whether there is one, and whether it is not finite.
    """
    complete = True
    for lane in range(LANES):
        row = rows[first + lane] if lane < n_positions else -1
        marks[0, lane] = 1.0 if row >= 0 else 0.0
        marks[1, lane] = 0.0
        if row >= 0 and not is_finite(patterns, row):
            marks[1, lane] = 1.0
            row = -1
        found[lane] = row
        complete = complete and row >= 0
    return complete


@kernel
def write_marks(marks: Floats, n: int, packed: Floats) -> None:
    """Write the rows behind the conditions of one block and column (n_rows, 4)."""
    for i in range(n, packed.shape[0]):
        for lane in range(LANES):
            packed[i, lane] = marks[i - n, lane] if i < n + 2 else 0.0


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
    n = patterns.shape[2]
    found, marks = np.empty(LANES, np.int64), np.empty((2, LANES))
    for block in range(packed.shape[0]):
        done = block * LANES
        for c in range(len(used)):
            n_positions = length + lengths[used[c]] - 1 - done
            first = start + starts[used[c]] + done
            complete = rows_of_block(patterns, rows, first, n_positions, found, marks)
            write_marks(marks, n, packed[block, :, c])
            if complete:
                a, b = patterns[found[0], 0], patterns[found[1], 0]
                d, e = patterns[found[2], 0], patterns[found[3], 0]
                for i in range(n):
                    packed[block, i, c, 0] = (np.float64(a[i]) - shift[i]) * scale[i]
                    packed[block, i, c, 1] = (np.float64(b[i]) - shift[i]) * scale[i]
                    packed[block, i, c, 2] = (np.float64(d[i]) - shift[i]) * scale[i]
                    packed[block, i, c, 3] = (np.float64(e[i]) - shift[i]) * scale[i]
                continue
            for lane in range(LANES):
                row = found[lane]
                for i in range(n):
                    value = 0.0
                    if row >= 0:
                        value = (np.float64(patterns[row, 0, i]) - shift[i]) * scale[i]
                    packed[block, i, c, lane] = value


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
    n_folds, n = patterns.shape[1], patterns.shape[2]
    found, marks = np.empty(LANES, np.int64), np.empty((2, LANES))
    weights = np.empty(LANES)
    for block in range(total.shape[0]):
        done = block * LANES
        for c in range(len(used)):
            n_positions = length + lengths[used[c]] - 1 - done
            first = start + starts[used[c]] + done
            rows_of_block(patterns, rows, first, n_positions, found, marks)
            for lane in range(LANES):
                # a voxel that isn't there counts 0 times whatever stands in its place
                weights[lane] = scale if found[lane] >= 0 else 0.0
                found[lane] = max(found[lane], 0)
            for i in range(total.shape[1]):
                for lane in range(LANES):
                    total[block, i, c, lane] = 0.0
            write_marks(marks, n, total[block, :, c])
            for f in range(n_folds):
                for i in range(n):
                    out, sums = folds[block, i, c * n_folds + f], total[block, i, c]
                    for lane in range(LANES):
                        value = 0.0
                        if weights[lane] != 0.0:
                            pattern = patterns[found[lane], f]
                            value = (np.float64(pattern[i]) - np.float64(pattern[0])) * weights[
                                lane
                            ]
                        out[lane] = value
                        sums[lane] += value
