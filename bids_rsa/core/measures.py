"""Measures: what is taken from the RDMs of a searchlight, one block after the other."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.comparison.blocks import RdmBlock
from bids_rsa.core.comparison.plans import ComparisonPlan, prepare
from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.limits import MEASURED_CELLS, cells_at_a_time

Floats = NDArray[np.float64]


class Measure(Protocol):
    """What takes something from each block of RDMs, and keeps it."""

    @property
    def cells_at_a_time(self) -> int:
        """Cells of RDMs that it takes at a time, or more where another measure asks for more."""

    def start(self, n_centers: int, n_cells: int) -> None:
        """Check that RDMs of so many cells fit, and make room for so many centres.

        Raises
        ------
        ValueError
            They do not fit.
        """

    def take(self, block: RdmBlock) -> None:
        """Take what it needs of a block; called from several threads, each centre once.

        The memory of the block's RDMs is used again afterwards.
        """


class ModelScores:
    """Scores of models under one or several comparisons, which share sorts and ranks.

    Parameters
    ----------
    models : (n_models, n_cells) array_like
        Condensed model RDMs; NaN cells are left out.
    comparisons : sequence of str
        Keys of `bids_rsa.core.comparison.table.COMPARISONS`.
    **options
        ``standardize``, ``nuisance``, ``condition_covariance``: see
        `bids_rsa.core.comparison.plans.prepare`.

    Attributes
    ----------
    scores : dict of str to (n_scores, n_centers) float64
        For each comparison, one row a model, or one of all of them together; NaN where undefined.

    Raises
    ------
    ValueError
        Unknown comparisons, too few models, models that are no (n_models, n_cells).
    """

    def __init__(
        self,
        models: ArrayLike,
        comparisons: Sequence[str] = (DEFAULT_COMPARISON,),
        **options: Any,
    ) -> None:
        given = np.array(models, dtype=np.float64, ndmin=2, order="C")
        self._plans: list[ComparisonPlan] = [
            prepare(given, name, **options) for name in comparisons
        ]
        self._share_ranks = sum(plan.comparison.ranked for plan in self._plans) > 1
        self._n_cells = given.shape[1]
        self.scores: dict[str, Floats] = {}

    def start(self, n_centers: int, n_cells: int) -> None:
        """Make room for the scores; see `Measure.start`."""
        if self._n_cells != n_cells:
            raise ValueError(
                f"the RDMs have {n_cells} cells, the models have {self._n_cells}; models are "
                f"condensed, (n_models, {n_cells})"
            )
        self.scores = {
            plan.comparison.name: np.full((plan.n_scores, n_centers), np.nan)
            for plan in self._plans
        }

    @property
    def cells_at_a_time(self) -> int:
        """Cells of RDMs that it takes at a time; see `Measure`."""
        if len(self._plans) == 1:
            return self._plans[0].cells_at_a_time
        return max((cells_at_a_time(len(p.models)) for p in self._plans), default=MEASURED_CELLS)

    def take(self, block: RdmBlock) -> None:
        """Score a block."""
        if self._share_ranks:  # they are stored
            for part in block.parts:
                part.rdms.ranks()
        for plan in self._plans:
            self.scores[plan.comparison.name][:, block.centers] = plan.score_block(block).T


class RdmWriter:
    """The RDMs themselves, of all centres or of some.

    Parameters
    ----------
    centers : (n_chosen,) array_like of int, optional
        Which centres; all without it.
    rdms : (n_chosen, n_cells) ndarray, optional
        Where they are written, such as a memory-mapped file; an array of float64 without it.

    Attributes
    ----------
    rdms : (n_chosen, n_cells)
        Condensed; NaN where undefined.
    """

    def __init__(
        self, centers: ArrayLike | None = None, rdms: NDArray[np.floating] | None = None
    ) -> None:
        self._centers = None if centers is None else np.asarray(centers, dtype=np.int64).ravel()
        self._rows: NDArray[np.int64] | None = None
        self._given = rdms
        self.rdms: NDArray[np.floating] = np.empty((0, 0))

    def start(self, n_centers: int, n_cells: int) -> None:
        """Make room for the RDMs; see `Measure.start`."""
        chosen = np.arange(n_centers) if self._centers is None else self._centers
        if len(chosen) and not (chosen.min() >= 0 and chosen.max() < n_centers):
            raise ValueError(f"there are {n_centers} centres, not {chosen.max()} or {chosen.min()}")
        self._rows = np.full(n_centers, -1, dtype=np.int64)
        self._rows[chosen] = np.arange(len(chosen))
        if self._given is None:
            self.rdms = np.full((len(chosen), n_cells), np.nan)
        elif self._given.shape != (len(chosen), n_cells):
            raise ValueError(
                f"{len(chosen)} RDMs of {n_cells} cells do not go into an array of shape "
                f"{self._given.shape}"
            )
        else:
            self.rdms = self._given

    @property
    def cells_at_a_time(self) -> int:
        """Cells of RDMs that it takes at a time; see `Measure`."""
        return MEASURED_CELLS

    def take(self, block: RdmBlock) -> None:
        """Write those of a block."""
        assert self._rows is not None
        rows = self._rows[block.centers]
        self.rdms[rows[rows >= 0]] = block.rdms[rows >= 0]
