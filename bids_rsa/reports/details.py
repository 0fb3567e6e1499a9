"""What a participant's page shows beside maps and sidecars, kept with the pictures.

The page is made from the output folder alone, so that it can be made again at any time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.outputs.dataset_files import write_json
from bids_rsa.outputs.derivatives import PlannedFile, details_path
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.reports.collect import map_vector
from bids_rsa.reports.peaks import MOST_CONDITIONS, describe_peaks
from bids_rsa.settings import RsaSettings


def write_details(
    output_dir: Path,
    planned: Sequence[PlannedFile],
    analysis: Analysis,
    stacked: StackedPatterns,
    models: Sequence[ModelRdm],
    rsa: RsaSettings,
    noise: NoiseModel | None = None,
) -> list[Path]:
    """Write a file for each map of scores: the model's cells, and the peaks with their RDMs.

    Returns
    -------
    list of Path
    """
    by_name = {model.name: model for model in models}
    written = []
    for file in planned:
        if not file.model or file.part not in ("", analysis.parts[0]):
            continue
        values = map_values(output_dir, file, analysis)
        compared = _cells_compared(file.model, models, stacked.conditions)
        path = output_dir / details_path(file.path, analysis)
        content = {
            "Description": "The model's cells and the peaks of the map, for the report",
            "SettingsHash": file.settings_hash,
            "Conditions": list(stacked.conditions),
            "ModelCells": _model_cells(by_name.get(file.model), stacked.conditions),
            "Peaks": describe_peaks(values, stacked, rsa, noise, compared),
        }
        write_json(path, content)
        written.append(path)
    return written


def map_values(output_dir: Path, file: PlannedFile, analysis: Analysis) -> NDArray[Any]:
    """Read the values of a map (n_locations,), of both hemispheres if it is kept in two files."""
    first = f"_hemi-{file.part}_"
    paths = [
        output_dir / (file.path.replace(first, f"_hemi-{part}_") if part else file.path)
        for part in analysis.parts
    ]
    return map_vector(paths)


def _model_cells(model: ModelRdm | None, conditions: Sequence[str]) -> list[float | None] | None:
    """Give the cells above the diagonal in the order of the conditions, None for one left out.

    A score of all models together has no model of its own.
    """
    if model is None or len(conditions) > MOST_CONDITIONS:
        return None
    cells = _condensed(model, conditions)
    return [None if np.isnan(cell) else float(cell) for cell in cells]


def _condensed(model: ModelRdm, conditions: Sequence[str]) -> NDArray[np.float64]:
    """Give the cells above the diagonal in the order of the conditions, NaN for one left out."""
    index = [model.conditions.index(name) for name in conditions]
    return np.array(model.cells)[np.ix_(index, index)][np.triu_indices(len(index), 1)]


def _cells_compared(
    name: str, models: Sequence[ModelRdm], conditions: Sequence[str]
) -> NDArray[np.bool_]:
    """Say which cells above the diagonal entered the score of a model, or of all together."""
    own = [model for model in models if model.name == name] or models
    used = np.ones(len(conditions) * (len(conditions) - 1) // 2, dtype=bool)
    for model in own:
        used &= np.isfinite(_condensed(model, conditions))
    return used
