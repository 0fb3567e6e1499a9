"""The table of comparisons.

Light to import, for ``--help``: what computes scores is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bids_rsa.core.comparison.entry import ALL_MODELS, Comparison, MakeTerms, ScaleKind

if TYPE_CHECKING:
    from bids_rsa.core.comparison.fit import Fit, Terms

__all__ = [
    "ALL_MODELS",
    "COMPARISONS",
    "DEFAULT_COMPARISON",
    "RELIABILITY_OF_RANKS",
    "RELIABILITY_OF_VALUES",
    "Comparison",
    "ScaleKind",
    "find_comparison",
    "single_model_comparisons",
]

DEFAULT_COMPARISON = "spearman"
# what compares the RDMs of two halves of the data: where ranks are compared, and elsewhere
RELIABILITY_OF_RANKS = "rho-a"
RELIABILITY_OF_VALUES = "pearson"


def _rank_step(n_cells: int) -> float:
    """Two cells whose ranks differ by 1 change places in a sum of rank products."""
    return 12.0 / (n_cells**3 - n_cells)


def _concordance_step(n_cells: int) -> float:
    """One pair of cells turns from discordant to concordant."""
    return 4.0 / (n_cells * (n_cells - 1))


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
            "least-squares weight together with all other models",
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
            "least-squares weight, not below 0, together with all other models",
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
