"""Details of the comparison with models, as sentences of the methods text."""

from collections.abc import Iterator, Sequence

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.reports.sidecar_values import Sidecar, distinct, joined

WHITENED = [name for name, entry in COMPARISONS.items() if entry.whitened]


def comparison_details(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say what else went into the comparison, and which pairs of conditions were left out."""
    nuisance = dict.fromkeys(str(n) for names in distinct(maps, "NuisanceModels") for n in names)
    if nuisance:
        one = len(nuisance) == 1
        yield (
            f"{joined(list(nuisance))} {'was' if one else 'were'} included in the joint fits as "
            f"{'a model' if one else 'models'} of no interest."
        )
    if any(distinct(maps, "Standardize")):
        yield "The RDM and the models were z-scored before the fit."
    yield from _covariances(maps)
    for table in distinct(maps, "ExcludedCells"):
        yield f"Pairs of conditions marked in {table['File']} were left out."
    if "run" in distinct(maps, "ExcludeWithin"):
        yield "Pairs of conditions whose images all came from the same single run were left out."


def _covariances(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say which covariance of the condition estimates whitened comparisons used."""
    whitened = [one for one in maps if one.get("Comparison") in WHITENED]
    for value in dict.fromkeys(str(one.get("ConditionCovariance", "none")) for one in whitened):
        if value == "none":
            where = "that of independent and equally noisy conditions"
        elif value == "design":
            where = "computed from the design matrices of the runs"
        else:
            where = "read from a table"
        yield f"For whitening, the covariance of the condition estimates was {where}."
