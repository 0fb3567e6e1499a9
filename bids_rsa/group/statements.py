"""What every output of the group level says about what it means."""

from collections.abc import Sequence
from dataclasses import dataclass

from bids_rsa.core.inference.group_maps import PRIMARY_MAPS
from bids_rsa.group.records import GroupTest


@dataclass(frozen=True)
class Tried:
    """How many things were tried: in this call, and what is in the output folder."""

    models: tuple[str, ...]
    comparisons: tuple[str, ...]
    tails: tuple[str, ...]
    n_tests: int
    n_models_there: int
    n_comparisons_there: int

    def sentence(self) -> str:
        """Say it."""
        return (
            f"The analysis comprises {_count(self.n_tests, 'test')}: "
            f"{_count(len(self.models), 'model')} ({', '.join(self.models)}), "
            f"{_count(len(self.comparisons), 'comparison')} ({', '.join(self.comparisons)}), "
            f"{_count(len(self.tails), 'tail')} ({', '.join(self.tails)}). The output folder "
            f"contains maps of {_count(self.n_models_there, 'model')} and "
            f"{_count(self.n_comparisons_there, 'comparison')}."
        )


def _count(n: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{n} {noun}{'s' * (n != 1)}"


def count_tried(tests: Sequence[GroupTest], models_there: int, comparisons_there: int) -> Tried:
    """Count what the tests of a call try."""
    sides = {side for test in tests for side in _sides(test.tail)}
    return Tried(
        models=tuple(sorted({name for test in tests for name in test.models})),
        comparisons=tuple(sorted({test.key.comparison for test in tests})),
        tails=tuple(sorted(sides)),
        n_tests=len(tests),
        n_models_there=models_there,
        n_comparisons_there=comparisons_there,
    )


def _sides(tail: str) -> tuple[str, ...]:
    """List the sides of 0 that a tail looks at."""
    return ("greater", "less") if tail == "two-sided" else (tail,)


def interpretation(test: GroupTest) -> str:
    """Say what a significant centre means, and what it does not."""
    radius = test.metadata.get("SearchlightRadius")
    reach = f"up to one radius ({radius:g} mm) away" if radius else "up to one radius away"
    over = "participants, not over conditions"
    if test.settings.uses_null_maps:
        over = "conditions of this kind, not over participants"
    return (
        f"Inference generalises over {over}. A significant centre indicates that its patch, "
        f"{reach}, contains information; it does not indicate that the centre itself does."
    )


# how each map of p is corrected
CORRECTIONS = {
    "p": "none",
    "tFWEp": "family-wise error, maximum of the statistic",
    "tfceFWEp": "family-wise error, maximum of TFCE",
    "clusterSizeFWEp": "family-wise error, maximum cluster size",
    "clusterMassFWEp": "family-wise error, maximum cluster mass",
    "clusterSizep": "none",
    "clusterSizefdrq": "false discovery rate over clusters (Benjamini and Hochberg)",
    "fdrq": "false discovery rate (Benjamini and Hochberg)",
}
ASSUMPTIONS = {
    "flip": (
        "Sign flips assume that, without an effect, scores (or differences) are symmetric about 0. "
        "Unequal repeats, missing runs or a design related to the model violate this assumption, "
        "and the test cannot detect it."
    ),
    "conditions": (
        "Permuted models assume that, without an effect, conditions are exchangeable. Unequal "
        "repeats violate this assumption. All participants have the same permutation in a draw. "
        "The inference is over conditions, not over participants."
    ),
    "stelzer": (
        "Permuted models assume that, without an effect, conditions are exchangeable. Unequal "
        "repeats violate this assumption. Null maps are drawn independently for each "
        "participant, so what all participants share through the same conditions is not "
        "preserved. The inference is over conditions, not over participants."
    ),
    "permute": (
        "Permutations assume that, without an effect, the participants' residuals are exchangeable."
    ),
}


def assumption(test: GroupTest) -> str:
    """Say what the relabelings assume."""
    if test.settings.uses_null_maps:
        return ASSUMPTIONS[test.settings.null]
    return ASSUMPTIONS["flip" if test.kind in ("one-sample", "paired") else "permute"]


def correction_sentence(test: GroupTest, n_joint: int) -> str:
    """Say how the primary method corrects."""
    over = (
        f"over the {test.words[1]} of all {n_joint} maps of this call"
        if n_joint > 1
        else f"over {test.words[1]}"
    )
    if test.settings.primary == "fdr":
        over = f"over the {test.words[1]} of this map"
    if test.settings.primary == "cluster-fdr":
        over = f"clusters of {test.words[1]} with p < {test.settings.cluster_p:g}"
    return f"{CORRECTIONS[PRIMARY_MAPS[test.settings.primary]]}, {over}"
