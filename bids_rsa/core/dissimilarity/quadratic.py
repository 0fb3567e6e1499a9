"""The sum of products of different folds, as squares of combinations of folds.

Where all folds have the same voxels it is (sum d)^2 - sum d^2. Otherwise each product is multiplied
by the voxels seen over those that both folds have.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

_N_SWEEPS = 30  # of rotations; six or so are enough
_NEGLIGIBLE = 1e-16  # share of the largest eigenvalue


class FoldForm(NamedTuple):
    """Twice the sum of products as squares of combinations, first those that are added.

    Attributes
    ----------
    combinations : (n_folds, n_folds) float64
        One a row.
    alone : (n_folds,) int64
        Folds whose own squares are subtracted as well.
    counts : (3,) int64
        How many squares are added; are subtracted; are of combinations.
    matrix, vectors : (n_folds, n_folds) float64
        Room.
    """

    combinations: Floats
    alone: Integers
    counts: Integers
    matrix: Floats
    vectors: Floats


def room_for_form(n_folds: int) -> FoldForm:
    """Make room."""
    square = n_folds, n_folds
    return FoldForm(
        np.zeros(square),
        np.zeros(n_folds, np.int64),
        np.zeros(3, np.int64),
        np.zeros(square),
        np.zeros(square),
    )


@kernel
def decompose(has: Flags, form: FoldForm) -> tuple[int, int]:
    """Find the combinations for folds that have these voxels (n_folds, n_voxels).

    Returns how many voxels are seen in any fold, and how many pairs of folds have one in common.
    Cost: folds^2 voxels, and the eigenvalues of a matrix of the folds that lack something.
    """
    n_folds = has.shape[0]
    n_seen = 0
    for k in range(has.shape[1]):
        n_seen += int(has[:, k].any())
    if n_seen == 0:
        return 0, 0
    whole = np.empty(n_folds, np.bool_)
    for f in range(n_folds):
        whole[f] = has[f].sum() == n_seen
    n_whole = int(whole.sum())
    # variables: the sum of whole folds, if there are two or more, and each other fold
    together = n_whole >= 2
    folds = np.empty(n_folds, np.int64)
    n = 0
    if together:
        folds[0] = -1
        n = 1
    for f in range(n_folds):
        if not (together and whole[f]):
            folds[n] = f
            n += 1
    n_pairs = n_whole * (n_whole - 1) // 2 if together else 0
    matrix = form.matrix[:n, :n]
    for a in range(n):
        matrix[a, a] = 1.0 if folds[a] < 0 else 0.0
        for b in range(a + 1, n):
            common = _count_common(has, folds[a], folds[b])
            matrix[a, b] = n_seen / common if common > 0 else 0.0
            matrix[b, a] = matrix[a, b]
            n_pairs += (n_whole if folds[a] < 0 else 1) * (common > 0)
    vectors = form.vectors[:n, :n]
    _diagonalize(matrix, vectors)
    _combine(form, folds[:n], whole if together else np.zeros_like(whole))
    return n_seen, n_pairs


@kernel
def _count_common(has: Flags, f: int, g: int) -> int:
    """Count the voxels that two folds have; -1 is a fold that has all that are seen."""
    count = 0
    for k in range(has.shape[1]):
        count += has[g, k] and (f < 0 or has[f, k])
    return count


@kernel
def _diagonalize(matrix: Floats, vectors: Floats) -> None:
    """Jacobi's method: eigenvalues on the diagonal, eigenvectors as columns."""
    n = matrix.shape[0]
    vectors[:] = 0.0
    for a in range(n):
        vectors[a, a] = 1.0
    for _ in range(_N_SWEEPS):
        rest = 0.0
        for a in range(n):
            for b in range(a + 1, n):
                rest = max(rest, abs(matrix[a, b]))
        if rest == 0.0:
            return
        for a in range(n):
            for b in range(a + 1, n):
                _rotate(matrix, vectors, a, b)


@kernel
def _rotate(matrix: Floats, vectors: Floats, a: int, b: int) -> None:
    """Make one element 0 by a rotation of two variables."""
    between = matrix[a, b]
    if abs(between) <= _NEGLIGIBLE * (abs(matrix[a, a]) + abs(matrix[b, b])):
        matrix[a, b] = matrix[b, a] = 0.0
        return
    slope = (matrix[b, b] - matrix[a, a]) / (2.0 * between)
    tangent = math.copysign(1.0, slope) / (abs(slope) + math.sqrt(slope * slope + 1.0))
    cosine = 1.0 / math.sqrt(tangent * tangent + 1.0)
    sine = tangent * cosine
    for k in range(matrix.shape[0]):
        left, right = matrix[k, a], matrix[k, b]
        matrix[k, a], matrix[k, b] = cosine * left - sine * right, sine * left + cosine * right
    for k in range(matrix.shape[0]):
        left, right = matrix[a, k], matrix[b, k]
        matrix[a, k], matrix[b, k] = cosine * left - sine * right, sine * left + cosine * right
        left, right = vectors[k, a], vectors[k, b]
        vectors[k, a], vectors[k, b] = cosine * left - sine * right, sine * left + cosine * right
    matrix[a, b] = matrix[b, a] = 0.0


@kernel
def _combine(form: FoldForm, folds: Integers, together: Flags) -> None:
    """Write the combinations: eigenvectors, and folds that are taken away by themselves."""
    n = folds.size
    form.combinations[:] = 0.0
    line = 0
    for sign in (1.0, -1.0):
        for k in range(n):
            if sign * form.matrix[k, k] > 0.0:
                root = math.sqrt(sign * form.matrix[k, k])
                for a in range(n):
                    for f in range(together.size):
                        if folds[a] == f or (folds[a] < 0 and together[f]):
                            form.combinations[line, f] = root * form.vectors[a, k]
                line += 1
        if sign > 0.0:
            form.counts[0] = line
    form.counts[2] = line
    for f in range(together.size):
        if together[f]:
            form.alone[line - form.counts[2]] = f
            line += 1
    form.counts[1] = line - form.counts[0]
