"""The models of an analysis on a participant's page: pictures, files, and their correlations."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bids_rsa.core.plain_statistics import average_ranks
from bids_rsa.reports.checklist import answer_in_words
from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.parts import rdm_picture


def models_content(scores: Sequence[FoundMap]) -> dict[str, Any]:
    """Gather what the page shows of the models that scores belong to."""
    models = _models(scores)
    return {"models": models, "model_rows": _model_rows(scores), **_model_table(models)}


def _models(scores: Sequence[FoundMap]) -> list[dict[str, Any]]:
    """Draw each model once."""
    by_name = {one.model: one for one in reversed(scores)}
    models = []
    for name in dict.fromkeys(one.model for one in scores):
        details = by_name[name].details
        cells = details.get("ModelCells")
        rdm = rdm_picture(cells, details["Conditions"], f"Model {name}") if cells else None
        models.append({"name": name, "rdm": rdm, "cells": cells})
    return models


def _model_rows(scores: Sequence[FoundMap]) -> list[tuple[str, str, str, str]]:
    """Say which file each model is."""
    by_name = {one.model: one.sidecar for one in reversed(scores)}
    return [
        (
            name,
            str(by_name[name]["Model"].get("File", "not known")),
            answer_in_words(by_name[name].get("CellsUsed", "not known")),
            str(by_name[name]["Model"].get("SHA256", "not known"))[:16],
        )
        for name in dict.fromkeys(one.model for one in scores)
    ]


def _model_table(drawn: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Correlate the models with each other."""
    models = [one for one in drawn if one["cells"]]
    nothing: dict[str, Any] = {"model_columns": [], "model_correlations": []}
    if len(models) < 2 or len({len(one["cells"]) for one in models}) > 1:
        return nothing
    cells = np.array([[np.nan if c is None else c for c in one["cells"]] for one in models])
    cells = cells[:, np.isfinite(cells).all(axis=0)]
    if cells.shape[1] < 3 or (np.ptp(cells, axis=1) == 0).any():
        return nothing
    correlations = np.atleast_2d(np.corrcoef(average_ranks(cells)))
    inflation = np.diag(np.linalg.pinv(np.corrcoef(cells)))
    names = [one["name"] for one in models]
    rows = [
        (name, *(f"{value:.3f}" for value in row), f"{factor:.2f}")
        for name, row, factor in zip(names, correlations, inflation, strict=True)
    ]
    return {"model_columns": ["model", *names, "variance inflation"], "model_correlations": rows}
