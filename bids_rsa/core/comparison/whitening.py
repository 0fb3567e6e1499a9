"""The covariance of an RDM's cells, and inner products weighted by its inverse.

Cells that share a condition are correlated. When the estimates of conditions have the covariance S
(up to a factor), the cells (i, j) and (k, l) have the covariance (S_ik - S_il - S_jk + S_jl)^2
(Diedrichsen et al. 2021, arXiv:2007.02789, eq. 10-16). Its inverse need not be computed: with
P = S^-1 - S^-1 1 (1'S^-1 1)^-1 1'S^-1, the product of two RDMs D and M weighted by the inverse is
trace(D P M P) up to a factor, and P is the centring matrix when S is the identity.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from bids_rsa.core.comparison import kernels
from bids_rsa.core.comparison.fit import Fit

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellWeights:
    """The inverse covariance of the cells of an RDM, or of some of them.

    Attributes
    ----------
    n_conditions : int
    projection : (n_conditions, n_conditions) float64 or None
        P above; None: conditions are independent and equally noisy.
    cells, missing : (n,) intp or None
        The cells used and those left out; None: all are used.
    missing_factor : tuple or None
        Cholesky factor of the inverse covariance between cells left out.
    """

    n_conditions: int
    projection: Floats | None
    cells: NDArray[np.intp] | None
    missing: NDArray[np.intp] | None
    missing_factor: tuple[Floats, bool] | None

    def weigh(self, rows: Floats) -> Floats:
        """Multiply rows of cells (n_rows, n_cells) by the inverse covariance."""
        if self.cells is None or self.missing is None or self.missing_factor is None:
            return self._weigh_all(rows)
        weighted = self._weigh_all(self._spread(rows))
        inside, outside = weighted[:, self.cells], weighted[:, self.missing]
        # the inverse of a part of a matrix: W_uu - W_um W_mm^-1 W_mu
        rest = np.zeros_like(weighted)
        rest[:, self.missing] = cho_solve(self.missing_factor, outside.T).T
        return np.ascontiguousarray(inside - self._weigh_all(rest)[:, self.cells])

    def squares(self, rows: Floats) -> Floats:
        """Squared norms of rows of cells, weighted by the inverse covariance, (n_rows,)."""
        if self.cells is None and self.projection is None:
            found = np.empty(len(rows))
            kernels.whitened_squares(rows, self.n_conditions, found)
            return found
        return np.asarray(np.einsum("rc,rc->r", rows, self.weigh(rows)))

    def _spread(self, rows: Floats) -> Floats:
        """Put the cells used among all, 0 elsewhere."""
        whole = np.zeros((len(rows), self.n_conditions * (self.n_conditions - 1) // 2))
        whole[:, self.cells] = rows
        return whole

    def _weigh_all(self, rows: Floats) -> Floats:
        """Cells of P D P for each row."""
        n = self.n_conditions
        first, second = np.triu_indices(n, 1)
        square = np.zeros((len(rows), n, n))
        square[:, first, second] = square[:, second, first] = rows
        if self.projection is None:
            means = square.mean(axis=1)
            grand = means.mean(axis=1)
            centered = rows - means[:, first] - means[:, second] + grand[:, None]
            return np.ascontiguousarray(centered)
        weighted = self.projection @ square @ self.projection
        return np.ascontiguousarray(weighted[:, first, second])


def cell_weights(fit: Fit) -> CellWeights:
    """Prepare the inverse covariance of the cells that some models use.

    Raises
    ------
    ValueError
        The cells are not those of an RDM.
    """
    n, projection = fit.n_conditions, _projection(fit.options.condition_covariance)
    if fit.cells is None:
        return CellWeights(n, projection, None, None, None)
    missing = np.setdiff1d(np.arange(fit.n_all_cells), fit.cells)
    if not missing.size:
        return CellWeights(n, projection, None, None, None)
    full = projection if projection is not None else np.eye(n) - 1.0 / n
    i, j = (index[missing] for index in np.triu_indices(n, 1))
    between = full[np.ix_(i, i)] * full[np.ix_(j, j)] + full[np.ix_(i, j)] * full[np.ix_(j, i)]
    factor = cho_factor(between, lower=True)
    return CellWeights(n, projection, fit.cells, missing, factor)


def _projection(covariance: Floats | None) -> Floats | None:
    """P of the module's docstring, (n_conditions, n_conditions); None for the identity."""
    if covariance is None:
        return None
    inverse = np.linalg.inv(covariance / np.trace(covariance) * len(covariance))
    sums = inverse.sum(axis=0)
    projection: Floats = inverse - np.outer(sums, sums) / sums.sum()
    return (projection + projection.T) / 2
