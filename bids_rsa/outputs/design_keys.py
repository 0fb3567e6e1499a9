"""What a map's sidecar says of the runs' designs: whether they look like the model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.table import find_dissimilarity
from bids_rsa.estimation.design_correlation import DesignCorrelation, design_correlation
from bids_rsa.outputs.derivatives import PlannedFile
from bids_rsa.records import ModelRdm
from bids_rsa.settings import POOLED_IMAGES

if TYPE_CHECKING:
    from bids_rsa.patterns.stacked import StackedPatterns

# correlations between condition estimates, and of the designs' RDM with the model
HIGH, HIGH_RANK, WEAK = 0.5, 0.3, 0.1


def design_keys(
    file: PlannedFile, stacked: StackedPatterns, models: Sequence[ModelRdm]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Compare the correlation that the designs alone make between conditions with models.

    Parameters
    ----------
    file : PlannedFile
        A map of scores.
    stacked : StackedPatterns
    models : sequence of ModelRdm
        Those that the score depends on.

    Returns
    -------
    keys, warnings
        Keys of the sidecar, and sentences; both empty where the designs are unknown.
    """
    if not stacked.design_covariance:
        return {}, ()
    cells = {model.name: _cells(model, stacked.conditions) for model in models}
    found = design_correlation([np.array(stacked.design_covariance)], stacked.conditions, cells)
    keys = {
        "DesignCorrelation": {
            "Largest": round(found.largest, 6),
            "Conditions": list(found.pair),
            "RankCorrelationWithModels": {n: round(rank, 6) for n, rank in found.with_models},
        }
    }
    return keys, () if _is_unbiased(file) else _warnings(found)


def _cells(model: ModelRdm, conditions: Sequence[str]) -> NDArray[np.float64]:
    """Return a model's square cells in the order of the conditions."""
    index = [model.conditions.index(name) for name in conditions]
    return np.asarray(model.cells, dtype=float)[np.ix_(index, index)]


def design_warnings(
    planned: Sequence[PlannedFile], stacked: StackedPatterns, models: Sequence[ModelRdm]
) -> tuple[str, ...]:
    """List what the designs let warn of in the maps of an analysis."""
    maps = [file for file in planned if file.model]
    return design_keys(maps[0], stacked, models)[1] if maps else ()


def _is_unbiased(file: PlannedFile) -> bool:
    """Tell whether noise that conditions of a run share cancels in the distances."""
    settings = {key: json.loads(text) for key, text in file.settings}
    params = settings.get("DissimilarityParameters", {})
    unbiased = find_dissimilarity(settings["Dissimilarity"]).is_unbiased(params)
    pooled = settings.get("NoiseNormalization", {}).get("From") == POOLED_IMAGES
    return bool(settings["Folds"] != "none" and unbiased and not pooled)


def _warnings(found: DesignCorrelation) -> tuple[str, ...]:
    """Put what is high in words."""
    told = []
    if abs(found.largest) >= HIGH:
        told.append(
            f"The design alone correlates the estimates of {' and '.join(found.pair)} by "
            f"{found.largest:.2f}: noise makes them look more or less similar. Longer or jittered "
            "intervals and other orders of events reduce this; unbiased cross-validated distances "
            "are not affected."
        )
    for name, rank in found.with_models:
        if rank >= HIGH_RANK and abs(found.largest) >= WEAK:
            told.append(
                f"The design looks like the model {name}: the dissimilarities that it creates from "
                f"noise alone correlate with the model by {rank:.2f} (ranks), and the largest "
                f"correlation between condition estimates is {found.largest:.2f}. Noise can look "
                "like this model; cross-validated distances (--folds runs with sqeuclidean or "
                "crossnobis, not with --noise-from pooled-images) are not affected."
            )
    return tuple(told)
