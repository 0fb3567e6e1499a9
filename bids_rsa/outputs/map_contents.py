"""What each image of a participant's analysis contains, and what its sidecar says."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.condition_null import NullOfScore
from bids_rsa.core.scores import Scores
from bids_rsa.models.cells import in_fit, scored
from bids_rsa.outputs.derivatives import PlannedFile
from bids_rsa.outputs.image_plan import is_area, is_shrinkage
from bids_rsa.outputs.null_files import (
    null_sidecar,
    null_values,
    outside,
    unequal_images_warning,
)
from bids_rsa.outputs.reliability_files import reliability_sidecar, reliability_values
from bids_rsa.outputs.sidecars import (
    hemisphere_keys,
    map_sidecar,
    mask_sidecar,
    noise_keys,
    shared_keys,
)
from bids_rsa.patterns.noise_samples import NoiseSamples
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.records import ModelRdm
from bids_rsa.settings import RsaSettings


@dataclass(frozen=True, eq=False)
class MapContent:
    """What one image holds.

    ``values`` are those of the evaluated centres (n_centers, ...), ``fill`` the value elsewhere.
    """

    values: NDArray[Any]
    sidecar: dict[str, Any]
    fill: float


@dataclass(frozen=True, eq=False)
class MapContents:
    """The contents of all images of an analysis.

    ``sources`` are the URIs of the files that were used.
    """

    stacked: StackedPatterns
    scores: Scores
    models: Sequence[ModelRdm]
    rsa: RsaSettings
    sources: Sequence[str]
    noise: NoiseSamples | None = None

    @cached_property
    def evaluated(self) -> NDArray[np.bool_]:
        """Centres whose patch is large enough."""
        return np.asarray(self.scores.n_voxels >= self.rsa.min_voxels)

    @cached_property
    def n_voxels(self) -> NDArray[np.integer]:
        """Size of the patch of each evaluated centre."""
        return self.scores.n_voxels[self.evaluated]

    def of(self, file: PlannedFile) -> MapContent:
        """Gather the content of one file."""
        if file.kind.startswith("reliability") and self.scores.reliability is not None:
            content = self._reliability(file, self.scores.reliability)
        elif file.kind:
            content = self._null(file)
        elif file.model:
            content = self._scores(file)
        else:
            content = self._patches(file)
        own = content.sidecar
        shrinkage, areas = (
            self._evaluated(self.scores.shrinkage),
            self._evaluated(self.scores.areas),
        )
        if self.noise is not None:
            own |= noise_keys(own, self.noise, shrinkage)
        own |= hemisphere_keys(file, areas)
        return content

    def _evaluated(self, values: NDArray[Any] | None) -> NDArray[Any]:
        """Take values of the evaluated centres; none where there are no values."""
        return np.empty(0) if values is None else values[self.evaluated]

    def _reliability(self, file: PlannedFile, reliability: NDArray[Any]) -> MapContent:
        """Gather how well the RDMs of two halves agree."""
        values = reliability_values(file, reliability[self.evaluated])
        shared = shared_keys(self.stacked, self.sources, file.path)
        sidecar = reliability_sidecar(file, values, shared, self.scores.halves)
        return MapContent(values, sidecar, self.stacked.space.outside)

    def _null(self, file: PlannedFile) -> MapContent:
        """Gather a map of the null of a score."""
        null, fill = self._null_of(file), self.stacked.space.outside
        told = list(unequal_images_warning(self.stacked.images_per_condition))
        if null.smallest_p > self.rsa.alpha:
            told.append(
                f"The smallest possible p is {null.smallest_p:.3g}, above alpha "
                f"{self.rsa.alpha:g}: nothing can be significant."
            )
        shared = shared_keys(self.stacked, self.sources, file.path)
        sidecar = null_sidecar(file, null, shared, self.evaluated, told)
        values = null_values(file, null, self.evaluated)
        return MapContent(values, sidecar, outside(file) if fill == 0 else fill)

    def _null_of(self, file: PlannedFile) -> NullOfScore:
        """Find the null that a file is of."""
        settings = {key: json.loads(text) for key, text in file.settings}
        entry = find_comparison(settings["Comparison"])
        names = entry.score_names([model.name for model in scored(self.models)])
        return self.scores.nulls[entry.name][names.index(settings["Model"]["Name"])]

    def _scores(self, file: PlannedFile) -> MapContent:
        """Gather the scores of a model."""
        entry, own = find_comparison(file.comparison), scored(self.models)
        row = entry.score_names([model.name for model in own]).index(file.model)
        values = self.scores.scores[file.comparison][row, self.evaluated]
        fitted = in_fit(self.models, joint=True) if entry.joint else [own[row]]
        source = "" if entry.pooled else own[row].path
        sidecar = map_sidecar(
            file, self.stacked, source, fitted, values, self.n_voxels, self.sources
        )
        return MapContent(values.astype(np.float32), sidecar, self.stacked.space.outside)

    def _patches(self, file: PlannedFile) -> MapContent:
        """Gather what is known of the patches: areas, shrinkage, numbers of voxels, or the mask."""
        fill, values = self.stacked.space.outside, self.n_voxels.astype(np.int32)
        if is_area(file) and self.scores.areas is not None:
            values = self._evaluated(self.scores.areas).astype(np.float32)
        elif is_shrinkage(file):
            values = self._evaluated(self.scores.shrinkage).astype(np.float32)
        else:
            fill = 0.0
            if file.is_mask:
                values = np.ones(self.n_voxels.size, np.uint8)
        return MapContent(
            values, mask_sidecar(file, self.stacked, self.n_voxels, self.sources), fill
        )
