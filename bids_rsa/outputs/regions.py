"""The files of a participant's regions, written: tables, and last their sidecars."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_rsa.models.cells import cells_compared
from bids_rsa.outputs.bids_uris import source_uris
from bids_rsa.outputs.dataset_files import dataset_lock, write_json, write_text
from bids_rsa.outputs.derivatives import PlannedFile, is_complete
from bids_rsa.outputs.null_files import kept_relabelings
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.outputs.region_plan import RegionPlan
from bids_rsa.outputs.region_tables import (
    COLUMNS,
    NULL_COLUMNS,
    RDM_COLUMNS,
    RELIABILITY_COLUMNS,
    null_table,
    rdms_table,
    relmat_text,
    scores_table,
    write_gzip,
)
from bids_rsa.outputs.sidecars import noise_keys, shared_keys
from bids_rsa.patterns.noise_samples import NoiseSamples
from bids_rsa.records import ModelRdm

if TYPE_CHECKING:
    from bids_rsa.patterns.stacked import StackedPatterns
    from bids_rsa.regions.compute import RegionScores


@dataclass(frozen=True, eq=False)
class FoundRegions:
    """What was found in one set of regions, with what was noticed about it in sentences."""

    scores: RegionScores
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AllRegions:
    """What was found in all sets of regions of an analysis, in the order of their plans."""

    sets: tuple[FoundRegions, ...]


def write_regions(
    output_dir: Path,
    plan: RegionPlan,
    found: FoundRegions,
    stacked: StackedPatterns,
    models: Sequence[ModelRdm],
    links: Mapping[str, str],
    noise: NoiseSamples | None = None,
) -> list[Path]:
    """Write the tables of a set of regions, and after all of them their sidecars.

    Returns
    -------
    list of Path
        The tables.
    """
    _take_away(output_dir, plan)
    conditions = stacked.conditions
    scores = found.scores
    write_text(output_dir / plan.scores.path, scores_table(plan.regions, scores, models))
    write_gzip(output_dir / plan.rdms.path, rdms_table(plan.regions, scores, conditions))
    if plan.null is not None:
        write_gzip(output_dir / plan.null.path, null_table(plan.regions, scores, models))
    present = [place for place, region in enumerate(plan.regions) if region.present]
    for file, place in zip(plan.relmats, present, strict=True):
        write_text(output_dir / file.path, relmat_text(scores.rdms[place], conditions))
    sources = source_uris((*stacked.files, *plan.source.files), links)
    own = _shared(stacked, found, sources, plan.scores.path)
    if noise is not None:
        own |= {"NoiseNormalization": _settings(plan.scores)["NoiseNormalization"]}
        own |= noise_keys(own, noise, scores.shrinkage)
    of_scores = COLUMNS | (NULL_COLUMNS if scores.nulls else {})
    of_scores |= RELIABILITY_COLUMNS if scores.halves else {}
    of_table = cells_compared(models, list(scores.scores), conditions)
    with dataset_lock(output_dir):
        for file, place in zip(plan.relmats, present, strict=True):
            write_json(output_dir / file.sidecar, _relmat_sidecar(file, plan, scores, place))
        if plan.null is not None:
            write_json(output_dir / plan.null.sidecar, _null_sidecar(plan.null, scores))
        for file, columns in ((plan.rdms, RDM_COLUMNS), (plan.scores, of_scores)):
            more = {"CellsCompared": of_table} if file is plan.scores else {}
            content = _table_sidecar(file, columns, own | more, scores)
            write_json(output_dir / file.sidecar, content)
    return [output_dir / file.path for file in plan.planned]


def _take_away(output_dir: Path, plan: RegionPlan) -> None:
    """Remove what described and showed old tables; a run next to this one may have new ones."""
    with dataset_lock(output_dir):
        if is_complete(output_dir, plan.planned, ()):
            return
        for path in (*(file.sidecar for file in plan.planned), *plan.figures):
            (output_dir / path).unlink(missing_ok=True)


def _settings(file: PlannedFile) -> dict[str, Any]:
    """Read a file's settings."""
    return {key: json.loads(text) for key, text in file.settings}


def _shared(
    stacked: StackedPatterns, found: FoundRegions, sources: Sequence[str], path: str
) -> dict[str, Any]:
    """Say what both tables of a set have in common."""
    keys = shared_keys(stacked, sources, path)
    keys["Warnings"] = [*keys["Warnings"], *found.warnings]
    keys["Notes"] = [*keys["Notes"], *found.notes]
    return keys | {"RegionsLeftOut": list(found.scores.left_out)}


def _table_sidecar(
    file: PlannedFile,
    columns: Mapping[str, str],
    own: Mapping[str, Any],
    found: RegionScores,
) -> dict[str, Any]:
    """Gather the sidecar of a table."""
    what = "Scores of models" if "score" in columns else "RDMs: dissimilarities of conditions"
    return {
        "Description": f"{what} in regions; a region is one patch",
        **{name: {"Description": text} for name, text in columns.items()},
        **_settings(file),
        **own,
        **({"Halves": list(found.halves)} if found.halves and "score" in columns else {}),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def _null_sidecar(file: PlannedFile, found: RegionScores) -> dict[str, Any]:
    """Gather the sidecar of the scores under permutations that are kept."""
    settings = _settings(file)
    return {
        "Description": "Scores in regions under permutations of the conditions, a column for "
        "each; the same permutations in all regions and participants with the same conditions",
        **settings,
        "Relabelings": kept_relabelings(found.n_kept, settings),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def _relmat_sidecar(
    file: PlannedFile, plan: RegionPlan, found: RegionScores, place: int
) -> dict[str, Any]:
    """Gather the sidecar of a region's RDM; that of the table of all RDMs says the rest."""
    coverage = found.coverage[place]
    return {
        "Description": "RDM: dissimilarities of conditions in a region",
        "Sources": [f"bids::{plan.rdms.path}"],
        **_settings(file),
        "Voxels": int(found.n_voxels[place]),
        "Coverage": float(coverage) if np.isfinite(coverage) else None,
        "SettingsHash": file.settings_hash,
    }
