"""Orthonormal contrasts: what differs between folds, or between images of one condition."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def helmert(n: int) -> Floats:
    """Orthonormal contrasts (n - 1, n): the rows are orthogonal to each other and to ones."""
    rows = np.zeros((max(n - 1, 0), n))
    for k in range(1, n):
        rows[k - 1, :k] = 1.0
        rows[k - 1, k] = -k
        rows[k - 1] /= np.sqrt(k * (k + 1.0))
    return rows


def fold_rows(folds: Floats) -> Floats:
    """Turn the folds of patterns into their means, and contrasts between folds.

    The mean over pairs of different folds of b_f b_g' is m m' - sum_u d_u d_u' / (F (F - 1)), with
    m the mean over F folds and d_u their orthonormal contrasts. Without the mean in the second
    part nothing large is subtracted.

    Parameters
    ----------
    folds : (n_voxels, n_folds, n_conditions) float64

    Returns
    -------
    rows : (n_conditions * n_folds, n_voxels) float64
        The means of the conditions, then the contrasts of the first condition, and so on.
    """
    n_voxels, n_folds, n_conditions = folds.shape
    means = folds.mean(axis=1).T
    if n_folds == 1:
        return np.ascontiguousarray(means)
    contrasts = np.matmul(helmert(n_folds), folds)  # (n_voxels, n_folds - 1, n_conditions)
    rows = contrasts.transpose(2, 1, 0).reshape(n_conditions * (n_folds - 1), n_voxels)
    return np.concatenate([means, rows])


def crossvalidated_gram(rows: Floats, n_folds: int) -> tuple[Floats, Floats]:
    """Multiply patterns, from `fold_rows`.

    Returns
    -------
    between : (n_conditions, n_conditions) float64
        Mean over pairs of different folds; without folds the same as ``within``.
    within : (n_conditions, n_conditions) float64
        Mean over folds of the products within each.
    """
    n_conditions = len(rows) // n_folds
    means = rows[:n_conditions]
    gram = means @ means.T
    if n_folds == 1:
        return gram, gram
    # a condition's contrasts side by side: one product sums over voxels and contrasts
    contrasts = rows[n_conditions:].reshape(n_conditions, -1)
    spread = (contrasts @ contrasts.T) / n_folds
    return gram - spread / (n_folds - 1), gram + spread
