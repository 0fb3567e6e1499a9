"""What a map's sidecar says: its settings, and what was found on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_rsa.entities import name_pairs
from bids_rsa.outputs.derivatives import PlannedFile, read_sidecar
from bids_rsa.outputs.design_keys import design_keys
from bids_rsa.outputs.image_plan import is_area, is_shrinkage
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.records import ModelRdm
from bids_rsa.spaces.map_files import sidecar_of
from bids_rsa.spaces.ribbon import RibbonSpace
from bids_rsa.spaces.volume import VolumeSpace

if TYPE_CHECKING:
    from bids_rsa.patterns.noise_samples import NoiseSamples
    from bids_rsa.patterns.stacked import MaskUse, StackedPatterns


def noise_keys(
    sidecar: Mapping[str, Any], noise: NoiseSamples, shrinkage: np.ndarray
) -> dict[str, Any]:
    """Say what noise was estimated from, and how much covariances were shrunk.

    Parameters
    ----------
    sidecar : mapping
        What was asked for is in it.
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
        "RunMeansSubtracted": noise.run_of is not None,
        "WhitenedInTime": noise.whitened,
    }
    return {
        "NoiseNormalization": sidecar["NoiseNormalization"] | found | amounts,
        "Warnings": [*sidecar["Warnings"], *noise.warnings],
    }


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
    """Say what a map of scores contains where there is none."""
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
