"""Nipype interfaces of regions at participant level: score, write, draw."""

import logging
from pathlib import Path
from typing import Any

from bids_rsa.interfaces.base import (  # first: it silences Nipype's look-up
    FiguresOutput,
    RecordingInterface,
    as_texts,
    saved_record,
)

# isort: split
from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, isdefined, traits

from bids_rsa.interfaces.halves import Halves, region_reliability
from bids_rsa.interfaces.noise import load_noise
from bids_rsa.interfaces.participant import condition_null, load_stacked, noise_model
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.interfaces.work_files import (
    load_condition_covariance,
    load_models,
    load_record,
    save_record,
)
from bids_rsa.models.cells import scored
from bids_rsa.models.loading import condensed
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.outputs.provenance import refuse_changed
from bids_rsa.outputs.regions import AllRegions, FoundRegions, write_regions
from bids_rsa.patterns.noise_samples import unusable_noise
from bids_rsa.regions.compute import RegionScores, region_patches, score_regions
from bids_rsa.regions.sources import read_source
from bids_rsa.settings import RsaSettings

LOGGER = logging.getLogger(__name__)


class _RegionInput(BaseInterfaceInputSpec):
    stacked = saved_record(mandatory=True)
    models = traits.Str(mandatory=True, desc="file of the model RDMs, named by its content")
    rsa = traits.Instance(RsaSettings, mandatory=True)
    plans = traits.Tuple(mandatory=True, desc="the sets of regions")
    noise = saved_record(desc="what noise is estimated from")
    halves = traits.List(traits.Str, desc="the patterns of odd and even runs, where needed")
    min_coverage = traits.Float(mandatory=True)
    version = traits.Str(mandatory=True)
    label = traits.Str(mandatory=True, desc="what the progress bar is called")
    n_threads = traits.Int(1, usedefault=True, nohash=True)
    bar_position = traits.Int(0, usedefault=True, nohash=True)


class _RegionOutput(TraitedSpec):
    found = saved_record(desc="scores and RDMs of all regions")


class RegionRsa(RecordingInterface):
    """Compare the RDM of each region with the model RDMs."""

    input_spec = _RegionInput
    output_spec = _RegionOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Score the regions of all sets."""
        inputs, stacked = self.inputs, load_stacked(self.inputs.stacked)
        models, rsa, sets = load_models(inputs.models), inputs.rsa, []
        nuisance = [model for model in models if model.nuisance]
        covariance = load_condition_covariance(inputs.models)
        scoring = {
            "standardize": rsa.standardize,
            "nuisance": condensed(nuisance, stacked.conditions),
            "condition_covariance": covariance,
        }
        noise = noise_model(inputs.noise, rsa, len(stacked.patterns))
        n_regions = sum(len(plan.regions) for plan in inputs.plans)
        bar = progress_bar(n_regions, inputs.label, inputs.bar_position, "regions")
        with bar as advance, unusable_noise(noise, inputs.label):
            for plan in inputs.plans:
                patches = region_patches(
                    read_source(plan.source),
                    stacked.space.layout,
                    stacked.patch_mask,
                    stacked.center_mask,
                    plan.regions,
                )
                refuse_changed(plan.files)
                options: dict[str, Any] = {
                    "dissimilarity": rsa.dissimilarity,
                    "params": metric_parameters(rsa, stacked.patch_mask),
                    "ignore_nan": rsa.ignore_nan,
                    "noise": noise,
                    "min_voxels": rsa.min_voxels,
                    "n_threads": inputs.n_threads,
                }
                scores = score_regions(
                    stacked.patterns,
                    patches,
                    condensed(scored(models), stacked.conditions),
                    rsa.comparisons,
                    min_coverage=inputs.min_coverage,
                    scoring=scoring,
                    null=condition_null(scored(models), nuisance, stacked, rsa, covariance),
                    on_progress=advance,
                    **options,
                )
                if rsa.reliability:
                    halves = load_record(inputs.halves, Halves)
                    scores = region_reliability(halves, patches, scores, rsa, **options)
                sets.append(FoundRegions(scores, patches.notes, patches.warnings))
        self._tell(sets)
        return {"found": save_record(AllRegions(tuple(sets)), folder, "found")}

    def _tell(self, sets: list[FoundRegions]) -> None:
        """Log what was noticed, and which regions have no score."""
        for plan, found in zip(self.inputs.plans, sets, strict=True):
            who = f"{self.inputs.label}, regions {plan.source.name}"
            for note in found.notes:
                LOGGER.info("%s: %s", who, note)
            for warning in (*found.warnings, *found.scores.left_out):
                LOGGER.warning("%s: %s", who, warning)


class _SinkInput(BaseInterfaceInputSpec):
    stacked = saved_record(mandatory=True)
    found = saved_record(mandatory=True)
    noise = saved_record(desc="what noise was estimated from")
    models = traits.Str(mandatory=True)
    plans = traits.Tuple(mandatory=True)
    links = traits.Dict(mandatory=True, desc="path of each input dataset to its name")
    output_dir = traits.Str(mandatory=True)


class _SinkOutput(TraitedSpec):
    tables = traits.List(File(exists=True), desc="the tables written")


class SinkRegions(RecordingInterface):
    """Write tables of scores, RDMs and their sidecars under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _SinkInput
    output_spec = _SinkOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Write the tables of all sets."""
        inputs, stacked = self.inputs, load_stacked(self.inputs.stacked)
        found, models = _load_found(inputs.found), load_models(inputs.models)
        noise = load_noise(inputs.noise)[0] if isdefined(inputs.noise) else None
        tables = [
            path
            for plan, one in zip(inputs.plans, found.sets, strict=True)
            for path in write_regions(
                Path(inputs.output_dir), plan, one, stacked, models, inputs.links, noise
            )
        ]
        return {"tables": as_texts(tables)}


class _DrawInput(BaseInterfaceInputSpec):
    stacked = saved_record(mandatory=True)
    found = saved_record(mandatory=True)
    tables = traits.List(File(exists=True), mandatory=True)
    plans = traits.Tuple(mandatory=True)
    label = traits.Str(mandatory=True)
    unit = traits.Str(mandatory=True, desc="the dissimilarity")
    output_dir = traits.Str(mandatory=True)


class DrawRegions(RecordingInterface):
    """Draw the RDMs of all regions of a set as one picture."""

    _always_run = True
    input_spec = _DrawInput
    output_spec = FiguresOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Draw the sets."""
        from bids_rsa.reports.region_pictures import draw_rdms  # imports matplotlib

        inputs, conditions = self.inputs, load_stacked(self.inputs.stacked).conditions
        figures: list[Path] = []
        for plan, one in zip(inputs.plans, _load_found(inputs.found).sets, strict=True):
            shown = [place for place, region in enumerate(plan.regions) if region.present]
            figures += draw_rdms(
                Path(inputs.output_dir) / plan.figures[0],
                one.scores.rdms[shown],
                [plan.regions[place].name for place in shown],
                conditions,
                f"{inputs.label}, regions {plan.source.name}",
                inputs.unit,
            )
        return {"figures": as_texts(figures)}


def _load_found(paths: list[str]) -> AllRegions:
    """Load what `RegionRsa` saved."""
    return load_record(paths, AllRegions, FoundRegions, RegionScores)
