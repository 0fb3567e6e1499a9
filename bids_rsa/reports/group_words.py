"""What a group test is, in the words of a picture's title."""

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.group.records import GroupTest
from bids_rsa.group.statements import correction_sentence
from bids_rsa.group.tests import GroupResult


def headline(test: GroupTest) -> str:
    """Say what is tested, on how many participants, and of which maps."""
    n, score = len(test.members), find_comparison(test.key.comparison).title
    model = test.models[0]
    if test.kind == "paired":
        what = f"Models {model} minus {test.models[1]}: {score}, paired test of {n} participants"
    elif test.kind == "groups":
        a, b = (f"{name} (n = {test.group_of.count(name)})" for name in test.groups)
        what = f"Model {model}: {score}, {a} minus {b}"
    elif test.kind == "slope":
        what = f"Model {model}: {score}, slope on {test.tested[0][0]} over {n} participants"
    else:
        what = f"Model {model}: {score}, one-sample test of {n} participants"
    key = test.key
    pairs = (
        ("session", key.session),
        ("task", key.task),
        ("acquisition", key.acquisition),
        ("space", key.space),
        ("resolution", key.resolution),
    )
    return ", ".join([what, *(f"{name} {value}" for name, value in pairs if value)])


def score_label(test: GroupTest) -> str:
    """Name the scores that are tested, for an axis."""
    unit = find_comparison(test.key.comparison).unit
    if test.transform == "fisher":
        unit = f"Fisher's z of {unit}"
    return f"difference of {unit}" if test.kind == "paired" else unit


def found_sentence(test: GroupTest, result: GroupResult, n_joint: int) -> str:
    """Say how much is significant, and by what."""
    n, clusters = result.found["VoxelsSignificant"], len(result.clusters)
    by = f"{correction_sentence(test, n_joint)}, alpha {test.settings.alpha:g}"
    if not n:
        return f"No {test.words[0]} is significant ({by})."
    return (
        f"{n} {test.words[n != 1]} in {clusters} cluster{'s' * (clusters != 1)} "
        f"{'is' if n == 1 else 'are'} significant ({by})."
    )
