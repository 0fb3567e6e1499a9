"""RDMs along rows of the grid, for dissimilarities that are sums over voxels of x y or (x - y)^2.

The neighborhood is a set of columns along the row. Within one column, neighbouring centres share
almost all voxels, so that each product is computed once per column and row position, summed over
the columns that are long enough (the tiles' snapshots), and these sums are added up over the
positions of the window. Nothing is subtracted, hence no rounding piles up along the row.

Cost per centre and pair of conditions: one product per column of the neighborhood (81 for 515
voxels), one addition per position of the longest column (11).

Every kernel works on one segment of a row. They are called one after the other from Python, since
a kernel that calls kernels compiles them all again.
"""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core._jit import kernel, summing_kernel
from bids_rsa.core._tiles import (
    LANES,
    N_MOMENTS,
    N_X,
    N_Y,
    moments,
    products,
    squares,
    window_sums,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

# correlation from sums is trusted while the mean stands out of the noise by less than 16 times
_TRUSTED = 1.0 / 256.0
# share of the squared norm below which a pattern may be constant (1e-12 of the norm, with room)
_NEAR_CONSTANT = 1e-20


def padded_rows(n: int) -> int:
    """Return the rows of packed patterns: conditions, two of marks, and room for whole tiles."""
    return (n + N_Y + N_MOMENTS + 3) // 4 * 4


@kernel
def positions_of(snapshots: Floats, group_at: Integers) -> int:
    """Return the number of centres that snapshots are enough for, a multiple of four."""
    return int((snapshots.shape[2] - len(group_at) + 1) // LANES * LANES)


@kernel
def add_window(snapshots: Floats, group_at: Integers, sums: Floats) -> None:
    """Sum the snapshots over the window of each centre: ``sums`` (n_sums, n_positions).

    Both numbers are multiples of four. Cost: one addition per position of the longest column.
    """
    for s in range(0, sums.shape[0], LANES):
        for z in range(0, sums.shape[1], LANES):
            window_sums(snapshots, group_at, s, z, sums)


@kernel
def sum_moments(
    packed: Floats,
    first: int,
    bounds: Integers,
    group_at: Integers,
    snapshots: Floats,
    sums: Floats,
    squared: Floats,
) -> None:
    """Add up packed rows from ``first`` on, and their squares: (n_rows, n_positions) each.

    Cost: two operations per row of the packed patterns and column.
    """
    window = np.empty((2 * N_MOMENTS, sums.shape[1]))
    for i in range(0, len(sums), N_MOMENTS):
        for block in range(packed.shape[0]):
            moments(packed, first + i, packed, first + i, block, bounds, snapshots)
        add_window(snapshots, group_at, window)
        for k in range(min(N_MOMENTS, len(sums) - i)):
            for z in range(sums.shape[1]):
                sums[i + k, z] = window[2 * k, z]
                squared[i + k, z] = window[2 * k + 1, z]


@kernel
def scatter(values: Floats, at: Integers, i0: int, j0: int, n: int, rdms: Floats) -> None:
    """Write the cells of one tile (12, n_positions) into the RDMs of the row's centres."""
    for k in range(len(at)):
        rdm, z = rdms[k], at[k]
        for a in range(N_X):
            i = i0 + a
            # cell (i, j) of a condensed RDM stands at this base + j
            base = i * n - i * (i + 1) // 2 - i - 1
            if i < j0 and j0 + N_Y <= n:
                for b in range(N_Y):
                    rdm[base + j0 + b] = values[a * N_Y + b, z]
            else:
                for j in range(max(i + 1, j0), min(j0 + N_Y, n)):
                    rdm[base + j] = values[a * N_Y + j - j0, z]


@summing_kernel
def correlations(
    packed: Floats,
    bounds: Integers,
    group_at: Integers,
    snapshots: Floats,
    means: Floats,
    inverses: Floats,
    at: Integers,
    rdms: Floats,
) -> None:
    """Correlation (cosine: means of 0) distances: 1 - (sum x y - mean mean) / norms.

    Cost: one product per pair and column; see the module.
    """
    n = len(means)
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
                    m_left, m_right = means[i0 + a], means[j0 + b]
                    for z in range(len(out)):
                        covariance = out[z] - m_left[z] * m_right[z]
                        out[z] = 1.0 - covariance * left[z] * right[z]
            scatter(sums, at, i0, j0, n, rdms)


@summing_kernel
def distances(
    packed: Floats,
    n: int,
    bounds: Integers,
    group_at: Integers,
    snapshots: Floats,
    unit: float,
    rooted: bool,
    at: Integers,
    rdms: Floats,
) -> None:
    """Squared Euclidean distances of all pairs, or their roots; ``unit`` undoes the scale.

    Cost: one difference squared per pair and column; see the module.
    """
    sums = np.empty((N_X * N_Y, positions_of(snapshots, group_at)))
    for i0 in range(0, n, N_X):
        for j0 in range((i0 + 1) // N_Y * N_Y, n, N_Y):
            for block in range(packed.shape[0]):
                squares(packed, i0, packed, j0, block, bounds, snapshots)
            add_window(snapshots, group_at, sums)
            for t in range(N_X * N_Y):
                out = sums[t]
                for z in range(len(out)):
                    out[z] = np.sqrt(out[z]) * unit if rooted else out[z] * unit * unit
            scatter(sums, at, i0, j0, n, rdms)


@summing_kernel
def fold_distances(
    folds: Floats,
    total: Floats,
    n: int,
    n_folds: int,
    bounds: Integers,
    fold_bounds: Integers,
    group_at: Integers,
    snapshots: Floats,
    unit: float,
    rooted: bool,
    at: Integers,
    rdms: Floats,
) -> None:
    """Cross-validated squared Euclidean distances of all pairs, or their signed roots.

    The products of the differences d_f of different folds add up to (sum d_f)^2 - sum d_f^2, so
    that F + 1 squares per voxel do for F (F - 1) / 2 products.
    """
    n_positions = positions_of(snapshots, group_at)
    sums, own = np.empty((N_X * N_Y, n_positions)), np.empty((N_X * N_Y, n_positions))
    share = 1.0 / (n_folds * (n_folds - 1))
    for i0 in range(0, n, N_X):
        for j0 in range((i0 + 1) // N_Y * N_Y, n, N_Y):
            for block in range(total.shape[0]):
                squares(total, i0, total, j0, block, bounds, snapshots)
            add_window(snapshots, group_at, sums)
            for block in range(total.shape[0]):
                squares(folds, i0, folds, j0, block, fold_bounds, snapshots)
            add_window(snapshots, group_at, own)
            for t in range(N_X * N_Y):
                out, part = sums[t], own[t]
                for z in range(n_positions):
                    mean = (out[z] - part[z]) * share
                    if rooted:
                        # a root makes rounding errors large: near 0 they count as 0
                        root = 0.0 if abs(mean) <= 1e-13 * part[z] else np.sqrt(abs(mean)) * unit
                        out[z] = root if mean > 0 else -root
                    else:
                        out[z] = mean * unit * unit
            scatter(sums, at, i0, j0, n, rdms)


@kernel
def norms_of(
    sums: Floats,
    squared: Floats,
    sizes: Floats,
    shift: Floats,
    means: Floats,
    inverses: Floats,
    suspects: Flags,
) -> None:
    """Means times the root of the size, and inverse norms, as `correlations` takes them.

    Marks centres where a pattern's spread is small beside its mean, or next to nothing.
    """
    for i in range(len(means)):
        for z in range(means.shape[1]):
            size = max(sizes[z], 1.0)
            means[i, z] = sums[i, z] / np.sqrt(size)
            spread = squared[i, z] - means[i, z] * means[i, z]
            norm = squared[i, z] + shift[i] * (2.0 * sums[i, z] + shift[i] * size)
            if spread <= _TRUSTED * squared[i, z] or spread <= _NEAR_CONSTANT * norm:
                suspects[z] = True
            inverses[i, z] = 1.0 / np.sqrt(spread) if spread > 0 else 0.0


@kernel
def mark_undefined(
    sizes: Floats,
    bad: Floats,
    norms: Floats,
    at: Integers,
    min_voxels: int,
    n_voxels: NDArray[np.int32],
    rdms: Floats,
) -> None:
    """Set RDMs to NaN where the patch is too small, holds NaN, or a norm (n, n_positions) is 0."""
    for k in range(len(at)):
        z = at[k]
        n_voxels[k] = np.int32(sizes[z] + 0.5)
        undefined = n_voxels[k] < min_voxels or bad[z] > 0
        for i in range(norms.shape[0]):
            undefined |= norms[i, z] == 0.0
        if undefined:
            rdm = rdms[k]
            for c in range(len(rdm)):
                rdm[c] = np.nan
