"""Nipype interfaces of the participant level: read patterns, searchlight, write, draw."""

import logging
import re
from collections.abc import Sequence
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

from bids_rsa.core.comparison.permutations import draw_permutations
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.condition_null import ConditionNull, NullOfScore
from bids_rsa.core.dissimilarity.table import needs_noise
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.protocol import Neighborhood
from bids_rsa.core.noise.model import NoiseModel, no_noise
from bids_rsa.core.searchlight import Scores, searchlight_scores
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
from bids_rsa.interfaces.work_files import (
    load_condition_covariance,
    load_models,
    load_record,
    load_stacked,
    save_record,
)
from bids_rsa.models.cells import scored
from bids_rsa.models.loading import condensed
from bids_rsa.outputs.design_keys import design_warnings
from bids_rsa.outputs.maps import evaluated_centers, metric_parameters, write_maps
from bids_rsa.outputs.null_files import relabeling_notes, unequal_images_warning
from bids_rsa.outputs.provenance import refuse_changed
from bids_rsa.patterns.noise_samples import unusable_noise
from bids_rsa.patterns.stack_plan import HALVES, half_labels, plan_stack
from bids_rsa.patterns.stacking import StackedPatterns, stack_analysis
from bids_rsa.records import Analysis, ModelRdm
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

    def _call(self, folder: Path) -> dict[str, Any]:
        """Stack the analysis."""
        stacked = stack_analysis(self.inputs.analysis, self.inputs.reading, self.inputs.n_threads)
        refuse_changed(self.inputs.files)
        who = self.inputs.analysis.title
        origin = re.sub(r"\bsub-[A-Za-z0-9+]+_", "", stacked.brain_mask.origin)
        LOGGER.info("%s: brain mask: %s.", who, origin)
        for warning in stacked.warnings:
            LOGGER.warning("%s: %s", who, warning)
        return {
            "stacked": save_record(stacked, folder, "stacked"),
            "halves": self._halves(stacked, folder),
        }

    def _halves(self, stacked: StackedPatterns, folder: Path) -> list[str]:
        """Stack odd and even runs apart, where their reliability is asked for."""
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


class _SearchlightInput(BaseInterfaceInputSpec):
    stacked = saved_record(mandatory=True)
    models = traits.Str(mandatory=True, desc="file of the model RDMs, named by its content")
    rsa = traits.Instance(RsaSettings, mandatory=True)
    noise = saved_record(desc="what noise is estimated from")
    halves = traits.List(traits.Str, desc="the patterns of odd and even runs, where needed")
    version = traits.Str(mandatory=True)
    label = traits.Str(mandatory=True, desc="what the progress bar is called")
    n_threads = traits.Int(1, usedefault=True, nohash=True)
    bar_position = traits.Int(0, usedefault=True, nohash=True)


class _SearchlightOutput(TraitedSpec):
    scores = saved_record(desc="scores of all comparisons and models, and patch sizes")


class SearchlightRsa(RecordingInterface):
    """Compare the RDM of the patch around each centre with the model RDMs."""

    input_spec = _SearchlightInput
    output_spec = _SearchlightOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Run the searchlight."""
        stacked, rsa = load_stacked(self.inputs.stacked), self.inputs.rsa
        models = load_models(self.inputs.models)
        own, nuisance = scored(models), [model for model in models if model.nuisance]
        noise = noise_model(self.inputs.noise, rsa, len(stacked.patterns))
        names = [model.name for model in own]
        null = condition_null(
            own, nuisance, stacked, rsa, load_condition_covariance(self.inputs.models)
        )
        if null is not None:
            _say_relabelings(null, rsa, names, stacked, self.inputs.label)
        neighborhood = stacked.space.neighborhood(
            stacked.patch_mask,
            stacked.center_mask,
            rsa.radius_mm,
            self.inputs.n_threads,
            rsa.patch_size,
        )
        bar = progress_bar(neighborhood.n_centers, self.inputs.label, self.inputs.bar_position)
        with bar as advance, unusable_noise(noise, self.inputs.label):
            scores = searchlight_scores(
                stacked.patterns,
                neighborhood,
                condensed(own, stacked.conditions),
                dissimilarity=rsa.dissimilarity,
                params=metric_parameters(rsa, stacked.patch_mask),
                comparisons=rsa.comparisons,
                ignore_nan=rsa.ignore_nan,
                min_voxels=rsa.min_voxels,
                standardize=rsa.standardize,
                nuisance=condensed(nuisance, stacked.conditions),
                condition_covariance=load_condition_covariance(self.inputs.models),
                noise=noise,
                null=null,
                n_threads=self.inputs.n_threads,
                on_progress=advance,
            )
        evaluated_centers(scores, rsa, self.inputs.label, names)
        scores = replace(scores, areas=_areas(stacked, neighborhood))
        if rsa.reliability:
            halves = load_record(self.inputs.halves, Halves)
            found = reliability_of(halves, stacked, rsa, noise, self.inputs.n_threads)
            scores = replace(scores, reliability=found, halves=halves.labels)
        return {"scores": save_record(scores, folder, "scores")}


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


def condition_null(
    models: Sequence[ModelRdm],
    nuisance: Sequence[ModelRdm],
    stacked: StackedPatterns,
    rsa: RsaSettings,
    covariance: NDArray[np.float64] | None,
) -> ConditionNull | None:
    """Prepare the permuted models, where permutations were asked for."""
    if not rsa.condition_permutations:
        return None
    n_conditions = len(stacked.conditions)
    return ConditionNull(
        condensed(models, stacked.conditions),
        draw_permutations(n_conditions, rsa.condition_permutations, rsa.random_seed),
        rsa.comparisons,
        n_kept=rsa.keep_null,
        standardize=rsa.standardize,
        nuisance=condensed(nuisance, stacked.conditions),
        condition_covariance=covariance,
    )


def _say_relabelings(
    null: ConditionNull,
    rsa: RsaSettings,
    names: Sequence[str],
    stacked: StackedPatterns,
    label: str,
) -> None:
    """Log how many relabelings there are, and what they assume where it does not hold."""
    scores = {name: find_comparison(name).score_names(names) for name in rsa.comparisons}
    notes, told = relabeling_notes(null.relabelings, scores, rsa.alpha)
    for note in notes:
        LOGGER.info("%s: %s", label, note)
    for warning in (*told, *unequal_images_warning(stacked.images_per_condition)):
        LOGGER.warning("%s: %s", label, warning)


class _SinkInput(BaseInterfaceInputSpec):
    analysis = traits.Instance(Analysis, mandatory=True)
    stacked = saved_record(mandatory=True)
    scores = saved_record(mandatory=True)
    noise = saved_record(desc="what noise was estimated from")
    models = traits.Str(mandatory=True)
    rsa = traits.Instance(RsaSettings, mandatory=True)
    planned = traits.Tuple(mandatory=True, desc="the files to write")
    links = traits.Dict(mandatory=True, desc="path of each input dataset to its name")
    output_dir = traits.Str(mandatory=True)


class SinkDerivatives(RecordingInterface):
    """Write maps, mask, patch sizes and sidecars under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _SinkInput
    output_spec = ImagesOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Write the images and then their sidecars."""
        inputs = self.inputs
        stacked, models = load_stacked(inputs.stacked), load_models(inputs.models)
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
        return {"images": as_texts(images)}


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
    """Draw a mosaic picture of each map where wanted, and keep what the report shows beside it."""

    _always_run = True
    input_spec = _DrawInput
    output_spec = FiguresOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Draw all maps of the analysis."""
        inputs = self.inputs
        stacked, output_dir = load_stacked(inputs.stacked), Path(inputs.output_dir)
        models = load_models(inputs.models)
        figures: list[Path] = []
        if inputs.is_drawn and inputs.analysis.is_drawable:
            # matplotlib takes a second to import
            from bids_rsa.reports.participant_pictures import draw_analysis
            from bids_rsa.reports.surface_pictures import draw_hemispheres

            draw = draw_analysis if inputs.analysis.form == "volume" else draw_hemispheres
            figures = draw(output_dir, inputs.planned, inputs.analysis, stacked)
        details = write_details(
            output_dir,
            inputs.planned,
            inputs.analysis,
            stacked,
            models,
            inputs.rsa,
            noise_model(inputs.noise, inputs.rsa, len(stacked.patterns)),
        )
        return {"figures": as_texts([*figures, *details])}


def noise_model(paths: Any, rsa: RsaSettings, n_voxels: int) -> NoiseModel | None:
    """Load the noise; none is the identity for what is defined by a noise covariance alone."""
    if isdefined(paths):
        return load_noise(paths)[1]
    return no_noise(n_voxels) if needs_noise(rsa.dissimilarity) else None
