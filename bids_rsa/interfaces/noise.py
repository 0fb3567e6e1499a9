"""Nipype interface that reads what noise is estimated from."""

import logging
from dataclasses import replace
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, traits

from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.interfaces.base import RecordingInterface, saved_record
from bids_rsa.interfaces.work_files import load_record, load_stacked, save_record
from bids_rsa.patterns.noise_samples import NoiseSamples, noise_of
from bids_rsa.records import Analysis
from bids_rsa.settings import RsaSettings

LOGGER = logging.getLogger(__name__)
_SAMPLES = "samples.npy"


class _NoiseInput(BaseInterfaceInputSpec):
    analysis = traits.Instance(Analysis, mandatory=True)
    rsa = traits.Instance(RsaSettings, mandatory=True)
    stacked = saved_record(mandatory=True)
    version = traits.Str(mandatory=True)
    n_threads = traits.Int(1, usedefault=True, nohash=True)
    bold = traits.List(
        traits.Str, [], usedefault=True, desc="the BOLD images that the app made residuals from"
    )
    residuals = traits.List(
        File(exists=True), [], usedefault=True, desc="these residuals, in the same order"
    )


class _NoiseOutput(TraitedSpec):
    noise = saved_record(desc="residuals or images in the voxels of patches, and whose they are")


class ReadNoise(RecordingInterface):
    """Read residuals, or images again, into a file with a row for each voxel of the patches."""

    input_spec = _NoiseInput
    output_spec = _NoiseOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Read the noise."""
        with self.recorded(runtime) as folder:
            inputs = self.inputs
            stacked = load_stacked(inputs.stacked)
            samples = noise_of(
                inputs.analysis,
                inputs.rsa,
                stacked.patch_mask,
                stacked.space.layout,
                folder / _SAMPLES,
                inputs.n_threads,
                dict(zip(inputs.bold, inputs.residuals, strict=True)),
            )
            LOGGER.info("%s: %s", inputs.analysis.title, samples.note)
            for warning in samples.warnings:
                LOGGER.warning("%s: %s", inputs.analysis.title, warning)
            paths = save_record(replace(samples, path=""), folder, "noise")
            self._results["noise"] = [*paths, str(folder / _SAMPLES)]
        return runtime


def load_noise(paths: list[str]) -> tuple[NoiseSamples, NoiseModel]:
    """Load what `ReadNoise` saved; the samples are mapped into memory."""
    samples = replace(load_record(paths, NoiseSamples), path=paths[-1])
    return samples, samples.model()
