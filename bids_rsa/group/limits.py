"""What limits a group test: how small its corrected p can be, and what a reader must know."""

import math
from typing import cast

import numpy as np

from bids_rsa.core.inference.design import Design
from bids_rsa.core.inference.relabel import (
    Relabelings,
    draw_relabelings,
    n_distinct,
    smallest_p,
    smallest_possible_p,
)
from bids_rsa.group.designs import design_of
from bids_rsa.group.load import narrowed
from bids_rsa.group.null_maps import find_draws
from bids_rsa.group.places import space_of_test
from bids_rsa.group.records import GroupTest
from bids_rsa.spaces.grayordinates import GrayordinateSpace

# they need neighbours, and are corrected in each part of the grayordinates separately
PRIMARY_BY_PART = ("tfce", "cluster-mass", "cluster-size")


def parts_tested(test: GroupTest) -> int:
    """Count the parts, cortex and voxels below it, in which the maps of a test have centres."""
    if test.form != "grayordinates":
        return 1
    space = cast(GrayordinateSpace, space_of_test(test))
    first = test.members[0].maps[0][0]
    inside = narrowed(space.load_mask(first.mask_paths, "mask of centres").inside, test, space)
    on_cortex = space.grayordinates.vertices >= 0
    return max(1, int(np.any(inside & on_cortex)) + int(np.any(inside & ~on_cortex)))


def corrections(test: GroupTest, n_parts: int) -> int:
    """Give the number that the primary method's corrected p is multiplied by."""
    return n_parts if test.settings.primary in PRIMARY_BY_PART else 1


def warnings_of(test: GroupTest, n_parts: int) -> tuple[str, ...]:
    """List what a reader must know about the test's limits, and the participants' own warnings.

    ``n_parts``: the parts that are corrected separately, see `parts_tested`.
    """
    factor = corrections(test, n_parts)
    if test.settings.uses_null_maps:
        limits = _limits_of_conditions(test, factor) if test.settings.null == "conditions" else []
        return (*limits, *test.notes, *_participants_warnings(test))
    told = []
    group, design = test.settings, design_of(test)
    relabelings = draw_relabelings(design, group.n_permutations, group.random_seed)
    smallest = smallest_p(design, relabelings, test.two_sided)
    if factor * smallest > group.alpha:
        told.append(_what_limits(test, design, relabelings, smallest, factor))
    if len(test.members) < 6:
        told.append(f"{len(test.members)} participants are few for a test across participants.")
    if test.kind == "one-sample" and test.tail != "greater":
        told.append(
            f"--tail {test.tail} on scores against 0: without an effect the scores of a "
            "categorical model are skewed, and sign flips then give too many false positives "
            "(family-wise error rates up to .3 instead of .05 in simulations). Use --null "
            "conditions."
        )
    return (*told, *test.notes, *_participants_warnings(test))


def _nothing_can_be(test: GroupTest, smallest: float, factor: int) -> str:
    """Say that the smallest p is above alpha, alone or after the correction for the parts."""
    group = test.settings
    if factor == 1:
        return (
            f"The smallest possible p is {smallest:.3g}, above alpha {group.alpha:g}: nothing can "
            "be significant."
        )
    hint = "; --primary maxt does not" * (smallest <= group.alpha)
    return (
        f"The smallest possible corrected p is {min(1.0, factor * smallest):.3g}, above alpha "
        f"{group.alpha:g}: nothing can be significant. It is {factor} times the smallest p, "
        f"{smallest:.3g}, because --primary {group.primary} corrects the cortex and the voxels "
        f"below it separately{hint}."
    )


def _limits_of_conditions(test: GroupTest, factor: int) -> list[str]:
    """Say when permuted conditions cannot give a p of alpha, and what limits it."""
    draws, alpha = find_draws(test), test.settings.alpha
    if factor * draws.smallest_p <= alpha:
        return []
    few = factor / draws.n_distinct > alpha
    limit = (
        f"The model has {draws.n_distinct} distinct relabelings of its conditions"
        if few
        else f"{draws.n_draws} null maps were kept; at least {_draws_needed(alpha, factor)} "
        "are needed"
    )
    return [f"{_nothing_can_be(test, draws.smallest_p, factor)} {limit}."]


def _draws_needed(alpha: float, factor: int) -> int:
    """Count the random draws that a corrected p of alpha takes."""
    return math.ceil(factor / alpha - 1e-9) - 1


def _what_limits(
    test: GroupTest, design: Design, draws: Relabelings, smallest: float, factor: int
) -> str:
    """Say whether the participants or the draws keep p above alpha, and how many would do."""
    n, alpha, kind = len(test.members), test.settings.alpha, draws.exchange
    what = "sign flips" if kind == "flip" else "distinct permutations"
    told = f"{_nothing_can_be(test, smallest, factor)} "
    sides = 2 if test.two_sided else 1
    if not draws.exhaustive and factor * smallest_possible_p(design, test.two_sided) <= alpha:
        needed = _draws_needed(alpha, factor)
        return f"{told}{draws.n_draws} permutations limit it: at least {needed} are needed."
    told += f"The {n} participants limit it: they have {n_distinct(design)} {what}."
    if kind == "flip":
        needed = math.ceil(math.log2(sides * factor / alpha) - 1e-9)
        told += f" At least {needed} participants are needed."
    n_conditions = len(test.metadata.get("Conditions", ()))
    orders = math.factorial(min(n_conditions, 20))
    if n_conditions and factor / orders > alpha:
        told += (
            f" {n_conditions} conditions have {orders} orders, so that permuting conditions "
            f"could not reach alpha either (smallest p {factor / orders:.3g})."
        )
    return told


def _participants_warnings(test: GroupTest) -> list[str]:
    """Count the participants whose maps carry a warning."""
    whose: dict[str, set[str]] = {}
    for member in test.members:
        for half in (half for one in member.all_maps for half in one.halves):
            for text in half.metadata.get("Warnings", []):
                whose.setdefault(str(text), set()).add(member.subject)
    n = len(test.members)
    return [f"{len(who)} of {n} participants: {text}" for text, who in whose.items()]
