"""Nipype interfaces of the participant level: read patterns, searchlight, write, draw."""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    File,
    TraitedSpec,
    isdefined,
    traits,
)
from numpy.typing import NDArray

from bids_rsa.core.condition_null import NullOfScore
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.protocol import Neighborhood
from bids_rsa.core.scores import Scores
from bids_rsa.core.searchlight import searchlight
from bids_rsa.interfaces.base import (
    FiguresOutput,
    ImagesOutput,
    RecordingInterface,
    as_texts,
    saved_record,
)
from bids_rsa.interfaces.halves import Halves, reliability_of
from bids_rsa.interfaces.noise import load_noise
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.interfaces.scoring import RsaInput, Scoring, SinkInput, noise_model
from bids_rsa.interfaces.work_files import (
    load_compared,
    load_record,
    load_stacked,
    save_record,
)
from bids_rsa.outputs.derivatives import geometry_path
from bids_rsa.outputs.design_keys import design_warnings
from bids_rsa.outputs.input_hashes import refuse_changed
from bids_rsa.outputs.maps import evaluated_centers, write_maps
from bids_rsa.outputs.null_files import unequal_images_warning
from bids_rsa.patterns.noise_samples import unusable_noise
from bids_rsa.patterns.stack_plan import HALVES, half_labels, plan_stack
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.patterns.stacking import stack_analysis
from bids_rsa.records import Analysis
from bids_rsa.reports.details import write_details
from bids_rsa.settings import ReadingSettings, RsaSettings
from bids_rsa.spaces.grayordinates import GrayordinateSpace
from bids_rsa.spaces.surface import SurfaceSpace

LOGGER = logging.getLogger(__name__)


class _ReadInput(BaseInterfaceInputSpec):
    analysis = traits.Instance(Analysis, mandatory=True)
    reading = traits.Instance(ReadingSettings, mandatory=True)
    input_hashes = traits.Str(mandatory=True, desc="hash of the content of all input files")
    version = traits.Str(mandatory=True, desc="version of the app")
    n_threads = traits.Int(1, usedefault=True, nohash=True)
    files = traits.Tuple(usedefault=True, nohash=True, desc="the files as they were hashed")
    estimated = traits.List(traits.Str, nohash=True, desc="runs that had to be estimated before")


class _ReadOutput(TraitedSpec):
    stacked = saved_record(desc="the patterns of all conditions and folds, and their masks")
    halves = traits.List(traits.Str, desc="the patterns of odd and even runs, where needed")


class ReadPatterns(RecordingInterface):
    """Masking: read the images of an analysis once, check them, keep the voxels of the masks."""

    input_spec = _ReadInput
    output_spec = _ReadOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Stack the analysis."""
        with self.recorded(runtime) as folder:
            stacked = stack_analysis(
                self.inputs.analysis, self.inputs.reading, self.inputs.n_threads
            )
            refuse_changed(self.inputs.files)
            who = self.inputs.analysis.title
            origin = re.sub(r"(?<=[:,] )sub-[A-Za-z0-9+]+_", "", stacked.brain_mask.origin)
            on_surfaces = self.inputs.analysis.form != "volume" and not self.inputs.analysis.ribbon
            LOGGER.info("%s: %s: %s.", who, "cortex" if on_surfaces else "brain mask", origin)
            for warning in stacked.warnings:
                LOGGER.warning("%s: %s", who, warning)
            self._results["stacked"] = save_record(stacked, folder, "stacked")
            self._results["halves"] = self._halves(stacked, folder)
        return runtime

    def _halves(self, stacked: StackedPatterns, folder: Path) -> list[str]:
        """Stack odd and even runs separately, where their reliability is asked for."""
        reading = self.inputs.reading
        if not reading.reliability:
            return []
        analysis = self.inputs.analysis
        halves = Halves(stacked.patterns, half_labels(analysis, reading))
        if reading.folds == "none":
            apart = replace(reading, folds=HALVES)
            own = stack_analysis(analysis, apart, self.inputs.n_threads)
            halves = Halves(own.patterns, halves.labels, plan_stack(analysis, apart).fold_of)
        return save_record(halves, folder, "halves")


class _SearchlightOutput(TraitedSpec):
    scores = saved_record(desc="scores of all comparisons and models, and patch sizes")


class SearchlightRsa(RecordingInterface):
    """Compare the RDM of the patch around each centre with the model RDMs."""

    input_spec = RsaInput
    output_spec = _SearchlightOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Run the searchlight."""
        inputs, rsa = self.inputs, self.inputs.rsa
        with self.recorded(runtime) as folder:
            scoring = Scoring.of(inputs)
            stacked, noise = scoring.stacked, scoring.noise
            measures, shrinkage = scoring.measures(), None
            if measures.null is not None:
                for warning in unequal_images_warning(stacked.images_per_condition):
                    LOGGER.warning("%s: %s", inputs.label, warning)
            neighborhood = stacked.space.neighborhood(
                stacked.patch_mask,
                stacked.center_mask,
                rsa.radius_mm,
                inputs.n_threads,
                rsa.patch_size,
            )
            if noise is not None:
                shrinkage = np.full(neighborhood.n_centers, np.nan)
            bar = progress_bar(neighborhood.n_centers, inputs.label, inputs.bar_position)
            with bar as advance, unusable_noise(noise, inputs.label):
                sizes = searchlight(
                    stacked.patterns,
                    neighborhood,
                    measures,
                    shrinkage=shrinkage,
                    n_threads=inputs.n_threads,
                    on_progress=advance,
                    **scoring.rdm_options(),
                )
            scores = Scores(measures.scores, sizes, shrinkage, measures.nulls())
            evaluated_centers(scores, rsa, inputs.label, scoring.model_names)
            scores = replace(scores, areas=_areas(stacked, neighborhood))
            if rsa.reliability:
                halves = load_record(inputs.halves, Halves)
                found = reliability_of(halves, stacked, rsa, noise, inputs.n_threads)
                scores = replace(scores, reliability=found, halves=halves.labels)
            self._results["scores"] = save_record(scores, folder, "scores")
        return runtime


def _areas(stacked: StackedPatterns, neighborhood: Neighborhood) -> NDArray[np.float64] | None:
    """Add up the areas of each patch in mm2, NaN for patches of voxels; None in volumes."""
    if not isinstance(stacked.space, SurfaceSpace | GrayordinateSpace):
        return None
    assert isinstance(neighborhood, Patches)
    areas = neighborhood.sums(stacked.space.sizes()[stacked.patch_mask])
    if isinstance(stacked.space, SurfaceSpace):
        return areas
    on_surface = np.zeros(stacked.space.n_locations, dtype=bool)
    for own in stacked.space.part_slices().values():
        on_surface[own] = True
    return np.where(on_surface[stacked.center_mask], areas, np.nan)


class _SinkInput(SinkInput):
    analysis = traits.Instance(Analysis, mandatory=True)
    scores = saved_record(mandatory=True)
    rsa = traits.Instance(RsaSettings, mandatory=True)
    planned = traits.Tuple(mandatory=True, desc="the files to write")


class SinkDerivatives(RecordingInterface):
    """Write maps, mask, patch sizes and sidecars under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _SinkInput
    output_spec = ImagesOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Write the images and then their sidecars."""
        with self.recorded(runtime):
            inputs = self.inputs
            stacked, models = load_stacked(inputs.stacked), load_compared(inputs.models).models
            for warning in design_warnings(inputs.planned, stacked, models):
                LOGGER.warning("%s: %s", inputs.analysis.title, warning)
            images = write_maps(
                Path(inputs.output_dir),
                inputs.planned,
                stacked,
                load_record(inputs.scores, Scores, NullOfScore),
                models,
                inputs.rsa,
                inputs.links,
                load_noise(inputs.noise)[0] if isdefined(inputs.noise) else None,
            )
            self._results["images"] = as_texts(images)
        return runtime


class _DrawInput(BaseInterfaceInputSpec):
    analysis = traits.Instance(Analysis, mandatory=True)
    stacked = saved_record(mandatory=True)
    images = traits.List(File(exists=True), mandatory=True)
    models = traits.Str(mandatory=True)
    rsa = traits.Instance(RsaSettings, mandatory=True)
    planned = traits.Tuple(mandatory=True)
    noise = saved_record(desc="what noise was estimated from")
    is_drawn = traits.Bool(True, usedefault=True, desc="whether pictures are wanted")
    output_dir = traits.Str(mandatory=True)


class DrawMaps(RecordingInterface):
    """Draw a mosaic picture of each map where wanted, and keep what the report shows next to it."""

    _always_run = True
    input_spec = _DrawInput
    output_spec = FiguresOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Draw all maps of the analysis."""
        with self.recorded(runtime):
            inputs = self.inputs
            stacked, output_dir = load_stacked(inputs.stacked), Path(inputs.output_dir)
            models = load_compared(inputs.models).models
            figures: list[Path] = []
            if inputs.is_drawn and inputs.analysis.is_drawable:
                # matplotlib takes a second to import
                from bids_rsa.reports.participant_pictures import draw_analysis
                from bids_rsa.reports.surface_pictures import draw_hemispheres

                draw = draw_analysis if inputs.analysis.form == "volume" else draw_hemispheres
                figures = draw(output_dir, inputs.planned, inputs.analysis, stacked)
            if inputs.analysis.is_drawable and inputs.analysis.form != "volume":
                from bids_rsa.reports.surface_viewer import keep_geometry

                path = output_dir / geometry_path(inputs.analysis)
                figures.append(keep_geometry(path, stacked.space.centers, inputs.analysis.surfaces))
            details = write_details(
                output_dir,
                inputs.planned,
                inputs.analysis,
                stacked,
                models,
                inputs.rsa,
                noise_model(inputs.noise, inputs.rsa, len(stacked.patterns)),
            )
            self._results["figures"] = as_texts([*figures, *details])
        return runtime
