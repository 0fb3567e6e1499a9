"""The table of comparisons: one entry says all that the program knows about a comparison.

Light to import, for ``--help``: what computes scores is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from bids_rsa.core.comparison.fit import Fit, Terms

DEFAULT_COMPARISON = "spearman"
# what a score of all models together is called, in place of a model's name
ALL_MODELS = "allmodels"
# what compares the RDMs of two halves of the data: where ranks are compared, and elsewhere
RELIABILITY_OF_RANKS = "rho-a"
RELIABILITY_OF_VALUES = "pearson"
ScaleKind = Literal["symmetric", "positive", "share"]
Pool = Literal["unit ranks", "ranks again", "mean ranks", "centred", "scaled"]


class MakeTerms(Protocol):
    """Precompute what a comparison needs of its models."""

    def __call__(self, fit: Fit) -> Terms:
        """Take models that use the same cells."""


def _no_step(n_cells: int) -> float:
    """Scores are continuous."""
    return 0.0


def _rank_step(n_cells: int) -> float:
    """Two cells whose ranks differ by 1 change places in a sum of rank products."""
    return 12.0 / (n_cells**3 - n_cells)


def _concordance_step(n_cells: int) -> float:
    """One pair of cells turns from discordant to concordant."""
    return 4.0 / (n_cells * (n_cells - 1))


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


def _terms(builder: str, module: str = "terms") -> MakeTerms:
    """Return a builder of a module beside this one, which compiles kernels, unimported."""

    def make_terms(fit: Fit) -> Terms:
        made: Terms = getattr(import_module(f"bids_rsa.core.comparison.{module}"), builder)(fit)
        return made

    return make_terms


COMPARISONS: dict[str, Comparison] = {
    entry.name: entry
    for entry in (
        Comparison(
            "spearman",
            "spearman",
            "Spearman's rank correlation",
            "Spearman's rho",
            _terms("correlation_terms"),
            ranked=True,
            transform="fisher",
            score_step=_rank_step,
            ceiling="mean of centred ranks of unit norm, not ranked again",
            pool="unit ranks",
        ),
        Comparison(
            "pearson",
            "pearson",
            "Pearson's correlation",
            "Pearson's r",
            _terms("correlation_terms"),
            transform="fisher",
            ceiling="mean of z-scored RDMs",
            pool="centred",
        ),
        Comparison(
            "kendall-tau-a",
            "kendalltaua",
            "Kendall's tau-a",
            "Kendall's tau-a",
            _terms("concordance_terms"),
            ranked=True,
            score_step=_concordance_step,
            ceiling="mean of ranks, ranked again: an approximation of the highest tau",
            pool="mean ranks",
        ),
        Comparison(
            "partial",
            "partial",
            "partial correlation given all other models",
            "partial correlation",
            _terms("partial_terms", "joint_terms"),
            joint=True,
            min_models=2,
            transform="fisher",
        ),
        Comparison(
            "partial-spearman",
            "partialspearman",
            "partial rank correlation given all other models",
            "partial rank correlation",
            _terms("partial_terms", "joint_terms"),
            ranked=True,
            joint=True,
            min_models=2,
            transform="fisher",
            score_step=_rank_step,
        ),
        Comparison(
            "regression",
            "regression",
            "least-squares weight beside all other models",
            "regression weight",
            _terms("regression_terms", "joint_terms"),
            joint=True,
            weights=True,
            linear=True,
        ),
        Comparison(
            "rho-a",
            "rhoa",
            "Spearman's rho expected under random breaking of ties",
            "rho-a",
            _terms("expected_rank_correlation_terms"),
            ranked=True,
            transform="fisher",
            score_step=_rank_step,
            ceiling="mean of ranks, ranked again",
            pool="ranks again",
            reference="schutt2023",
        ),
        Comparison(
            "kendall-tau-b",
            "kendalltaub",
            "Kendall's tau-b",
            "Kendall's tau-b",
            _terms("tie_corrected_concordance_terms"),
            ranked=True,
            score_step=_concordance_step,
            ceiling="mean of ranks, ranked again: an approximation of the highest tau",
            pool="mean ranks",
        ),
        Comparison(
            "cosine",
            "cosine",
            "cosine similarity",
            "cosine",
            _terms("cosine_terms"),
            ceiling="mean of RDMs of unit norm",
        ),
        Comparison(
            "whitened-cosine",
            "whitenedcosine",
            "cosine similarity whitened by the covariance of the cells",
            "whitened cosine",
            _terms("whitened_terms"),
            whitened=True,
            ceiling="mean of RDMs of unit whitened norm",
            reference="diedrichsen2021",
        ),
        Comparison(
            "whitened-pearson",
            "whitenedpearson",
            "Pearson's correlation whitened by the covariance of the cells",
            "whitened r",
            _terms("whitened_correlation_terms"),
            transform="fisher",
            whitened=True,
            ceiling="mean of centred RDMs of unit whitened norm",
            pool="centred",
            reference="diedrichsen2021",
        ),
        Comparison(
            "regression-nonneg",
            "regressionnonneg",
            "least-squares weight, not below 0, beside all other models",
            "regression weight",
            _terms("nonnegative_regression_terms", "joint_terms"),
            joint=True,
            weights=True,
            scale="positive",
        ),
        Comparison(
            "r2",
            "r2",
            "share of variance that all models explain together",
            "variance explained",
            _terms("explained_terms", "joint_terms"),
            joint=True,
            pooled=True,
            scale="share",
        ),
        Comparison(
            "unique-variance",
            "uniquevariance",
            "share of variance that only this model explains",
            "unique variance",
            _terms("unique_variance_terms", "joint_terms"),
            joint=True,
            scale="positive",
        ),
    )
}


def find_comparison(name: str) -> Comparison:
    """Look a comparison up.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    try:
        return COMPARISONS[name]
    except KeyError:
        known = ", ".join(COMPARISONS)
        raise ValueError(f"unknown comparison '{name}'; known: {known}") from None


def single_model_comparisons(n: int | None = None) -> list[str]:
    """Name the (first n) comparisons that take each model by itself."""
    return [entry.name for entry in COMPARISONS.values() if not entry.joint][:n]
