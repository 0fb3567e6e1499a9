"""Compiled kernels that turn rows of RDM cells into scores, all models at once."""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel, summing_kernel

CONSTANT = 1e-12  # centred norm over norm, at most this: constant
RESIDUAL = 1e-10  # residual norm over centred norm, below this: nothing is left to correlate
_CANCELLED = 1e-3  # squared residual over squared norm, below this: their difference is noise

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]
Rows = NDArray[np.floating]


@kernel
def _power_of_two_scale(row: Floats) -> float:
    """Find a power of two that brings the row's squares into range; 1 for ordinary data. O(n)."""
    largest = 0.0
    for value in row:
        largest = max(largest, abs(value))
    if largest == 0.0 or (1e-100 < largest < 1e100) or not largest < math.inf:
        return 1.0
    exponent = math.frexp(largest)[1]
    return math.ldexp(1.0, min(1000, max(-1000, -exponent)))


@summing_kernel
def _center_row(row: Floats, scale: float, centered: Floats) -> tuple[float, float]:
    """Write the scaled row minus its mean; return squared norms before and after. O(n)."""
    total = 0.0
    before = 0.0
    for k in range(row.size):
        value = row[k] * scale
        total += value
        before += value * value
    mean = total / row.size
    rest = 0.0
    after = 0.0
    for k in range(row.size):
        value = row[k] * scale - mean
        centered[k] = value
        rest += value
        after += value * value
    # the mean's own rounding error leaves a rest that matters when the mean dwarfs the spread
    return before, after - rest * rest / row.size


@kernel
def center_rows(rows: Floats, centered: Floats, squares: Floats, scales: Floats) -> None:
    """Centre each row; its squared norm, NaN where it is constant; its scale. O(n) a row."""
    for r in range(rows.shape[0]):
        scale = _power_of_two_scale(rows[r])
        before, after = _center_row(rows[r], scale, centered[r])
        scales[r] = scale
        squares[r] = after if after > CONSTANT * CONSTANT * before else math.nan


@summing_kernel
def dot(row: Rows, other: Floats) -> float:
    """Inner product. O(n)."""
    total = 0.0
    for k in range(row.size):
        total += row[k] * other[k]
    return total


@kernel
def correlate_rows(rows: Rows, squares: Floats, units: Floats, scores: Floats) -> None:
    """Correlate centred rows with centred unit-norm models. O(n) a row and model."""
    for r in range(rows.shape[0]):
        norm = math.sqrt(squares[r]) if squares[r] > 0.0 else math.nan
        for m in range(units.shape[0]):
            score = dot(rows[r], units[m]) / norm
            scores[r, m] = min(1.0, max(-1.0, score)) if score == score else math.nan


@summing_kernel
def multiply_ranks(ranks: Rows, weights: Integers, products: Floats) -> None:
    """Multiply twice the centred ranks of rows by those of models. O(n) a row and model."""
    for r in range(ranks.shape[0]):
        for m in range(weights.shape[0]):
            total = 0.0
            for k in range(ranks.shape[1]):
                total += ranks[r, k] * np.float64(weights[m, k])
            products[r, m] = 2.0 * total


@kernel
def correlate_ranks(products: Floats, squares: Floats, norms: Floats) -> None:
    """Divide products of twice the centred ranks by norms: correlations, in place. O(models)."""
    for r in range(products.shape[0]):
        norm = 4.0 * math.sqrt(squares[r]) if squares[r] > 0.0 else math.nan
        for m in range(products.shape[1]):
            score = products[r, m] / (norm * norms[m])
            products[r, m] = min(1.0, max(-1.0, score)) if score == score else math.nan


@kernel
def regress_rows(
    rows: Floats,
    squares: Floats,
    scales: Floats,
    inverse: Floats,
    standardize: bool,
    scores: Floats,
) -> None:
    """Least-squares weights of centred rows from the design's pseudo-inverse. O(n) a row, model."""
    n = rows.shape[1]
    for r in range(rows.shape[0]):
        divisor = math.sqrt(squares[r] / n) if standardize else scales[r]
        defined = squares[r] > 0.0
        for m in range(inverse.shape[0]):
            scores[r, m] = dot(rows[r], inverse[m]) / divisor if defined else math.nan


@kernel
def _residual_score(row: Rows, basis: Floats, unit: Floats, square: float, rest: Floats) -> float:
    """Partial correlation from the residual itself, projected twice for its digits. O(n k)."""
    for k in range(row.size):
        rest[k] = row[k]
    for _ in range(2):
        along = dot(rest, unit)
        for b in range(basis.shape[0]):
            product = dot(rest, basis[b])
            for k in range(row.size):
                rest[k] -= product * basis[b, k]
        for k in range(row.size):
            rest[k] += along * unit[k]
    left = dot(rest, rest)
    if left > 0.0 and left >= RESIDUAL * RESIDUAL * square:
        return dot(rest, unit) / math.sqrt(left)
    return math.nan


@kernel
def partial_rows(rows: Rows, squares: Floats, basis: Floats, units: Floats, scores: Floats) -> None:
    """Correlate what all other models leave of a row and of each model. O(n) a row and model.

    With Q an orthonormal basis of all models and u the unit residual of model i on the others,
    the others span what is orthogonal to u in Q: the row's residual has the squared norm
    |d|^2 - |Qd|^2 + (u.d)^2, and the partial correlation is u.d over its root.
    """
    rest = np.empty(rows.shape[1])
    for r in range(rows.shape[0]):
        explained = 0.0
        for b in range(basis.shape[0]):
            product = dot(rows[r], basis[b])
            explained += product * product
        for m in range(units.shape[0]):
            along = dot(rows[r], units[m])
            square = squares[r] - explained + along * along
            if square >= _CANCELLED * squares[r]:
                scores[r, m] = along / math.sqrt(square) if square > 0.0 else math.nan
            else:
                scores[r, m] = _residual_score(rows[r], basis, units[m], squares[r], rest)


@kernel
def find_nan(rows: Floats, found: NDArray[np.bool_]) -> int:
    """Mark each row that holds a NaN; return how many. O(n) a row."""
    n_found = 0
    for r in range(rows.shape[0]):
        count = 0
        for k in range(rows.shape[1]):
            count += rows[r, k] != rows[r, k]
        found[r] = count > 0
        n_found += count > 0
    return n_found


@kernel
def place_cells(
    row: Floats, order: NDArray[np.intp], levels: NDArray[np.uint32], slots: NDArray[np.uint32]
) -> int:
    """Levels 0, 1, ... of a sorted row, and each cell's slots (n, 3); return how many levels. O(n).

    Slots: the cell's own place, and where its level begins and ends.
    """
    n = row.size
    start = 0
    n_levels = 0
    while start < n:
        end = start + 1
        while end < n and row[order[end]] == row[order[start]]:
            end += 1
        for k in range(start, end):
            levels[order[k]] = n_levels
            slots[order[k], 0] = k
            slots[order[k], 1] = start
            slots[order[k], 2] = end
        n_levels += 1
        start = end
    return n_levels


@summing_kernel
def _sum_of_squares(row: Rows, scale: float) -> float:
    """Squared norm of a scaled row. O(n)."""
    total = 0.0
    for k in range(row.size):
        value = row[k] * scale
        total += value * value
    return total


@kernel
def measure_rows(rows: Floats, squares: Floats, scales: Floats) -> None:
    """Squared norm of each row times a scale that brings it into range. O(n) a row."""
    for r in range(rows.shape[0]):
        scales[r] = _power_of_two_scale(rows[r])
        squares[r] = _sum_of_squares(rows[r], scales[r])


@kernel
def whitened_squares(rows: Floats, n_conditions: int, squares: Floats) -> None:
    """Squared norm of each RDM weighted by the inverse covariance of its cells. O(n) a row.

    With r the sums of the rows of the square RDM and s their sum, the cells of the double-centred
    RDM are d_ij - r_i / K - r_j / K + s / K^2, and their product with the cells d_ij is
    |d|^2 - |r|^2 / K + s^2 / (2 K^2).
    """
    sums = np.empty(n_conditions)
    for r in range(rows.shape[0]):
        sums[:] = 0.0
        square = 0.0
        cell = 0
        for i in range(n_conditions):
            own = 0.0
            for j in range(i + 1, n_conditions):
                value = rows[r, cell]
                own += value
                sums[j] += value
                square += value * value
                cell += 1
            sums[i] += own
        total = 0.0
        for i in range(n_conditions):
            total += sums[i]
            square -= sums[i] * sums[i] / n_conditions
        squares[r] = square + 0.5 * (total / n_conditions) ** 2


@kernel
def tie_correction(ties: NDArray[np.uint32], n_ties: NDArray[np.uint32], pairs: Floats) -> None:
    """Count the pairs of tied cells in each sorted row: runs of positions that tie with the last.

    ties: (n_rows, n_cells), ascending positions; pairs: (n_rows,).
    """
    for r in range(ties.shape[0]):
        count = 0.0
        length = 1.0
        for k in range(np.int64(n_ties[r])):
            follows = k > 0 and ties[r, k] == ties[r, k - 1] + np.uint32(1)
            length = length + 1.0 if follows else 1.0
            count += length  # the next cell of a run ties with each cell before it
        pairs[r] = count


@kernel
def _share(part: float, whole: float) -> float:
    """Divide a part by the whole: at most 1, whatever the rounding; NaN stays."""
    share = part / whole
    return 1.0 if share > 1.0 else share


@kernel
def explain_rows(rows: Rows, squares: Floats, basis: Floats, units: Floats, scores: Floats) -> None:
    """Share of each row's variance that all models explain, or one model alone beside the others.

    basis: orthonormal rows; units: (n_units, n_cells), unit residual of a model on the others; an
    empty one asks for the share of all. scores: (n_rows, max(n_units, 1)). O(n) a row and vector.
    """
    for r in range(rows.shape[0]):
        if not squares[r] > 0.0:
            scores[r] = math.nan
            continue
        if units.shape[0] == 0:
            explained = 0.0
            for b in range(basis.shape[0]):
                product = dot(rows[r], basis[b])
                explained += product * product
            scores[r, 0] = _share(explained, squares[r])
        for m in range(units.shape[0]):
            along = dot(rows[r], units[m])
            scores[r, m] = _share(along * along, squares[r])


@summing_kernel
def project_on_sum(rows: Rows, weighted: Rows, norms: Floats, sums: Floats) -> None:
    """Similarity of each row, over its norm, with the sum of all rows of its centre, weighted.

    rows, weighted: (n_subjects * n_centers, n_cells), subject by subject; norms: (n_subjects,
    n_centers); sums: (n_centers, n_subjects). O(n) a row.
    """
    n_subjects, n_centers = norms.shape
    pool = np.empty(rows.shape[1])
    for c in range(n_centers):
        pool[:] = 0.0
        for s in range(n_subjects):
            row, inverse = weighted[s * n_centers + c], 1.0 / norms[s, c]
            for k in range(pool.size):
                pool[k] += row[k] * inverse
        for s in range(n_subjects):
            row = rows[s * n_centers + c]
            total = 0.0
            for k in range(pool.size):
                total += row[k] * pool[k]
            sums[c, s] = total / norms[s, c]
