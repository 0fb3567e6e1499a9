"""Models in all their permuted forms, prepared for comparison with any RDMs."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.blocks import CompleteRdms, RdmBlock
from bids_rsa.core.comparison.permutations import (
    ConditionRelabelings,
    Permutations,
    find_relabelings,
    permuted_cells,
)
from bids_rsa.core.comparison.plans import ComparisonPlan, prepare

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PermutedFit:
    """A model with all its permuted forms, or all models of a joint fit."""

    scored: range
    plan: ComparisonPlan
    relabelings: ConditionRelabelings
    moved: NDArray[np.intp] | None  # joint: the order of the RDM's cells, for each form

    def score(self, block: RdmBlock) -> Floats:
        """Scores (n_scores, n_rdms, n_distinct)."""
        if self.moved is None:
            return self.plan.score_block(block)[None]
        out = np.empty((len(self.scored), len(block.rdms), len(self.relabelings.distinct)))
        for part in block.parts:
            if part.cells is None:
                self._score_moved(part.rdms, part.rows, out)
            else:
                for number, cells in enumerate(self.moved):
                    own = np.ascontiguousarray(block.rdms[part.rows][:, cells])
                    scores = np.empty((len(self.scored), len(own)))
                    self.plan.score(own, scores)
                    out[:, part.rows, number] = scores
        return out

    def _score_moved(self, rdms: CompleteRdms, rows: Any, out: Floats) -> None:
        """Score RDMs without NaN with their cells moved to each order."""
        assert self.moved is not None
        _ = rdms.ranks() if self.plan.comparison.ranked else rdms.centered()
        for number, cells in enumerate(self.moved):
            out[:, rows, number] = self.plan.score_complete(rdms.permuted(cells)).T


def single_fit(
    number: int,
    row: Floats,
    permutations: Permutations,
    n_kept: int,
    name: str,
    options: dict[str, Any],
) -> PermutedFit:
    """Prepare all permuted forms of one model."""
    relabelings = find_relabelings(row[None], permutations, n_kept)
    forms = row[permuted_cells(relabelings.distinct)]
    plan = prepare(forms, name, **options)
    return PermutedFit(range(number, number + 1), plan, relabelings, None)


def joint_fit(
    rows: Floats,
    others: Floats,
    permutations: Permutations,
    n_kept: int,
    name: str,
    options: dict[str, Any],
) -> PermutedFit:
    """Prepare the fit of all models, and where the RDM's cells go for each permuted form."""
    relabelings = find_relabelings(np.concatenate([rows, others]), permutations, n_kept)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of dependent models: said for the scores themselves
        plan = prepare(rows, name, **options)
    moved = np.argsort(permuted_cells(relabelings.distinct), axis=1)
    return PermutedFit(range(plan.n_scores), plan, relabelings, moved)
