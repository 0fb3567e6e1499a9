"""What the nodes of searchlights and of regions share: their inputs, and how RDMs are scored."""

from dataclasses import dataclass
from typing import Any, Self

from nipype.interfaces.base import BaseInterfaceInputSpec, isdefined, traits

from bids_rsa.core.comparison.permutations import draw_permutations
from bids_rsa.core.condition_null import ConditionNull
from bids_rsa.core.dissimilarity.table import needs_noise
from bids_rsa.core.measures import ModelScores
from bids_rsa.core.noise.model import NoiseModel, no_noise
from bids_rsa.core.scores import ModelMeasures
from bids_rsa.interfaces.base import saved_record
from bids_rsa.interfaces.noise import load_noise
from bids_rsa.interfaces.work_files import Compared, load_compared, load_stacked
from bids_rsa.models.cells import scored
from bids_rsa.models.fits import condensed
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.settings import RsaSettings


class RsaInput(BaseInterfaceInputSpec):
    """Inputs of a node that computes RDMs and compares them with models."""

    stacked = saved_record(mandatory=True)
    models = traits.Str(mandatory=True, desc="file of the model RDMs, named by its content")
    rsa = traits.Instance(RsaSettings, mandatory=True)
    noise = saved_record(desc="what noise is estimated from")
    halves = traits.List(traits.Str, desc="the patterns of odd and even runs, where needed")
    version = traits.Str(mandatory=True)
    label = traits.Str(mandatory=True, desc="what the progress bar is called")
    n_threads = traits.Int(1, usedefault=True, nohash=True)
    bar_position = traits.Int(0, usedefault=True, nohash=True)


class SinkInput(BaseInterfaceInputSpec):
    """Inputs of a node that writes an analysis's results."""

    stacked = saved_record(mandatory=True)
    noise = saved_record(desc="what noise was estimated from")
    models = traits.Str(mandatory=True)
    links = traits.Dict(mandatory=True, desc="path of each input dataset to its name")
    output_dir = traits.Str(mandatory=True)


@dataclass(frozen=True, eq=False)
class Scoring:
    """How the patterns of an analysis become RDMs, and what these are compared with."""

    stacked: StackedPatterns
    compared: Compared
    rsa: RsaSettings
    noise: NoiseModel | None

    @classmethod
    def of(cls, inputs: RsaInput) -> Self:
        """Load the patterns, models and noise of a node."""
        stacked = load_stacked(inputs.stacked)
        noise = noise_model(inputs.noise, inputs.rsa, len(stacked.patterns))
        return cls(stacked, load_compared(inputs.models), inputs.rsa, noise)

    @property
    def model_names(self) -> list[str]:
        """Names of the models that get a score."""
        return [model.name for model in scored(self.compared.models)]

    def measures(self) -> ModelMeasures:
        """Make the scores of the models, and their null where permutations were asked for."""
        models, rsa, conditions = self.compared.models, self.rsa, self.stacked.conditions
        own = condensed(scored(models), conditions)
        options: dict[str, Any] = {
            "standardize": rsa.standardize,
            "nuisance": condensed([model for model in models if model.nuisance], conditions),
            "condition_covariance": self.compared.condition_covariance,
        }
        null = None
        if rsa.condition_permutations:
            n = rsa.condition_permutations
            permutations = draw_permutations(len(conditions), n, rsa.random_seed)
            null = ConditionNull(own, permutations, rsa.comparisons, rsa.keep_null, **options)
        return ModelMeasures(ModelScores(own, rsa.comparisons, **options), null)

    def rdm_options(self) -> dict[str, Any]:
        """Give the options of `bids_rsa.core.searchlight.searchlight` that make RDMs."""
        return {
            "dissimilarity": self.rsa.dissimilarity,
            "params": metric_parameters(self.rsa, self.stacked.patch_mask),
            "ignore_nan": self.rsa.ignore_nan,
            "min_voxels": self.rsa.min_voxels,
            "noise": self.noise,
        }


def noise_model(paths: Any, rsa: RsaSettings, n_voxels: int) -> NoiseModel | None:
    """Load the noise; none is the identity for what is defined by a noise covariance alone."""
    if isdefined(paths):
        return load_noise(paths)[1]
    return no_noise(n_voxels) if needs_noise(rsa.dissimilarity) else None
