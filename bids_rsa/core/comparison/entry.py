"""An entry of the table of comparisons: all that the program knows about a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from bids_rsa.core.comparison.fit import Fit, Terms

# what a score of all models together is called, in place of a model's name
ALL_MODELS = "allmodels"
ScaleKind = Literal["symmetric", "positive", "share"]
Pool = Literal["unit ranks", "ranks again", "mean ranks", "centred", "scaled"]


class MakeTerms(Protocol):
    """Precompute what a comparison needs of its models."""

    def __call__(self, fit: Fit) -> Terms:
        """Take models that use the same cells."""


def _no_step(n_cells: int) -> float:
    """Scores are continuous."""
    return 0.0


@dataclass(frozen=True)
class Comparison:
    """One way to compare a data RDM with model RDMs.

    Attributes
    ----------
    name : str
        As on the command line.
    label : str
        Letters and digits only, for file names.
    title : str
        What a score is, in words.
    unit : str
        What a score is, in short: the label of a colour bar or an axis.
    make_terms : callable
        Precomputes what the comparison needs of its models.
    ranked : bool
        The data's cells enter as average ranks (near-ties are ties).
    joint : bool
        All models enter one fit; their NaN cells are left out jointly.
    min_models : int
        Fewest models that it makes sense with.
    weights : bool
        Scores are weights of models in the unit of the RDM: they grow with it, and are not unique
        where models are linearly dependent.
    linear : bool
        Scores are linear in the cells of the RDM (unless it is standardized): where the cells
        are 0 on average, so is the score.
    transform : {'fisher', 'none'}
        What the group level does to scores first: Fisher's z is for correlations.
    score_step : callable
        Smallest step between two scores of a number of cells without ties; 0: continuous. The
        group level takes no spread over subjects to be below half of it.
    scale : {'symmetric', 'positive', 'share'}
        Colours of a map: symmetric about 0, from 0 to the largest score, or from 0 to 1.
    pooled : bool
        One score of all models together instead of one a model.
    whitened : bool
        Takes the covariance of the condition estimates, and needs the cells of a whole RDM.
    ceiling : str
        What is averaged over subjects for noise ceilings, in words; empty: there are none.
    pool : {'unit ranks', 'ranks again', 'mean ranks', 'centred', 'scaled'}
        The same for the program.
    reference : str
        Key of the article that a report cites for it, beside that on RSA as a whole.
    """

    name: str
    label: str
    title: str
    unit: str
    make_terms: MakeTerms = field(repr=False)
    ranked: bool = False
    joint: bool = False
    min_models: int = 1
    weights: bool = False
    linear: bool = False
    transform: Literal["fisher", "none"] = "none"
    score_step: Callable[[int], float] = field(default=_no_step, repr=False)
    scale: ScaleKind = "symmetric"
    pooled: bool = False
    whitened: bool = False
    ceiling: str = ""
    pool: Pool = "scaled"
    reference: str = ""

    def n_scores(self, n_models: int) -> int:
        """Count the scores (maps) that so many models get."""
        return min(n_models, 1) if self.pooled else n_models

    def score_names(self, models: Sequence[str]) -> tuple[str, ...]:
        """Name the score of each model, or of all of them together."""
        return (ALL_MODELS,) if self.pooled else tuple(models)
