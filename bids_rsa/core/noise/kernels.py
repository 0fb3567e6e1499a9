"""Compiled loops over the voxels of patches."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, summing_kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@summing_kernel
def gather_lower(matrix: Floats, members: Integers, out: Floats) -> float:
    """Copy the lower triangle of a patch's rows and columns; return the sum of all squares."""
    total, diagonal = 0.0, 0.0
    for a in range(members.size):
        row, target = matrix[members[a]], out[a]
        part = 0.0
        for b in range(a):
            value = row[members[b]]
            target[b] = value
            part += value * value
        total += part
        own = row[members[a]]
        target[a] = own
        diagonal += own * own
    return 2.0 * total + diagonal


@kernel
def gather_columns(rows: Floats, members: Integers, out: Floats) -> None:
    """Copy a patch's columns of each row."""
    for k in range(len(rows)):
        row, target = rows[k], out[k]
        for a in range(members.size):
            target[a] = row[members[a]]


@summing_kernel
def add_fourth_moments(
    squares: Floats, starts: Integers, members: Integers, sums: Floats, totals: Floats
) -> None:
    """Add to each patch's total the squares, over samples, of its sums over voxels.

    Parameters
    ----------
    squares : (n_voxels, n_samples) float64, C-contiguous
        z^2 of few enough samples for all voxels to stay in the cache.
    starts, members
        Patch p holds the voxels ``members[starts[p]:starts[p + 1]]``.
    sums : (n_samples,) float64
        Room.
    totals : (n_patches,) float64
    """
    n = squares.shape[1]
    for p in range(starts.size - 1):
        sums[:] = 0.0
        for m in members[starts[p] : starts[p + 1]]:
            row = squares[m]
            for t in range(n):
                sums[t] += row[t]
        total = 0.0
        for t in range(n):
            total += sums[t] * sums[t]
        totals[p] += total


@kernel
def products_to_distances(gram: Floats, out: Floats) -> None:
    """Write g_ii + g_jj - 2 g_ij of all pairs, condensed."""
    n, cell = len(gram), 0
    for i in range(n):
        for j in range(i + 1, n):
            out[cell] = gram[i, i] + gram[j, j] - 2.0 * gram[i, j]
            cell += 1


@kernel
def keep_usable(
    members: Integers, starts: Integers, usable: NDArray[np.bool_], local: Integers
) -> None:
    """Leave voxels out whose noise does not vary, in place; number the others by ``local``."""
    count, begin = 0, 0
    for p in range(starts.size - 1):
        end = starts[p + 1]
        for k in range(begin, end):
            m = members[k]
            if usable[m]:
                members[count] = local[m]
                count += 1
        begin = end
        starts[p + 1] = count


@summing_kernel
def unpack_products(cells: Floats, n_rows: int, gram: Floats, across: Floats, own: Floats) -> float:
    """Turn squared distances of rows into products of means, of means and contrasts, of contrasts.

    Parameters
    ----------
    cells : (n_rows * (n_rows - 1) / 2,) float64
        Condensed; row 0 is zeros, row 1 is left out, then come means and contrasts.
    gram : (n_means, n_means) float64
    across : (n_means, n_contrasts) float64
    own : (n_contrasts, n_contrasts) float64
        Its lower triangle is written.

    Returns
    -------
    float
        Sum of the squared products of contrasts.
    """
    n_means, n_contrasts = across.shape
    # distances from the row of zeros are the squared norms: cells[j - 1] is that of row j
    for i in range(n_means):
        a = 2 + i
        first = a * n_rows - a * (a + 1) // 2 - a - 1
        norm = cells[a - 1]
        gram[i, i] = norm
        for j in range(i + 1, n_means):
            value = 0.5 * (norm + cells[1 + j] - cells[first + 2 + j])
            gram[i, j] = value
            gram[j, i] = value
        for j in range(n_contrasts):
            b = 2 + n_means + j
            across[i, j] = 0.5 * (norm + cells[b - 1] - cells[first + b])
    total, diagonal = 0.0, 0.0
    for i in range(n_contrasts):
        a = 2 + n_means + i
        first = a * n_rows - a * (a + 1) // 2 - a - 1
        norm = cells[a - 1]
        own[i, i] = norm
        diagonal += norm * norm
        for j in range(i + 1, n_contrasts):
            b = 2 + n_means + j
            value = 0.5 * (norm + cells[b - 1] - cells[first + b])
            own[j, i] = value
            total += value * value
    return 2.0 * total + diagonal


@summing_kernel
def fourth_of_samples(
    own: Floats, deviations: Floats, first: Integers, last: Integers, samples: Floats
) -> float:
    """Write each sample's sum of z^2 over voxels; return the sum of their squares.

    Parameters
    ----------
    own : (dof, dof) float64
        Products of contrasts, in the lower triangle.
    deviations : (n_samples, dof) float64
        Each sample from the contrasts.
    first, last : (n_samples,) int64
        The contrasts from ``first`` to before ``last`` are those of the sample's condition.
    samples : (n_samples,) float64
    """
    total = 0.0
    for t in range(len(deviations)):
        weights = deviations[t]
        square = 0.0
        for i in range(first[t], last[t]):
            part = 0.5 * weights[i] * own[i, i]
            for j in range(first[t], i):
                part += weights[j] * own[i, j]
            square += 2.0 * weights[i] * part
        samples[t] = square
        total += square * square
    return total


@kernel
def extremes(matrix: Floats) -> tuple[float, float]:
    """Return the smallest and the largest entry of a diagonal."""
    least, most = matrix[0, 0], matrix[0, 0]
    for i in range(1, len(matrix)):
        least = min(least, matrix[i, i])
        most = max(most, matrix[i, i])
    return least, most


@kernel
def smallest_distance(first: Floats, second: Floats) -> float:
    """Return the smallest product of two squared distances, from two matrices of products.

    NaN where a squared distance is not above 0.
    """
    smallest = np.inf
    for i in range(len(first)):
        for j in range(i):
            one = first[i, i] + first[j, j] - 2.0 * first[i, j]
            other = second[i, i] + second[j, j] - 2.0 * second[i, j]
            if not (one > 0.0 and other > 0.0):
                return np.nan
            smallest = min(smallest, one * other)
    return smallest
