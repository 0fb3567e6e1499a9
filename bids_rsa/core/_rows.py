"""RDMs along rows of the grid, for dissimilarities that are sums over voxels of x y or (x - y)^2.

The neighborhood is a set of columns along the row. Within one column, neighbouring centres share
almost all voxels, so that each product is computed once per column and row position, summed over
the columns that are long enough (the tiles' snapshots), and these sums are added up over the
positions of the window. Nothing is subtracted, hence no rounding piles up along the row.

Cost per centre and pair of conditions: one product per column of the neighborhood (81 for 515
voxels), one addition per position of the longest column (11).
"""

import numpy as np
from numba import njit

from bids_rsa.core._patch import correlate_patch
from bids_rsa.core._tiles import LANES, N_MOMENTS, N_X, N_Y, moments, products, squares

CORRELATION, COSINE, SQEUCLIDEAN, EUCLIDEAN = range(4)
# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room)
_NEAR_CONSTANT = 1e-20
_N_SAMPLES = 64


@njit(nogil=True, cache=True)
def used_columns(rows, start, length, starts, lengths, first, used, bounds):
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


@njit(nogil=True, cache=True)
def sample(patterns, rows, start, length, starts, lengths, used, shift, scale):
    """Means of some voxels of each condition and fold, and a power of two near their inverse size.

    Both serve rounding only: any constant would do. Cost: 64 voxels.
    """
    n_voxels = 0
    shift[:] = 0.0
    scale[:] = 0.0
    step = max(1, len(used) * (length + lengths[used[0]]) // _N_SAMPLES) if len(used) else 1
    position = 0
    for c in range(len(used)):
        n_positions = length + lengths[used[c]] - 1
        base = start + starts[used[c]]
        while position < n_positions:
            row = rows[base + position]
            if row >= 0 and _is_finite(patterns[row]):
                n_voxels += 1
                for f in range(patterns.shape[1]):
                    for i in range(patterns.shape[2]):
                        value = np.float64(patterns[row, f, i])
                        shift[f, i] += value
                        scale[i] = max(scale[i], abs(value))
            position += step
        position -= n_positions
    for i in range(len(scale)):
        if scale[i] > 0:
            # within 2^+-900, so that the scale and its inverse are normal numbers
            exponent = min(max(np.floor(np.log2(scale[i])), -900.0), 900.0)
            scale[i] = 2.0**-exponent
        else:
            scale[i] = 1.0
    for f in range(shift.shape[0]):
        for i in range(shift.shape[1]):
            shift[f, i] /= max(n_voxels, 1)


@njit(nogil=True, cache=True)
def _is_finite(pattern):
    """Tell whether all values (n_folds, n_conditions) of a voxel are finite."""
    total = 0.0
    for f in range(pattern.shape[0]):
        for i in range(pattern.shape[1]):
            total += np.float64(pattern[f, i]) * 0.0
    return total == 0.0


@njit(nogil=True, cache=True)
def pack(patterns, rows, start, length, starts, lengths, used, shift, scale, packed):
    """Lay one fold out for the tiles: ``packed`` (n_blocks, n_rows, n_columns, 4).

    Behind the conditions stand a row of ones where there is a voxel, and one of ones where its
    values are not finite; everything else outside the mask is 0. Cost: one copy of the row's tube.
    """
    n = patterns.shape[2]
    packed[:, n:] = 0.0
    for c in range(len(used)):
        base = start + starts[used[c]]
        n_positions = length + lengths[used[c]] - 1
        for block in range(packed.shape[0]):
            for lane in range(LANES):
                position = block * LANES + lane
                row = rows[base + position] if position < n_positions else -1
                if row >= 0 and _is_finite(patterns[row]):
                    packed[block, n, c, lane] = 1.0
                    for i in range(n):
                        value = np.float64(patterns[row, 0, i])
                        packed[block, i, c, lane] = value * scale[i] - shift[0, i] * scale[i]
                else:
                    for i in range(n):
                        packed[block, i, c, lane] = 0.0
                    if row >= 0:
                        packed[block, n, c, lane] = 1.0
                        packed[block, n + 1, c, lane] = 1.0


@njit(nogil=True, cache=True)
def pack_folds(patterns, rows, start, length, starts, lengths, used, scale, folds, total):
    """Lay out all folds (a column for each) and their sum, minus the first condition's value.

    Differences of conditions don't change by that, and they keep their digits where all conditions
    share a large value. Cost: one copy of the row's tube and folds.
    """
    n_folds, n = patterns.shape[1:]
    total[:, n:] = 0.0
    for c in range(len(used)):
        base = start + starts[used[c]]
        n_positions = length + lengths[used[c]] - 1
        for block in range(total.shape[0]):
            for lane in range(LANES):
                position = block * LANES + lane
                row = rows[base + position] if position < n_positions else -1
                known = row >= 0 and _is_finite(patterns[row])
                if row >= 0:
                    total[block, n, c, lane] = 1.0
                    total[block, n + 1, c, lane] = 0.0 if known else 1.0
                for i in range(n):
                    sum_of_folds = 0.0
                    for f in range(n_folds):
                        value = 0.0
                        if known:
                            value = np.float64(patterns[row, f, i]) - np.float64(
                                patterns[row, f, 0]
                            )
                        folds[block, i, c * n_folds + f, lane] = value * scale[i]
                        sum_of_folds += value * scale[i]
                    total[block, i, c, lane] = sum_of_folds


@njit(nogil=True, cache=True)
def add_window(snapshots, group_at, sums):
    """Sum the snapshots over the window of each centre: ``sums`` (n_sums, n_positions).

    Cost: one addition per position of the longest column.
    """
    n = sums.shape[1]
    for s in range(sums.shape[0]):
        out = sums[s]
        out[:] = snapshots[group_at[0], s, :n]
        for k in range(1, len(group_at)):
            part = snapshots[group_at[k], s, k : k + n]
            for z in range(n):
                out[z] += part[z]


@njit(nogil=True, cache=True)
def sum_moments(packed, first, bounds, group_at, snapshots, sums, squared):
    """Sums and sums of squares (n_rows, n_positions) of packed rows from ``first`` on."""
    n_rows = len(sums)
    window = np.empty((2 * N_MOMENTS, sums.shape[1]))
    for i in range(0, n_rows, N_MOMENTS):
        for block in range(packed.shape[0]):
            moments(packed, first + i, packed, first + i, block, bounds, snapshots)
        add_window(snapshots, group_at, window)
        for k in range(min(N_MOMENTS, n_rows - i)):
            sums[i + k] = window[2 * k]
            squared[i + k] = window[2 * k + 1]


@njit(nogil=True, cache=True)
def scatter(values, at, i0, j0, n, rdms):
    """Write the cells of one tile (12, n_positions) into the RDMs of the row's centres."""
    for k in range(len(at)):
        rdm = rdms[k]
        for a in range(N_X):
            i = i0 + a
            # cell (i, j) of a condensed RDM stands at this base + j
            base = i * n - i * (i + 1) // 2 - i - 1
            for b in range(N_Y):
                j = j0 + b
                if i < j < n:
                    rdm[base + j] = values[a * N_Y + b, at[k]]


@njit(nogil=True, cache=True, fastmath={"contract"})
def correlations(packed, n, bounds, group_at, snapshots, means, inverses, metric, at, rdms):
    """Correlation (or cosine) distances of all pairs: 1 - (sum x y - n mean mean) / norms."""
    sums = np.empty((N_X * N_Y, means.shape[1]))
    for i0 in range(0, n, N_X):
        for j0 in range((i0 + 1) // N_Y * N_Y, n, N_Y):
            for block in range(packed.shape[0]):
                products(packed, i0, packed, j0, block, bounds, snapshots)
            add_window(snapshots, group_at, sums)
            for a in range(min(N_X, n - i0)):
                for b in range(min(N_Y, n - j0)):
                    out = sums[a * N_Y + b]
                    left, right = inverses[i0 + a], inverses[j0 + b]
                    if metric == CORRELATION:
                        m_left, m_right = means[i0 + a], means[j0 + b]
                        for z in range(len(out)):
                            covariance = out[z] - m_left[z] * m_right[z]
                            out[z] = 1.0 - covariance * left[z] * right[z]
                    else:
                        for z in range(len(out)):
                            out[z] = 1.0 - out[z] * left[z] * right[z]
            scatter(sums, at, i0, j0, n, rdms)


@njit(nogil=True, cache=True, fastmath={"contract"})
def distances(packed, n, bounds, group_at, snapshots, unit, metric, at, rdms):
    """Squared Euclidean distances of all pairs, or their roots; ``unit`` undoes the scale."""
    sums = np.empty((N_X * N_Y, snapshots.shape[2] - len(group_at) + 1))
    for i0 in range(0, n, N_X):
        for j0 in range((i0 + 1) // N_Y * N_Y, n, N_Y):
            for block in range(packed.shape[0]):
                squares(packed, i0, packed, j0, block, bounds, snapshots)
            add_window(snapshots, group_at, sums)
            for t in range(N_X * N_Y):
                out = sums[t]
                if metric == EUCLIDEAN:
                    for z in range(len(out)):
                        out[z] = np.sqrt(out[z]) * unit
                else:
                    for z in range(len(out)):
                        out[z] = out[z] * unit * unit
            scatter(sums, at, i0, j0, n, rdms)


@njit(nogil=True, cache=True, fastmath={"contract"})
def fold_distances(
    folds, total, n, n_folds, bounds, group_at, snapshots, unit, metric, at, rdms
):
    """Cross-validated squared Euclidean distances of all pairs, or their signed roots.

    The products of the differences d_f of different folds add up to (sum d_f)^2 - sum d_f^2, so
    that F + 1 squares per voxel do for F (F - 1) / 2 products.
    """
    n_positions = snapshots.shape[2] - len(group_at) + 1
    sums, own = np.empty((N_X * N_Y, n_positions)), np.empty((N_X * N_Y, n_positions))
    for i0 in range(0, n, N_X):
        for j0 in range((i0 + 1) // N_Y * N_Y, n, N_Y):
            for block in range(total.shape[0]):
                squares(total, i0, total, j0, block, bounds, snapshots)
            add_window(snapshots, group_at, sums)
            for block in range(total.shape[0]):
                squares(folds, i0, folds, j0, block, bounds * n_folds, snapshots)
            add_window(snapshots, group_at, own)
            for t in range(N_X * N_Y):
                out, part = sums[t], own[t]
                for z in range(n_positions):
                    mean = (out[z] - part[z]) / (n_folds * (n_folds - 1))
                    if metric == EUCLIDEAN:
                        # a root makes rounding errors large: near 0 they count as 0
                        near_zero = abs(mean) <= 1e-13 * part[z]
                        root = 0.0 if near_zero else np.sqrt(abs(mean)) * unit
                        out[z] = root if mean > 0 else -root
                    else:
                        out[z] = mean * unit * unit
            scatter(sums, at, i0, j0, n, rdms)


@njit(nogil=True, cache=True)
def undefined_centers(sizes, bad, norms, at, min_voxels, n_voxels, rdms):
    """Set RDMs to NaN where the patch is too small, holds NaN, or (cosine) a pattern is 0."""
    for k in range(len(at)):
        z = at[k]
        n_voxels[k] = np.int32(sizes[z] + 0.5)
        undefined = n_voxels[k] < min_voxels or bad[z] > 0
        for i in range(norms.shape[0]):
            undefined |= norms[i, z] == 0.0
        if undefined:
            rdms[k] = np.nan


@njit(nogil=True, cache=True)
def find_suspects(sums, squared, sizes, shift, suspects):
    """Mark centres where a pattern's spread is small beside its mean, or next to nothing."""
    for i in range(sums.shape[0]):
        for z in range(sums.shape[1]):
            size = max(sizes[z], 1.0)
            spread = squared[i, z] - sums[i, z] * sums[i, z] / size
            norm = squared[i, z] + shift[i] * (2.0 * sums[i, z] + shift[i] * size)
            if spread <= _TRUSTED * squared[i, z] or spread <= _NEAR_CONSTANT * norm:
                suspects[z] = True


@njit(nogil=True, cache=True)
def norms_of(sums, squared, sizes, metric, means, inverses):
    """Means times the root of the size, and inverse norms, as `correlations` takes them."""
    for i in range(sums.shape[0]):
        for z in range(sums.shape[1]):
            size = max(sizes[z], 1.0)
            spread = squared[i, z]
            if metric == CORRELATION:
                means[i, z] = sums[i, z] / np.sqrt(size)
                spread -= means[i, z] * means[i, z]
            inverses[i, z] = 1.0 / np.sqrt(spread) if spread > 0 else 0.0


@njit(nogil=True, cache=True)
def fill_correlations(
    patterns, rows, start, length, starts, lengths, used, bounds, group_at, offsets, metric,
    min_voxels, work, positions, rdms, n_voxels,
):  # fmt: skip
    """RDMs of one row's centres: correlation or cosine."""
    n = patterns.shape[2]
    n_blocks = (length + len(group_at) - 1 + LANES - 1) // LANES
    n_rows = padded_rows(n)
    shape = (n_blocks, n_rows, len(used), LANES)
    packed = work[: shape[0] * shape[1] * shape[2] * shape[3]].reshape(shape)
    shift, scale = np.empty((1, n)), np.empty(n)
    sample(patterns, rows, start, length, starts, lengths, used, shift, scale)
    if metric == COSINE:
        shift[:] = 0.0
    pack(patterns, rows, start, length, starts, lengths, used, shift, scale, packed)
    n_positions = n_blocks * LANES - len(group_at) + 1
    sums, squared = np.empty((n + 2, n_positions)), np.empty((n + 2, n_positions))
    snapshots = np.empty((len(bounds) - 1, 2 * N_MOMENTS, n_blocks * LANES))
    sum_moments(packed, 0, bounds, group_at, snapshots, sums, squared)
    at = positions - start
    suspects = np.zeros(n_positions, dtype=np.bool_)
    if metric == CORRELATION:
        find_suspects(sums[:n], squared[:n], sums[n], shift[0] * scale, suspects)
    means, inverses = np.empty((n, n_positions)), np.empty((n, n_positions))
    norms_of(sums[:n], squared[:n], sums[n], metric, means, inverses)
    snapshots = np.empty((len(bounds) - 1, N_X * N_Y, n_blocks * LANES))
    correlations(packed, n, bounds, group_at, snapshots, means, inverses, metric, at, rdms)
    for k in range(len(at)):
        if suspects[at[k]]:
            correlate_patch(patterns, rows, positions[k], offsets, rdms[k])
    zeros = squared[: n if metric == COSINE else 0]
    undefined_centers(sums[n], sums[n + 1], zeros, at, min_voxels, n_voxels, rdms)


@njit(nogil=True, cache=True)
def fill_distances(
    patterns, rows, start, length, starts, lengths, used, bounds, group_at, metric, min_voxels,
    work, positions, rdms, n_voxels,
):  # fmt: skip
    """RDMs of one row's centres: (squared) Euclidean, cross-validated where there are folds."""
    n_folds, n = patterns.shape[1:]
    n_blocks = (length + len(group_at) - 1 + LANES - 1) // LANES
    n_rows = padded_rows(n)
    size = n_blocks * n_rows * len(used) * LANES
    packed = work[:size].reshape((n_blocks, n_rows, len(used), LANES))
    shift, scale = np.empty((n_folds, n)), np.empty(n)
    sample(patterns, rows, start, length, starts, lengths, used, shift, scale)
    scale[:] = scale.min()
    n_positions = n_blocks * LANES - len(group_at) + 1
    snapshots = np.empty((len(bounds) - 1, N_X * N_Y, n_blocks * LANES))
    at = positions - start
    if n_folds == 1:
        shift[:] = 0.0
        pack(patterns, rows, start, length, starts, lengths, used, shift, scale, packed)
        distances(packed, n, bounds, group_at, snapshots, 1.0 / scale[0], metric, at, rdms)
    else:
        folds = work[size : size * (n_folds + 1)].reshape(
            (n_blocks, n_rows, len(used) * n_folds, LANES)
        )
        pack_folds(
            patterns, rows, start, length, starts, lengths, used, scale, folds, packed
        )
        fold_distances(
            folds, packed, n, n_folds, bounds, group_at, snapshots, 1.0 / scale[0], metric, at, rdms
        )
    sums, squared = np.empty((2, n_positions)), np.empty((2, n_positions))
    snapshots = np.empty((len(bounds) - 1, 2 * N_MOMENTS, n_blocks * LANES))
    sum_moments(packed, n, bounds, group_at, snapshots, sums, squared)
    undefined_centers(sums[0], sums[1], squared[:0], at, min_voxels, n_voxels, rdms)


@njit(nogil=True, cache=True)
def padded_rows(n):
    """Return the rows of packed patterns: conditions, two of marks, and room for whole tiles."""
    return (n + N_Y + N_MOMENTS + 3) // 4 * 4


@njit(nogil=True, cache=True)
def fill_rows(
    patterns, rows, starts, lengths, first, group_at, offsets, segments, positions, metric,
    min_voxels, work, rdms, n_voxels,
):  # fmt: skip
    """RDMs (n_centers, n_cells) and patch sizes of the centres of some segments of grid rows.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
    rows : (n_padded,) int32
        Row of each voxel of the padded grid in ``patterns``, -1 outside the mask.
    starts, lengths : (n_columns,) int64
        First position of each column, from its centre, and its length; longest first.
    first : (n_lengths + 1,) int64
        First column of each length, and the number of columns.
    group_at : (longest,) int64
        For each position of the window, the last group of columns that reaches it.
    offsets : (n_offsets,) int64
        The whole neighborhood.
    segments : (n_segments, 2) int64
        First centre and the one behind the last.
    positions : (n_centers,) int64
        Centres in the padded grid.
    """
    used, bounds = np.empty(len(starts), np.int64), np.empty(len(first), np.int64)
    for s in range(len(segments)):
        a, b = segments[s]
        start, length = positions[a], positions[b - 1] - positions[a] + 1
        n_used = used_columns(rows, start, length, starts, lengths, first, used, bounds)
        if n_used == 0:
            rdms[a:b] = np.nan
            n_voxels[a:b] = 0
        elif metric == CORRELATION or metric == COSINE:
            fill_correlations(
                patterns, rows, start, length, starts, lengths, used[:n_used], bounds, group_at,
                offsets, metric, min_voxels, work, positions[a:b], rdms[a:b], n_voxels[a:b],
            )  # fmt: skip
        else:
            fill_distances(
                patterns, rows, start, length, starts, lengths, used[:n_used], bounds, group_at,
                metric, min_voxels, work, positions[a:b], rdms[a:b], n_voxels[a:b],
            )  # fmt: skip
