"""Files of the reliability of a participant's RDMs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import (
    RELIABILITY_OF_RANKS,
    RELIABILITY_OF_VALUES,
    find_comparison,
)
from bids_rsa.core.plain_statistics import spearman_brown
from bids_rsa.outputs.derivatives import PlannedFile, derivative_path
from bids_rsa.outputs.input_hashes import digest
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.records import Analysis
from bids_rsa.settings import RsaSettings

# the stat- label, and what it contains
STATS = {
    "reliability": "Agreement of the RDMs of two halves of the data, odd and even runs or folds",
    "reliabilitySpearmanBrown": (
        "Reliability of all data, predicted by Spearman and Brown from that of two halves: "
        "2 r / (1 + r), and r where it is not above 0"
    ),
}


def reliability_comparison(comparisons: Sequence[str]) -> str:
    """Choose what compares the halves: rho-a where the first comparison ranks, else pearson."""
    ranked = find_comparison(comparisons[0]).ranked
    return RELIABILITY_OF_RANKS if ranked else RELIABILITY_OF_VALUES


def plan_reliability(
    analysis: Analysis,
    rsa: RsaSettings,
    geometry: Mapping[str, Any],
    desc: str,
    part: str = "",
) -> tuple[PlannedFile, ...]:
    """List the maps of reliability."""
    if not rsa.reliability:
        return ()
    settings = {
        "Dissimilarity": rsa.dissimilarity,
        "DissimilarityParameters": json.loads(rsa.dissimilarity_params),
        "Folds": rsa.folds,
        "Conditions": [name for name in analysis.conditions if name not in analysis.dropped],
        "ReliabilityComparison": reliability_comparison(rsa.comparisons),
        **geometry,
    }
    frozen = tuple((key, json.dumps(value)) for key, value in settings.items())
    return tuple(
        PlannedFile(
            derivative_path(analysis, desc, stat=stat, part=part),
            frozen,
            digest([stat, settings]),
            kind=stat,
            part=part,
        )
        for stat in STATS
    )


def reliability_values(file: PlannedFile, reliability: NDArray[np.float64]) -> NDArray[np.float32]:
    """Give the values of a map."""
    is_whole = file.kind == "reliabilitySpearmanBrown"
    values = spearman_brown(reliability) if is_whole else reliability
    return np.asarray(values, dtype=np.float32)


def reliability_sidecar(
    file: PlannedFile,
    values: NDArray[np.float32],
    shared: Mapping[str, Any],
    halves: Sequence[str],
) -> dict[str, Any]:
    """Gather the sidecar of a map."""
    known = values[np.isfinite(values)]
    return {
        "Description": STATS[file.kind],
        **shared,
        **{key: json.loads(text) for key, text in file.settings},
        "Halves": list(halves),
        "MedianReliability": float(np.median(known)) if known.size else None,
        "CentersEvaluated": int(values.size),
        "CentersUndefined": int(np.isnan(values).sum()),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }
