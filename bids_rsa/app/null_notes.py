"""What a call says of the relabelings of the conditions: once for all analyses that share it."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bids_rsa.app.compared import models_of
from bids_rsa.core.comparison.permutations import (
    ConditionRelabelings,
    draw_permutations,
    find_relabelings,
)
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.models.cells import scored
from bids_rsa.models.fits import condensed
from bids_rsa.outputs.null_files import relabeling_notes
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings
from bids_rsa.words import few

LOGGER = logging.getLogger(__name__)


@dataclass
class NullNotes:
    """The notes of one call on the relabelings of its models' conditions.

    ``told`` are the conditions, in order, of the analyses that were spoken of.
    """

    rsa: RsaSettings
    models: tuple[ModelRdm, ...]
    told: set[tuple[str, ...]] = field(default_factory=set)

    def tell(self, analyses: Sequence[Analysis]) -> None:
        """Log how many relabelings there are, for conditions that were not spoken of before."""
        if not self.rsa.condition_permutations:
            return
        by_conditions: dict[tuple[str, ...], list[Analysis]] = {}
        for analysis in analyses:
            conditions = tuple(plan_stack(analysis, self.rsa.reading).conditions)
            by_conditions.setdefault(conditions, []).append(analysis)
        names = [model.name for model in scored(self.models)]
        scores = {name: find_comparison(name).score_names(names) for name in self.rsa.comparisons}
        for conditions, own in by_conditions.items():
            if conditions in self.told:
                continue
            # where all analyses have the same conditions, the line is about all of them
            alone = len(by_conditions) == 1 and not self.told
            about = "" if alone else f"{few([analysis.label for analysis in own])}: "
            self.told.add(conditions)
            found = self._relabelings(own[0], conditions)
            notes, warnings = relabeling_notes(found, scores, self.rsa.alpha)
            for note in notes:
                LOGGER.info("%s%s", about, note)
            for warning in warnings:
                LOGGER.warning("%s%s", about, warning)

    def _relabelings(
        self, analysis: Analysis, conditions: Sequence[str]
    ) -> Mapping[str, Sequence[ConditionRelabelings]]:
        """Find the relabelings of each comparison's scores, as the null of an analysis does."""
        rsa = self.rsa
        models = models_of(analysis, plan_stack(analysis, rsa.reading), self.models, rsa)
        permutations = draw_permutations(
            len(conditions), rsa.condition_permutations, rsa.random_seed
        )
        own = condensed(scored(models), conditions)
        every = np.concatenate([own, condensed([m for m in models if m.nuisance], conditions)])
        entries = [find_comparison(name) for name in rsa.comparisons]
        apart = [find_relabelings(row[None], permutations) for row in own]
        joint = [find_relabelings(every, permutations)] if any(e.joint for e in entries) else []
        names = [model.name for model in scored(models)]
        return {
            entry.name: joint * len(entry.score_names(names)) if entry.joint else apart
            for entry in entries
        }
