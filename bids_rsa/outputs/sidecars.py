"""What a map's sidecar says: the settings that determine it, and what was found on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.entities import name_pairs
from bids_rsa.models.cells import in_fit, scored
from bids_rsa.models.covariance import covariance_identity
from bids_rsa.outputs.derivatives import PlannedFile, derivative_path, read_sidecar
from bids_rsa.outputs.design_keys import design_keys
from bids_rsa.outputs.null_files import plan_null_files
from bids_rsa.outputs.provenance import InputHashes, digest, software_versions
from bids_rsa.outputs.reliability_files import plan_reliability
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.map_files import sidecar_of
from bids_rsa.spaces.ribbon import LINES_RULE, RibbonSpace
from bids_rsa.spaces.ribbon import RULE as RIBBON_RULE
from bids_rsa.spaces.volume import VolumeSpace

if TYPE_CHECKING:
    from bids_rsa.patterns.noise_samples import NoiseSamples
    from bids_rsa.patterns.stacked import MaskUse, StackedPatterns

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
    # patches of a ribbon hold voxels
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


def noise_keys(
    sidecar: Mapping[str, Any], noise: NoiseSamples, shrinkage: np.ndarray
) -> dict[str, Any]:
    """Say what noise was estimated from, and how much covariances were shrunk.

    Parameters
    ----------
    sidecar : mapping
        What was asked for stands in it.
    noise : NoiseSamples
    shrinkage : ndarray, shape (n_evaluated,)
        NaN where undefined.
    """
    known = shrinkage[np.isfinite(shrinkage)]
    amounts = {}
    if known.size:
        amounts["ShrinkageLambda"] = {
            "Min": float(known.min()),
            "Median": float(np.median(known)),
            "Max": float(known.max()),
        }
    found = {
        "Source": noise.source,
        "Files": [Path(path).name for path in noise.files],
        "DegreesOfFreedom": noise.dof,
        "DegreesOfFreedomFrom": noise.dof_from,
        "Samples": len(noise.group_of) or len(noise.condition_of),
        "FoldsHeldOut": noise.held_out,
        "WhitenedInTime": noise.whitened,
    }
    return {
        "NoiseNormalization": sidecar["NoiseNormalization"] | found | amounts,
        "Warnings": [*sidecar["Warnings"], *noise.warnings],
    }


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
    """Name what determines a model: its file, and what made an RDM of it if that holds features."""
    metric = {"Metric": model.metric} if model.metric else {}
    return {"Name": model.name} | metric | {"SHA256": model.sha256}


def map_sidecar(
    file: PlannedFile,
    stacked: StackedPatterns,
    model_path: str,
    fitted: Sequence[ModelRdm],
    scores: np.ndarray,
    n_voxels: np.ndarray,
    sources: Sequence[str],
) -> dict[str, Any]:
    """Gather the sidecar of a map of scores.

    Parameters
    ----------
    file : PlannedFile
    stacked : StackedPatterns
    model_path : str
        The model's file; empty for a score of all models together.
    fitted : sequence of ModelRdm
        All models whose missing cells are left out: those of a joint fit, or the model alone.
    scores : ndarray, shape (n_evaluated,)
        Scores at the evaluated centres, NaN where undefined.
    n_voxels : ndarray, shape (n_evaluated,)
        Their patch sizes.
    sources : sequence of str
        BIDS URIs of each file used.
    """
    settings = {key: json.loads(text) for key, text in file.settings}
    model = f"the model RDM {file.model}" if model_path else "all model RDMs together"
    of_file = {"File": Path(model_path).name} if model_path else {}
    designs, warnings = design_keys(file, stacked, fitted)
    shared = shared_keys(stacked, sources, file.path)
    return {
        "Description": (
            f"{file.comparison} between the {settings['Dissimilarity']} RDM of the patch around "
            f"each centre and {model}; {outside_words(stacked)}"
        ),
        **shared,
        "Warnings": [*shared["Warnings"], *warnings],
        **designs,
        **settings,
        "Model": settings["Model"] | of_file,
        "FoldRuns": list(stacked.fold_labels),
        "CellsUsed": int(_cells_used(fitted, stacked.conditions)),
        "PatchSize": patch_sizes(n_voxels),
        "CentersEvaluated": int(scores.size),
        "CentersUndefined": int(np.isnan(scores).sum()),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def mask_sidecar(
    file: PlannedFile,
    stacked: StackedPatterns,
    n_voxels: np.ndarray,
    sources: Sequence[str],
) -> dict[str, Any]:
    """Gather the sidecar of the mask of evaluated centres, or of the map of patch sizes."""
    is_mask = file.is_mask
    several = stacked.space.words[1]
    words = (
        "Centres evaluated" if is_mask else f"Number of {several} in the patch around each centre"
    )
    if is_area(file):
        words = "Area of the patch around each centre in mm2; NaN outside and for voxels"
    if is_shrinkage(file):
        words = (
            "Shrinkage of the noise covariance of the patch around each centre, from 0 (not "
            "shrunk) to 1 (nothing but its target); NaN where undefined"
        )
    keys: dict[str, Any] = {"Description": words}
    if is_mask:
        keys["Type"] = "ROI"
    return {
        **keys,
        **shared_keys(stacked, sources, file.path),
        **{key: json.loads(text) for key, text in file.settings},
        "PatchSize": patch_sizes(n_voxels),
        "CentersEvaluated": int(n_voxels.size),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def shared_keys(stacked: StackedPatterns, sources: Sequence[str], path: str) -> dict[str, Any]:
    """Say what all images of an analysis have in common."""
    ribbon = isinstance(stacked.space, RibbonSpace)
    of_voxels = ribbon or isinstance(stacked.space, VolumeSpace)
    mask = "BrainMask" if of_voxels else "CortexMask"
    return {
        "Sources": list(sources),
        **_spatial_keys(stacked, path),
        "Locations": stacked.space.words[1],
        "ImagesPerCondition": stacked.images_per_condition,
        "RunsPerCondition": stacked.runs_per_condition,
        "TrialsPerCondition": stacked.n_trials or "unknown",
        mask: mask_use(stacked.brain_mask),
        **({"CortexMask": mask_use(stacked.cortex_mask)} if ribbon else {}),
        "ROIMask": mask_use(stacked.roi_mask),
        "VoxelsLeftOut": stacked.voxels_left_out,
        "Warnings": list(stacked.warnings),
        "Notes": list(stacked.notes),
    }


def _spatial_keys(stacked: StackedPatterns, path: str) -> dict[str, Any]:
    """Take over what the first image's sidecar says of its space; BIDS asks for it with res-."""
    beside = sidecar_of(stacked.files[0])
    found = (read_sidecar(beside) or {}) if beside.suffix == ".json" else {}
    return stacked.space.spatial_keys(found, path)


def hemisphere_keys(file: PlannedFile, areas: np.ndarray) -> dict[str, Any]:
    """Say which hemisphere a file is of, and summarise the areas of patches (n_evaluated,)."""
    side = file.part or dict(name_pairs(file.path)).get("hemi")
    keys: dict[str, Any] = {"Hemisphere": side} if side else {}
    known = areas[np.isfinite(areas)]
    if known.size:
        found = {"Min": known.min(), "Median": np.median(known), "Max": known.max()}
        keys["PatchArea"] = {key: float(f"{area:.6g}") for key, area in found.items()}
        keys["PatchAreaUnits"] = "mm2"
    return keys


def outside_words(stacked: StackedPatterns) -> str:
    """Say what a map of scores holds where there is none."""
    if np.isnan(stacked.space.outside):
        return "NaN outside the evaluated centres and where undefined"
    return "0 outside the evaluated centres, NaN where undefined"


def patch_sizes(n_voxels: np.ndarray) -> dict[str, float]:
    """Summarise patch sizes."""
    return {
        "Min": int(n_voxels.min()),
        "Median": float(np.median(n_voxels)),
        "Max": int(n_voxels.max()),
    }


def mask_use(use: MaskUse) -> dict[str, Any]:
    """Say which mask was used and how it came to the images' grid."""
    return {
        "Origin": use.origin,
        "Files": [Path(path).name for path in use.paths],
        "Notes": list(use.notes),
        "Voxels": use.n_voxels,
    }


def _cells_used(models: Sequence[ModelRdm], conditions: Sequence[str]) -> int:
    """Count the cells that all models of a fit have."""
    used: Any = True
    for model in models:
        index = [model.conditions.index(name) for name in conditions if name in model.conditions]
        cells = np.asarray(model.cells)[np.ix_(index, index)]
        used = used & np.isfinite(cells[np.triu_indices(len(index), 1)])
    return int(np.sum(used))
