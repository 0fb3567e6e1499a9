"""What the methods text says about group tests of regions, and about noise ceilings."""

from collections.abc import Iterator, Sequence

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.reports.group_methods import TAILS
from bids_rsa.reports.sidecar_values import Sidecar, distinct, joined, number

# of the sidecars' Null: all relabelings, and random ones
NULLS = {
    "signs of participants' scores are flipped": "sign flips [@nichols2002]",
    "participants are permuted": "permutations of the participants [@nichols2002]",
    "permuted conditions": "permutations of the conditions, the same in all participants",
}


def region_test_paragraphs(tests: Sequence[Sidecar]) -> list[str]:
    """Write a paragraph for all tests of regions that were done in the same way.

    Parameters
    ----------
    tests : sequence of dict
        The sidecar of each table of tests: one for each set of regions and comparison.

    Returns
    -------
    list of str
    """
    alike: dict[tuple[str, ...], list[Sidecar]] = {}
    for test in tests:
        alike.setdefault(tuple(_sentences(test)), []).append(test)
    return [" ".join([_tested(some), *sentences]) for sentences, some in alike.items()]


def _tested(tests: Sequence[Sidecar]) -> str:
    """Say which scores were tested, in which regions, and on whom."""
    comparisons = joined([str(name) for name in distinct(tests, "Comparison")])
    sets = joined([str(name) for name in distinct(tests, "Regions")])
    n = " or ".join(dict.fromkeys(str(len(test["Participants"])) for test in tests))
    what = joined([str(words) for words in distinct(tests, "Test")])
    return (
        f"At the group level, the {comparisons} scores of the regions ({sets}) were tested across "
        f"{n} participants ({what})."
    )


def _sentences(test: Sidecar) -> Iterator[str]:
    """Say how the regions of a table were tested."""
    how = NULLS.get(str(test.get("Null")), str(test.get("Null")))
    most, seed = number(test["Permutations"]), number(test["RandomSeed"])
    if test.get("RelabelingsExhaustive"):
        yield f"The null distribution was based on all {how}."
    elif test.get("Null") == "permuted conditions":
        yield f"The null distribution was based on {how}."
    else:
        yield f"The null distribution was based on {most} random {how} (random seed {seed})."
    family = str(test.get("FWEOver", "regions"))
    yield (
        f"p values ({TAILS.get(str(test.get('Tail')), '')}) were corrected for family-wise error "
        f"using the maximum over {family}, and for the false discovery rate [@benjamini1995]; the "
        f"significance level was {number(test['Alpha'])}."
    )


def ceiling_sentences(sidecars: Sequence[Sidecar]) -> Iterator[str]:
    """Say how noise ceilings were estimated.

    Parameters
    ----------
    sidecars : sequence of dict
        Of maps of ceilings, and of tables of regions.
    """
    known = [one for one in sidecars if one.get("CeilingDefinition", "none") != "none"]
    names = [name for name in distinct(known, "Comparison") if name in COMPARISONS]
    if not names:
        return
    yield (
        "Noise ceilings were estimated as the mean similarity of each participant's RDM to the "
        "mean RDM of all participants (upper ceiling) and of the other participants (lower "
        "ceiling) [@nili2014]."
    )
    averaged = [f"{COMPARISONS[name].ceiling} ({name})" for name in names]
    yield (
        "Similarity was measured as for the models, and RDMs were averaged as follows: "
        f"{'; '.join(averaged)}."
    )
