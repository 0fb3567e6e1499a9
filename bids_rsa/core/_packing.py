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
    for block in range(total.shape[0]):
        done = block * LANES
        for c in range(len(used)):
            n_positions = length + lengths[used[c]] - 1 - done
            first = start + starts[used[c]] + done
            complete = rows_of_block(patterns, rows, first, n_positions, found, marks)
            write_marks(marks, n, total[block, :, c])
            for i in range(n):
                for lane in range(LANES):
                    total[block, i, c, lane] = 0.0
            for f in range(n_folds):
                column = c * n_folds + f
                if complete:
                    _pack_four(
                        patterns, found, f, scale, folds[block, :, column], total[block, :, c]
                    )
                else:
                    _pack_some(
                        patterns, found, f, scale, folds[block, :, column], total[block, :, c]
                    )


@kernel
def _pack_four(
    patterns: Patterns, found: Integers, f: int, scale: float, fold: Floats, total: Floats
) -> None:
    """Write one fold of four voxels to ``fold`` (n_rows, 4), and add it to ``total``."""
    a, b = patterns[found[0], f], patterns[found[1], f]
    d, e = patterns[found[2], f], patterns[found[3], f]
    a0, b0, d0, e0 = np.float64(a[0]), np.float64(b[0]), np.float64(d[0]), np.float64(e[0])
    for i in range(patterns.shape[2]):
        x, y = (np.float64(a[i]) - a0) * scale, (np.float64(b[i]) - b0) * scale
        z, w = (np.float64(d[i]) - d0) * scale, (np.float64(e[i]) - e0) * scale
        fold[i, 0], fold[i, 1], fold[i, 2], fold[i, 3] = x, y, z, w
        total[i, 0] += x
        total[i, 1] += y
        total[i, 2] += z
        total[i, 3] += w


@kernel
def _pack_some(
    patterns: Patterns, found: Integers, f: int, scale: float, fold: Floats, total: Floats
) -> None:
    """Do the same where some of the four are missing: they are 0."""
    for lane in range(LANES):
        row = found[lane]
        for i in range(patterns.shape[2]):
            value = 0.0
            if row >= 0:
                value = (np.float64(patterns[row, f, i]) - np.float64(patterns[row, f, 0])) * scale
            fold[i, lane] = value
            total[i, lane] += value
