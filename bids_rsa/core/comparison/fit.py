"""What a comparison is given of its models: the cells that all of them have, and how to weigh."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from bids_rsa.core.comparison.blocks import CompleteRdms

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Options:
    """What changes some comparisons.

    Attributes
    ----------
    standardize : bool
        z-score RDM and models: changes weights of models.
    condition_covariance : (n_conditions, n_conditions) float64 or None
        Covariance of the condition estimates, for whitened comparisons; None: independent
        conditions with equal variances.
    """

    standardize: bool = False
    condition_covariance: Floats | None = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class Fit:
    """Models that use the same cells.

    Attributes
    ----------
    models : (n_models, n_cells) float64
        Without NaN; nuisance models last.
    n_nuisance : int
        Models that take part in joint fits and get no score.
    ranked : bool
        The comparison ranks the cells of models and data.
    options : Options
    cells : (n_cells,) intp or None
        Which cells of the whole RDM these are; None: all.
    n_all_cells : int
        Cells of the whole RDM.
    """

    models: Floats
    n_nuisance: int
    ranked: bool
    options: Options
    cells: NDArray[np.intp] | None
    n_all_cells: int

    @property
    def n_conditions(self) -> int:
        """Number of conditions that make this many cells.

        Raises
        ------
        ValueError
            No number of conditions does.
        """
        n = _n_conditions(self.n_all_cells)
        if n * (n - 1) // 2 != self.n_all_cells:
            raise ValueError(f"{self.n_all_cells} cells are not those of an RDM: 3, 6, 10, 15, ...")
        return n


def _n_conditions(n_cells: int) -> int:
    """Find the number of conditions that makes so many cells, or the nearest."""
    return round((1 + math.sqrt(1 + 8 * n_cells)) / 2)


def check_condition_covariance(covariance: ArrayLike | None, n_all_cells: int) -> Floats | None:
    """Check a covariance of condition estimates.

    Raises
    ------
    ValueError
        Another shape, not symmetric, not positive definite.
    """
    if covariance is None:
        return None
    matrix = np.array(covariance, dtype=np.float64)
    n = _n_conditions(n_all_cells)
    if matrix.shape != (n, n):
        raise ValueError(
            f"the covariance of the condition estimates has shape {matrix.shape}; for {n} "
            f"conditions ({n}, {n}) is expected"
        )
    if not np.isfinite(matrix).all() or not np.allclose(matrix, matrix.T, rtol=1e-8, atol=0):
        raise ValueError("the covariance of the condition estimates is not finite and symmetric")
    smallest = np.linalg.eigvalsh(matrix)[0]
    if smallest <= 1e-12 * np.trace(matrix):
        raise ValueError(
            "the covariance of the condition estimates is not positive definite: its smallest "
            f"eigenvalue is {smallest:.3g}"
        )
    return matrix


class Terms(ABC):
    """What one comparison precomputes from models without NaN.

    ``stores_cells``: scoring stores ranks, or other numbers, of all cells of the RDMs.
    """

    stores_cells: ClassVar[bool] = True

    @abstractmethod
    def score(self, block: CompleteRdms) -> Floats:
        """Scores (n_rdms, n_scores) of RDMs without NaN; those of nuisance models last."""
