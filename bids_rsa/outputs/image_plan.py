"""The images of an analysis, each with the settings that determine it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.models.cells import in_fit, scored
from bids_rsa.models.covariance import covariance_identity
from bids_rsa.outputs.derivatives import PlannedFile, derivative_path
from bids_rsa.outputs.input_hashes import InputHashes, digest
from bids_rsa.outputs.null_files import plan_null_files
from bids_rsa.outputs.reliability_files import plan_reliability
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.ribbon import LINES_RULE
from bids_rsa.spaces.ribbon import RULE as RIBBON_RULE

SEARCHLIGHT = "searchlight"
# the stat- label of the map of patch sizes
COUNTS = {"volume": "nvoxels", "surface": "nvertices", "grayordinates": "ngrayordinates"}
AREA = "area"
_SHRINKAGE = "shrinkage"
RULE = "center distance <= radius"


def plan_images(
    analysis: Analysis, rsa: RsaSettings, models: Sequence[ModelRdm], hashes: InputHashes
) -> tuple[PlannedFile, ...]:
    """List the images of an analysis: one map per comparison and model, mask, patch sizes."""
    return tuple(
        file for part in analysis.parts for file in _plan_part(analysis, rsa, models, hashes, part)
    )


def _plan_part(
    analysis: Analysis,
    rsa: RsaSettings,
    models: Sequence[ModelRdm],
    hashes: InputHashes,
    part: str,
) -> list[PlannedFile]:
    """List the images of one hemisphere, or of all locations where a map is one file."""
    geometry = geometry_settings(rsa, hashes)
    if analysis.ribbon:
        geometry |= {"SearchlightRule": LINES_RULE if analysis.on_lines else RIBBON_RULE}
    # patches of a ribbon contain voxels
    stats = [COUNTS["volume" if analysis.ribbon else analysis.form]]
    stats += [AREA] if analysis.form != "volume" and not analysis.ribbon else []
    stats += [_SHRINKAGE] if rsa.noise.startswith(_SHRINKAGE) else []
    mask = derivative_path(analysis, SEARCHLIGHT, suffix="mask", part=part)
    files = [plan_file(mask, geometry, part=part)]
    for stat in stats:
        path = derivative_path(analysis, SEARCHLIGHT, stat=stat, part=part)
        files.append(plan_file(path, geometry, part=part))
    files.extend(plan_reliability(analysis, rsa, geometry, SEARCHLIGHT, part))
    for comparison in rsa.comparisons:
        entry = find_comparison(comparison)
        for name in entry.score_names([model.name for model in scored(models)]):
            path = derivative_path(analysis, name, stat=entry.label, part=part)
            settings = map_settings(analysis, rsa, comparison, name, models) | geometry
            files.append(plan_file(path, settings, comparison, name, part))
            files.extend(plan_null_files(files[-1], rsa))
    return files


def plan_file(
    path: str, settings: Mapping[str, Any], comparison: str = "", model: str = "", part: str = ""
) -> PlannedFile:
    """Freeze the settings of one file, and hash them."""
    frozen = tuple((key, json.dumps(value)) for key, value in settings.items())
    return PlannedFile(path, frozen, digest(settings), comparison, model, part=part)


def geometry_settings(rsa: RsaSettings, hashes: InputHashes) -> dict[str, Any]:
    """List the settings that determine which centres there are, and their patches."""
    noise = {"Method": rsa.noise, "From": rsa.noise_from, "ResidualDof": rsa.residual_dof}
    nearest = {} if rsa.patch_size is None else {"MaxPatchSize": rsa.patch_size}
    return {
        "SearchlightRadius": rsa.radius_mm,
        "SearchlightRadiusUnits": "mm",
        "SearchlightRule": RULE,
        "MinVoxels": rsa.min_voxels,
        "IgnoreNaN": rsa.ignore_nan,
        "MissingRuns": rsa.missing_runs,
        "Normalization": rsa.normalize,
        "Centering": rsa.center,
        "InputHashes": hashes.as_dict(),
        **nearest,
    } | ({"NoiseNormalization": noise} if rsa.noise != RsaSettings.noise else {})


def is_shrinkage(file: PlannedFile) -> bool:
    """Tell whether a file is the map of the noise covariances' shrinkage."""
    return f"_stat-{_SHRINKAGE}_" in file.path


def is_area(file: PlannedFile) -> bool:
    """Tell whether a file is the map of the patches' areas."""
    return f"_stat-{AREA}_" in file.path


def map_settings(
    analysis: Analysis,
    rsa: RsaSettings,
    comparison: str,
    name: str,
    models: Sequence[ModelRdm],
) -> dict[str, Any]:
    """List the settings that determine the scores of one map."""
    entry = find_comparison(comparison)
    own = [model_identity(model) for model in models if model.name == name]
    settings: dict[str, Any] = {
        "Dissimilarity": rsa.dissimilarity,
        "DissimilarityParameters": json.loads(rsa.dissimilarity_params),
        "Comparison": comparison,
        "Folds": rsa.folds,
        "Conditions": [name for name in analysis.conditions if name not in analysis.dropped],
        "Model": {"Name": name} if entry.pooled else own[0],
        "InputStatistic": sorted({image.statistic for image in analysis.images}),
    }
    if entry.joint:
        settings["ModelsInFit"] = [model_identity(one) for one in in_fit(models, joint=True)]
        settings["NuisanceModels"] = [model.name for model in models if model.nuisance]
        settings["Standardize"] = rsa.standardize
    if entry.whitened:
        settings["ConditionCovariance"] = covariance_identity(rsa.condition_covariance)
    if models[0].excluded is not None:
        path, digest_of_table = models[0].excluded
        settings["ExcludedCells"] = {"File": Path(path).name, "SHA256": digest_of_table}
    if rsa.exclude_within != "none":
        settings["ExcludeWithin"] = rsa.exclude_within
    return settings


def model_identity(model: ModelRdm) -> dict[str, str]:
    """Name what determines a model: its file, and how features in it became an RDM."""
    metric = {"Metric": model.metric} if model.metric else {}
    return {"Name": model.name} | metric | {"SHA256": model.sha256}
