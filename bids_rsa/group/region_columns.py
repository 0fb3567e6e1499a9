"""The columns of the tables of regions across participants, described by what was done."""

from __future__ import annotations

from bids_rsa.group.region_people import RegionPeople
from bids_rsa.settings import GroupSettings

_REGION = {
    "index": "Index of the region, as in the first participant's table",
    "name": "Name of the region",
}
_CORRECTED = {
    "p_fwe": "p corrected for the family-wise error by the maximum over the family",
    "q_fdr": "Benjamini and Hochberg's adjusted p, over the same family",
}
_TAILS = {
    "greater": "One-sided p (greater)",
    "less": "One-sided p (less)",
    "two-sided": "Two-sided p",
}
LONG = {
    "participant_id": "Participant",
    **_REGION,
    "comparison": "How RDM and model were compared",
    "model": "Name of the model",
    "score": "Score; n/a where the participant has none",
    "transformed": "The score as it is tested",
}
_CEILING = {
    "ceiling_lower": "Lower noise ceiling: mean similarity of a participant's RDM with the mean "
    "RDM of the others",
    "ceiling_upper": "Upper noise ceiling: the same with the mean RDM of all",
    "p_ceiling": "Two-sided p, by sign flips, of the model's scores against each participant's "
    "share in the lower ceiling",
}


def score_columns(people: RegionPeople, settings: GroupSettings) -> dict[str, str]:
    """Describe the columns of the table of scores."""
    return {
        **_REGION,
        "model": "Name of the model",
        "n": "Participants with a score",
        "mean": "Mean score",
        "sd": "Standard deviation of the scores",
        "se": "Standard error of the mean score",
        **_tested(people, settings, "transformed scores", tail_of(people, settings)),
        **_CEILING,
    }


def difference_columns(people: RegionPeople, settings: GroupSettings) -> dict[str, str]:
    """Describe the columns of the table of differences between models."""
    return {
        **_REGION,
        "model_1": "First model",
        "model_2": "Second model, whose score is subtracted",
        "n": "Participants with both scores",
        "mean": "Mean difference of the scores",
        "sd": "Standard deviation of the differences",
        "se": "Standard error of the mean difference",
        **_tested(people, settings, "differences of transformed scores", "two-sided"),
    }


def tail_of(people: RegionPeople, settings: GroupSettings) -> str:
    """Name the tail of the test of scores."""
    return settings.tail or ("two-sided" if people.is_two_sided else "greater")


def _tested(
    people: RegionPeople, settings: GroupSettings, of_what: str, tail: str
) -> dict[str, str]:
    """Describe what a test found."""
    return {
        "t": _t(people, of_what),
        "df": _df(people),
        "p": f"{_TAILS[tail]}; under the null hypothesis, {_relabeled(people, settings)}",
        **_CORRECTED,
        "d": _d(people, of_what),
    }


def _t(people: RegionPeople, of_what: str) -> str:
    """Say which t it is."""
    names = ", ".join(name for name, _ in people.covariates)
    adjusted = f", adjusted for {names}" if names else ""
    if people.groups:
        first, second = people.groups
        which = "Pooled t" if names else "Welch's t"
        return f"{which} of the {of_what}, {first} minus {second}{adjusted}"
    if people.tested:
        return f"t of the slope of the {of_what} on {people.tested[0][0]}{adjusted}"
    return f"Student's t of the {of_what} against 0{adjusted}"


def _df(people: RegionPeople) -> str:
    """Say which degrees of freedom they are."""
    if people.groups and not people.covariates:
        return "Welch and Satterthwaite's degrees of freedom"
    return "Degrees of freedom of t"


def _relabeled(people: RegionPeople, settings: GroupSettings) -> str:
    """Say what is permuted or flipped."""
    if settings.null == "conditions":
        return "the conditions of the models are permuted"
    return people.null


def _d(people: RegionPeople, of_what: str) -> str:
    """Say which effect size it is."""
    if people.tested:
        return "n/a: Cohen's d is not defined for a slope"
    if people.groups:
        return f"Cohen's d of the {of_what}, {people.groups[0]} minus {people.groups[1]}"
    return f"Cohen's d of the {of_what}"
