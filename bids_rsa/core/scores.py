"""Scores of model RDMs: the measures that a searchlight takes, and what it found."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.condition_null import ConditionNull, NullOfScore
from bids_rsa.core.measures import Measure, ModelScores

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModelMeasures:
    """The scores of models, and their null if conditions are permuted: measures of the same RDMs.

    Attributes
    ----------
    model_scores : ModelScores
    null : ConditionNull or None
        Of the same models.
    """

    model_scores: ModelScores
    null: ConditionNull | None = None

    def __iter__(self) -> Iterator[Measure]:
        """Yield the measures; the null first, which stores ranks that the scores then use."""
        if self.null is not None:
            yield self.null
        yield self.model_scores

    @property
    def scores(self) -> dict[str, Floats]:
        """The scores (n_scores, n_centers) of each comparison."""
        return self.model_scores.scores

    def nulls(self) -> dict[str, tuple[NullOfScore, ...]]:
        """For each comparison, the null of each score; empty without permutations."""
        return {} if self.null is None else self.null.results()


@dataclass(frozen=True)
class Scores:
    """What a searchlight found.

    Attributes
    ----------
    scores : dict of str to (n_models, n_centers) float64
        For each comparison; NaN where undefined. Centres in the order of
        ``np.argwhere(center_mask)``.
    n_voxels : (n_centers,) int32
        Patch sizes.
    shrinkage : (n_centers,) float64 or None
        Shrinkage of the noise covariance, NaN where undefined; None without noise normalisation.
    nulls : dict of str to tuple of NullOfScore
        For each comparison, the null of each score; empty without permutations of conditions.
    reliability : (n_centers,) float64 or None
        Agreement of the RDMs of two halves, if requested.
    halves : tuple of str
        The runs of each half.
    areas : (n_centers,) float64 or None
        Area of each patch in mm2, on surfaces.
    """

    scores: dict[str, Floats]
    n_voxels: NDArray[np.int32]
    shrinkage: Floats | None = None
    nulls: dict[str, tuple[NullOfScore, ...]] = field(default_factory=dict)
    reliability: Floats | None = None
    halves: tuple[str, ...] = ()
    areas: Floats | None = None
