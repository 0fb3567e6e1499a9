"""Compiled sums over relabelled subjects, in tiles of voxels."""

import numpy as np
import numpy.typing as npt

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.engine.vectors import pointer_to, put

FloatArray = npt.NDArray[np.float64]

TILE = 256  # voxels; the sums of 20 flipped subjects are 40 kB and stay in the nearest cache
SUBJECTS_PER_TABLE = 4
CODES = 1 << SUBJECTS_PER_TABLE


@kernel
def weighted_sum(
    weights: FloatArray, unit: FloatArray, first: int, start: int, stop: int, out: FloatArray
) -> None:
    """Write weights @ unit[first:, start:stop] into out: one multiply-add per subject and voxel.

    Always summed in the same order, so that the result has the same bits in any block.
    """
    n_voxels = stop - start
    out[:n_voxels] = 0.0
    n = len(weights)
    fours = n - n % 4
    for j in range(0, fours, 4):
        w0, w1, w2, w3 = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        u0 = unit[first + j, start:stop]
        u1 = unit[first + j + 1, start:stop]
        u2 = unit[first + j + 2, start:stop]
        u3 = unit[first + j + 3, start:stop]
        for v in range(n_voxels):
            out[v] += (w0 * u0[v] + w1 * u1[v]) + (w2 * u2[v] + w3 * u3[v])
    for j in range(fours, n):
        w0 = weights[j]
        u0 = unit[first + j, start:stop]
        for v in range(n_voxels):
            out[v] += w0 * u0[v]


@kernel
def flipped_sums(
    row: FloatArray, unit: FloatArray, start: int, stop: int, tables: FloatArray
) -> None:
    """Tabulate row[j] * unit[j] summed over four subjects at a time, with all 16 flips of them.

    ``tables`` is (n_tables * 16, TILE); bit j of a code flips subject j of its four. Any draw is
    then a sum of n / 4 lines (the method of four Russians); 16 n / 4 additions per voxel.
    """
    n_voxels = stop - start
    for first in range(0, len(row), SUBJECTS_PER_TABLE):
        base = first // SUBJECTS_PER_TABLE * CODES
        members = min(SUBJECTS_PER_TABLE, len(row) - first)
        unflipped = tables[base]
        unflipped[:n_voxels] = 0.0
        for j in range(first, first + members):
            values = unit[j, start:stop]
            for v in range(n_voxels):
                unflipped[v] += row[j] * values[v]
        for bit in range(members):
            values = unit[first + bit, start:stop]
            change = -2.0 * row[first + bit]
            for code in range(1 << bit):
                known = tables[base + code]
                flipped = tables[base + code + (1 << bit)]
                for v in range(n_voxels):
                    flipped[v] = known[v] + change * values[v]


@kernel
def sum_lines(
    tables: FloatArray, codes: npt.NDArray[np.uint8], k: int, d: int, n_voxels: int, out: FloatArray
) -> None:
    """Sum over the tables of row k the line of each code of draw d, into row k of ``out``.

    One draw's product: n / 4 additions a voxel. Lines are places behind a pointer, as numba counts
    references to slices.
    """
    lines, sums, n_tables = pointer_to(tables), pointer_to(out), codes.shape[1]
    own = k * out.shape[1]
    first = k * n_tables * CODES
    fours = n_tables - n_tables % 4
    if not fours:
        for v in range(n_voxels):
            put(sums, own + v, 0.0)
    for j in range(0, fours, 4):
        a = (first + j * CODES + codes[d, j]) * TILE
        b = (first + (j + 1) * CODES + codes[d, j + 1]) * TILE
        c = (first + (j + 2) * CODES + codes[d, j + 2]) * TILE
        e = (first + (j + 3) * CODES + codes[d, j + 3]) * TILE
        if j:
            for v in range(n_voxels):
                more = (lines[a + v] + lines[b + v]) + (lines[c + v] + lines[e + v])
                put(sums, own + v, sums[own + v] + more)
        else:  # the first four lines are written, not added
            for v in range(n_voxels):
                whole = (lines[a + v] + lines[b + v]) + (lines[c + v] + lines[e + v])
                put(sums, own + v, whole)
    for j in range(fours, n_tables):
        a = (first + j * CODES + codes[d, j]) * TILE
        for v in range(n_voxels):
            put(sums, own + v, sums[own + v] + lines[a + v])
