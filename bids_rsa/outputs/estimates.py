"""A run's estimates in the output dataset: what determines them, their names and sidecars."""

from __future__ import annotations

import gzip
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_rsa.estimation.names import (
    contrast_labels,
    design_path,
    estimate_paths,
    residuals_paths,
)
from bids_rsa.outputs.bids_uris import source_uris
from bids_rsa.outputs.dataset_files import write_json
from bids_rsa.outputs.derivatives import PlannedFile, is_complete
from bids_rsa.outputs.input_hashes import FileState, digest, file_state
from bids_rsa.outputs.provenance import software_versions
from bids_rsa.outputs.whole_files import replacing
from bids_rsa.records import BoldRun, DesignFacts
from bids_rsa.spaces.map_files import maps_header

if TYPE_CHECKING:  # it imports nilearn's models, which takes seconds
    from bids_rsa.estimation.images import RunFiles

_ESTIMATORS = {"ols": "OLS", "ar1": "AR(1)"}
_STATS = {
    "effect": "Effect of {name}",
    "variance": "Variance of the effect of {name}",
}


@dataclass(frozen=True)
class PlannedRun:
    """A run to estimate: its files in the output dataset, and a hash of all that determines them.

    ``files`` are those it is made of, as they were hashed; ``memory_gb`` is what its estimation
    needs. ``keep_residuals``: they are written to the dataset; ``for_noise``: noise is estimated
    from them.
    """

    run: BoldRun
    planned: tuple[PlannedFile, ...]
    input_hash: str
    files: tuple[FileState, ...]
    keep_residuals: bool = False
    for_noise: bool = False
    memory_gb: float = 1.0

    def is_complete(self, output_dir: Path) -> bool:
        """Tell whether all files are there, made with the same settings and inputs."""
        return is_complete(output_dir, self.planned, ())

    def is_needed(self, output_dir: Path) -> bool:
        """Tell whether the run must be estimated: something is missing, or only in work folders."""
        return not self.is_complete(output_dir) or (self.for_noise and not self.keep_residuals)


def run_sources(run: BoldRun) -> tuple[str, ...]:
    """List the files that a run's estimates are made of."""
    return tuple(path for path in (*run.paths, run.events, run.confounds, *run.masks) if path)


def hash_runs(runs: Sequence[BoldRun], n_threads: int = 1) -> dict[str, FileState]:
    """Hash the files that runs are made of, each once; by their path."""
    paths = sorted({path for run in runs for path in run_sources(run)})
    with ThreadPoolExecutor(n_threads) as pool:
        return dict(zip(paths, pool.map(file_state, paths), strict=True))


def _hashes(run: BoldRun, states: Mapping[str, FileState]) -> dict[str, str]:
    """Name the hashes of a run's inputs."""
    bold = {"BOLD": states[run.path].sha256}
    if run.right is not None:
        bold["BOLDRight"] = states[run.right].sha256
    return {
        **bold,
        "Events": states[run.events].sha256,
        "Confounds": states[run.confounds].sha256 if run.confounds else "none",
        **_mask_hashes(run, states),
        "FrameTimes": digest(run.frame_times_s),
    }


def _mask_hashes(run: BoldRun, states: Mapping[str, FileState]) -> dict[str, str]:
    """Name the hash of the brain mask, or on surfaces of the cortex."""
    if run.form == "volume":
        return {"BrainMask": states[run.mask].sha256}
    cortex = [[one.hemisphere, [states[p].sha256 for p in one.cortex]] for one in run.cortex]
    return {"CortexMask": digest(cortex) if run.masks else "none"}


def run_settings(run: BoldRun, hashes: Mapping[str, str]) -> dict[str, Any]:
    """List all that determines a run's estimates, as it is in the sidecars."""
    settings, design = run.settings, _design(run)
    return {
        "Estimator": _ESTIMATORS[settings.glm_noise],
        "HRF": settings.hrf,
        "Estimate": settings.estimate,
        "Scale": settings.scale,
        "ConditionColumn": settings.condition_column,
        "EventDuration": settings.event_duration,
        "RepetitionTime": run.repetition_time_s,
        "StartTime": run.start_time_s,
        "HighPass": {"CutoffSeconds": design.high_pass_s, "Source": design.high_pass_source},
        "Confounds": list(design.confounds),
        "SpikeVolumes": list(design.spikes),
        "InputHashes": dict(hashes),
    }


def _design(run: BoldRun) -> DesignFacts:
    """Get the facts of a planned run's design."""
    assert run.design is not None
    return run.design


def plan_run_files(
    run: BoldRun,
    states: Mapping[str, FileState],
    keep_residuals: bool,
    for_noise: bool,
    memory_gb: float,
) -> PlannedRun:
    """Name the files of a run's estimates.

    Parameters
    ----------
    run : BoldRun
    states : mapping
        From `hash_runs`.
    keep_residuals, for_noise : bool
        See `PlannedRun`.
    memory_gb : float
    """
    settings = run_settings(run, _hashes(run, states))
    frozen = tuple((key, json.dumps(value)) for key, value in settings.items())
    labels = contrast_labels(_design(run).conditions)
    lost = dict(_design(run).unestimable)
    paths = [
        path
        for name, label in labels.items()
        if name not in lost
        for stat in _STATS
        for path in estimate_paths(run, label, stat)
    ]
    paths.append(design_path(run))
    if keep_residuals:
        paths += residuals_paths(run)
    key = digest(settings)
    planned = tuple(PlannedFile(path, frozen, key) for path in paths)
    files = tuple(states[path] for path in run_sources(run))
    return PlannedRun(run, planned, key, files, keep_residuals, for_noise, memory_gb)


def write_run(
    output_dir: Path, planned: PlannedRun, files: RunFiles, links: Mapping[str, str]
) -> list[Path]:
    """Copy a run's estimates under their final names, and after all of them their sidecars.

    What is there already, made with the same settings and inputs, is left as it is.

    Returns
    -------
    list of Path
        The images and the design.
    """
    final = [output_dir / file.path for file in planned.planned]
    if planned.is_complete(output_dir):
        return final
    made = {path.name: path for path in (*files.images, files.design, *files.residuals)}
    for file in planned.planned:
        (output_dir / file.sidecar).unlink(missing_ok=True)
    for path in final:
        with replacing(path) as beside:
            if path.name in made:
                shutil.copyfile(made[path.name], beside)
            else:  # residuals of volumes
                _compress(made[path.name.removesuffix(".gz")], beside)
    sources = source_uris((file.path for file in planned.files), links)
    for file in planned.planned:
        write_json(output_dir / file.sidecar, _sidecar(file, planned.run, sources))
    return final


def _compress(source: Path, target: Path) -> None:
    """Compress a file; the same bytes whenever and under whatever name."""
    with (
        source.open("rb") as plain,
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed, 1 << 20)


def _sidecar(file: PlannedFile, run: BoldRun, sources: Sequence[str]) -> dict[str, Any]:
    """Gather the sidecar of an image, or of the design."""
    design = _design(run)
    return {
        **_subject(file, run),
        **(_place(file, run) if file.path != design_path(run) else {}),
        "Sources": list(sources),
        **{key: json.loads(text) for key, text in file.settings},
        "RepetitionTimeSource": run.repetition_time_source,
        "StartTimeSource": run.start_time_source,
        "Rank": design.rank,
        "DegreesOfFreedom": design.dof,
        "Warnings": list(run.warnings),
        "Notes": list(run.notes),
        "SettingsHash": file.settings_hash,
        "SoftwareVersions": software_versions(),
    }


def _place(file: PlannedFile, run: BoldRun) -> dict[str, Any]:
    """Say where an image is as its BOLD does; BIDS asks for the density with den-."""
    keys = {key: json.loads(text) for key, text in run.spatial}
    if run.form != "volume" and "_den-" in file.path and "Density" not in keys:
        layouts = [maps_header(path).layout for path in run.paths]
        keys["Density"] = ", ".join(layout.describe() for layout in layouts)
    return keys


def _subject(file: PlannedFile, run: BoldRun) -> dict[str, Any]:
    """Say what a file holds."""
    design = _design(run)
    events = dict(zip(design.conditions, design.n_events, strict=True))
    if file.path == design_path(run):
        return {
            "Description": "Design matrix of the run; confounds are demeaned, of unit variance",
            "Columns": list(design.columns),
            "EventsPerCondition": events,
            "DesignCovariance": {
                "Conditions": list(design.conditions),
                "Cells": [[v if math.isfinite(v) else None for v in r] for r in design.covariance],
            },
        }
    if file.path in residuals_paths(run):
        outside = "0 outside the mask" if run.form == "volume" else "NaN outside the cortex"
        return {"Description": f"Residuals of the run's model, not whitened; {outside}"}
    for name, label in contrast_labels(design.conditions).items():
        for stat, words in _STATS.items():
            if file.path in estimate_paths(run, label, stat):
                what = "volume" if run.form == "volume" else "map"
                each = "" if run.settings.estimate == "conditions" else f"; a {what} for each trial"
                return {
                    "Description": f"{words.format(name=name)}{each}",
                    "Condition": name,
                    "Trials": events[name],
                }
    raise AssertionError(file.path)
