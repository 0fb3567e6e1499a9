"""Nipype interfaces that estimate condition images from a BOLD run, and write them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, traits

from bids_rsa.estimation.images import RunFiles, estimate_run
from bids_rsa.interfaces.base import RecordingInterface, as_texts
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.outputs.estimates import PlannedRun, write_run
from bids_rsa.outputs.input_hashes import refuse_changed
from bids_rsa.records import BoldRun

_UNITS = {"volume": "voxels", "surface": "vertices", "grayordinates": "grayordinates"}


class _EstimateInput(BaseInterfaceInputSpec):
    run = traits.Instance(BoldRun, mandatory=True)
    input_hash = traits.Str(mandatory=True, desc="hash of settings and content of all input files")
    keep_residuals = traits.Bool(False, usedefault=True)
    version = traits.Str(mandatory=True, desc="version of the app")
    n_threads = traits.Int(1, usedefault=True, nohash=True)
    files = traits.Tuple(usedefault=True, nohash=True, desc="the files as they were hashed")
    bar_position = traits.Int(0, usedefault=True, nohash=True)


class _EstimateOutput(TraitedSpec):
    images = traits.List(File(exists=True), desc="effects and variances of each condition")
    design = File(exists=True, desc="the design matrix")
    residuals = traits.List(File(exists=True), desc="what the model leaves, of each hemisphere")


class EstimateRun(RecordingInterface):
    """Fit the general linear model of a run."""

    input_spec = _EstimateInput
    output_spec = _EstimateOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Estimate the run."""
        with self.recorded(runtime) as folder:
            inputs = self.inputs
            run = inputs.run

            def progress(n_locations: int) -> AbstractContextManager[Callable[[int], None]]:
                unit = _UNITS[run.form]
                return progress_bar(n_locations, run.label, inputs.bar_position, unit, "")

            files = estimate_run(run, folder, inputs.keep_residuals, inputs.n_threads, progress)
            refuse_changed(inputs.files)
            self._results |= {
                "images": as_texts(files.images),
                "design": str(files.design),
                "residuals": as_texts(files.residuals),
            }
        return runtime


class _SinkInput(BaseInterfaceInputSpec):
    planned = traits.Instance(PlannedRun, mandatory=True)
    images = traits.List(File(exists=True), mandatory=True)
    design = File(exists=True, mandatory=True)
    residuals = traits.List(File(exists=True))
    links = traits.Dict(mandatory=True, desc="path of each input dataset to its name")
    output_dir = traits.Str(mandatory=True)


class _SinkOutput(TraitedSpec):
    label = traits.Str(desc="the run that is there")


class SinkEstimates(RecordingInterface):
    """Write the estimates of a run under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _SinkInput
    output_spec = _SinkOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Copy the images, then write their sidecars."""
        with self.recorded(runtime):
            inputs = self.inputs
            residuals = tuple(map(Path, inputs.residuals))
            files = RunFiles(tuple(map(Path, inputs.images)), Path(inputs.design), residuals)
            write_run(Path(inputs.output_dir), inputs.planned, files, inputs.links)
            self._results["label"] = inputs.planned.run.label
        return runtime
