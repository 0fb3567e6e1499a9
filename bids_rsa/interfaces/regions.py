"""Nipype interfaces of regions at participant level: score, write, draw."""

import logging
from collections.abc import Callable
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
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.interfaces.scoring import RsaInput, Scoring, SinkInput
from bids_rsa.interfaces.work_files import load_compared, load_record, load_stacked, save_record
from bids_rsa.outputs.input_hashes import refuse_changed
from bids_rsa.outputs.region_plan import RegionPlan
from bids_rsa.outputs.regions import AllRegions, FoundRegions, write_regions
from bids_rsa.patterns.noise_samples import unusable_noise
from bids_rsa.regions.compute import RegionScores, region_patches, score_regions
from bids_rsa.regions.sources import read_source

LOGGER = logging.getLogger(__name__)


class _RegionInput(RsaInput):
    plans = traits.Tuple(mandatory=True, desc="the sets of regions")
    min_coverage = traits.Float(mandatory=True)


class _RegionOutput(TraitedSpec):
    found = saved_record(desc="scores and RDMs of all regions")


class RegionRsa(RecordingInterface):
    """Compare the RDM of each region with the model RDMs."""

    input_spec = _RegionInput
    output_spec = _RegionOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Score the regions of all sets."""
        inputs = self.inputs
        with self.recorded(runtime) as folder:
            scoring = Scoring.of(inputs)
            n_regions = sum(len(plan.regions) for plan in inputs.plans)
            bar = progress_bar(n_regions, inputs.label, inputs.bar_position, "regions")
            with bar as advance, unusable_noise(scoring.noise, inputs.label):
                sets = [self._scored(plan, scoring, advance) for plan in inputs.plans]
            self._tell(sets)
            self._results["found"] = save_record(AllRegions(tuple(sets)), folder, "found")
        return runtime

    def _scored(
        self, plan: RegionPlan, scoring: Scoring, on_progress: Callable[[int], None]
    ) -> FoundRegions:
        """Score the regions of one set."""
        stacked = scoring.stacked
        patches = region_patches(
            read_source(plan.source),
            stacked.space,
            stacked.patch_mask,
            stacked.region_mask,
            plan.regions,
        )
        refuse_changed(plan.files)
        options = {**scoring.rdm_options(), "n_threads": self.inputs.n_threads}
        scores = score_regions(
            stacked.patterns,
            patches,
            scoring.measures(),
            min_coverage=self.inputs.min_coverage,
            on_progress=on_progress,
            **options,
        )
        if scoring.rsa.reliability:
            halves = load_record(self.inputs.halves, Halves)
            scores = region_reliability(halves, patches, scores, scoring.rsa, **options)
        return FoundRegions(scores, patches.notes, patches.warnings)

    def _tell(self, sets: list[FoundRegions]) -> None:
        """Log what was noticed, and which regions have no score."""
        for plan, found in zip(self.inputs.plans, sets, strict=True):
            who = f"{self.inputs.label}, regions {plan.source.name}"
            for note in found.notes:
                LOGGER.info("%s: %s", who, note)
            for warning in (*found.warnings, *found.scores.left_out):
                LOGGER.warning("%s: %s", who, warning)


class _SinkInput(SinkInput):
    found = saved_record(mandatory=True)
    plans = traits.Tuple(mandatory=True)


class _SinkOutput(TraitedSpec):
    tables = traits.List(File(exists=True), desc="the tables written")


class SinkRegions(RecordingInterface):
    """Write tables of scores, RDMs and their sidecars under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _SinkInput
    output_spec = _SinkOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Write the tables of all sets."""
        with self.recorded(runtime):
            inputs, stacked = self.inputs, load_stacked(self.inputs.stacked)
            found, models = _load_found(inputs.found), load_compared(inputs.models).models
            noise = load_noise(inputs.noise)[0] if isdefined(inputs.noise) else None
            tables = [
                path
                for plan, one in zip(inputs.plans, found.sets, strict=True)
                for path in write_regions(
                    Path(inputs.output_dir), plan, one, stacked, models, inputs.links, noise
                )
            ]
            self._results["tables"] = as_texts(tables)
        return runtime


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

    def _run_interface(self, runtime: Any) -> Any:
        """Draw the sets."""
        with self.recorded(runtime):
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
            self._results["figures"] = as_texts(figures)
        return runtime


def _load_found(paths: list[str]) -> AllRegions:
    """Load what `RegionRsa` saved."""
    return load_record(paths, AllRegions, FoundRegions, RegionScores)
