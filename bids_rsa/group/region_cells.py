"""Which cells of the regions' RDMs were compared with the models, as participants' sidecars say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.group.region_records import RegionGroup

# a participant's sidecar: numbers of cells by comparison and model, and pairs that no model has
CELLS = "CellsCompared"
_EXCLUSIONS = ("ExcludedCells", "ExcludeWithin")


def cells_used(group: RegionGroup, comparison: str, models: Sequence[str]) -> NDArray[np.int64]:
    """Count the cells (n_tables, n_models) that scores are of; all where a sidecar lacks this."""
    n_cells = _n_cells(group)
    numbers = [
        one.metadata.get(CELLS, {}).get("Number", {}).get(comparison, {}) for one in group.members
    ]
    return np.array([[own.get(model, n_cells) for model in models] for own in numbers], np.int64)


def cells_left_out(group: RegionGroup) -> NDArray[np.bool_]:
    """Mark the cells (n_cells,) that none of the first participant's models has."""
    conditions = list(group.metadata["Conditions"])
    square = np.zeros((len(conditions), len(conditions)), dtype=bool)
    for first, second in group.metadata.get(CELLS, {}).get("LeftOut", ()):
        i, j = conditions.index(first), conditions.index(second)
        square[i, j] = square[j, i] = True
    return square[np.triu_indices(len(conditions), 1)]


def why_no_ceiling(group: RegionGroup, comparison: str, models: Sequence[str]) -> dict[str, str]:
    """Say for models without a noise ceiling why: their scores are not of what it would be of."""
    metadata = [one.metadata for one in group.members]
    if find_comparison(comparison).whitened and any(
        one.get("ConditionCovariance", "none") != "none" for one in metadata
    ):
        return dict.fromkeys(models, "the covariance of the conditions is not in the tables")
    if any(CELLS not in one and any(key in one for key in _EXCLUSIONS) for one in metadata):
        return dict.fromkeys(models, "the tables do not say which cells were excluded")
    left_out = [sorted(map(sorted, one.get(CELLS, {}).get("LeftOut", ()))) for one in metadata]
    if any(one != left_out[0] for one in left_out):
        return dict.fromkeys(models, "participants' scores are of different cells")
    odd = (cells_used(group, comparison, models) != _n_cells(group) - len(left_out[0])).any(axis=0)
    return {
        model: "it lacks cells that other models have"
        for model, is_odd in zip(models, odd, strict=True)
        if is_odd
    }


def _n_cells(group: RegionGroup) -> int:
    """Count the cells of an RDM."""
    n = len(group.metadata["Conditions"])
    return n * (n - 1) // 2
