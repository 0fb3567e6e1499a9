"""Participants' null maps: scores of models whose conditions were permuted, the same way in all."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.core.inference.condition_null import smallest_condition_p
from bids_rsa.core.inference.stelzer import draws_needed
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.group.participant_maps import ParticipantMap
from bids_rsa.group.records import GroupTest
from bids_rsa.outputs.derivatives import read_sidecar, without_extension
from bids_rsa.words import listing

# draws of two participants belong together only where all of these are equal
NULL_KEYS = ("Conditions", "ConditionPermutations", "RandomSeed", "Relabelings")
MAKE_THEM = "Run the participant level for them with --condition-permutations N --keep-null M."


@dataclass(frozen=True)
class NullDraws:
    """The permutations of conditions that all null maps of a test share.

    ``exhaustive`` says that the maps are those of all permutations, the identity once;
    ``n_distinct`` counts the permuted models that differ.
    """

    n_draws: int
    n_distinct: int
    exhaustive: bool

    @property
    def smallest_p(self) -> float:
        """The smallest possible p."""
        return smallest_condition_p(self.n_draws, self.n_distinct, self.exhaustive)


def find_draws(test: GroupTest) -> NullDraws:
    """Check that every map of a test has null maps of the same permutations.

    Raises
    ------
    InputError
        Null maps that are not there, or are incomplete.
    ContentError
        Null maps of other conditions, another seed or other permutations.
    """
    maps = [half for member in test.members for one in member.all_maps for half in one.halves]
    sidecars = [_sidecar(one) for one in maps]
    missing = [one for one, found in zip(maps, sidecars, strict=True) if found is None]
    if missing:
        names = listing(sorted({f"sub-{one.subject}" for one in missing}))
        raise InputError(
            f"{test.title}: --null {test.settings.null} needs the null maps of every participant, "
            f"but they are missing or incomplete for {names}, for example "
            f"{missing[0].null_path}.",
            MAKE_THEM,
        )
    read = [found for found in sidecars if found is not None]
    complaints = [text for key in NULL_KEYS if (text := _odd_ones(maps, read, key))]
    if complaints:
        raise ContentError(
            f"The null maps of {test.title} are not of the same permutations:\n  "
            + "\n  ".join(complaints),
            f"{MAKE_THEM} Use the same seed, conditions and numbers for all (--overwrite).",
        )
    # of two models the one with more relabelings bounds p
    return max(
        (_draws(test, one, own) for one, own in zip(maps, read, strict=True)),
        key=lambda draws: draws.n_distinct,
    )


def _sidecar(one: ParticipantMap) -> dict[str, Any] | None:
    """Read the sidecar of a map's null maps; None where either is missing."""
    found = read_sidecar(Path(without_extension(one.null_path) + ".json"))
    return found if all(Path(path).is_file() for path in one.null_paths) else None


def _odd_ones(
    maps: Sequence[ParticipantMap], sidecars: Sequence[dict[str, Any]], key: str
) -> str | None:
    """Name the participants whose value is not that of most."""
    values = [json.dumps(_shared(found.get(key)), sort_keys=True) for found in sidecars]
    usual, n_usual = Counter(values).most_common(1)[0]
    if n_usual == len(values):
        return None
    odd = sorted({
        f"sub-{one.subject} ({value[:120]})"
        for one, value in zip(maps, values, strict=True)
        if value != usual
    })  # fmt: skip
    return f"{key} is {usual[:120]} in {n_usual} of them, but not in {listing(odd)}."


def _shared(value: Any) -> Any:
    """Leave out of a sidecar's value what is the model's own: how many of its forms differ."""
    if not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if not key.startswith("Distinct")}


def _draws(test: GroupTest, one: ParticipantMap, sidecar: dict[str, Any]) -> NullDraws:
    """Read the numbers of relabelings from a sidecar."""
    relabelings = sidecar.get("Relabelings") or {}
    try:
        kept, distinct = int(relabelings["Kept"]), int(relabelings["Distinct"])
        exhaustive = bool(relabelings["Exhaustive"])
    except (KeyError, TypeError, ValueError):
        raise ContentError(
            f"{test.title}: the sidecar of {one.null_path} does not say in Relabelings how many "
            "relabelings are Kept and Distinct, and whether they are Exhaustive.",
            MAKE_THEM,
        ) from None
    if kept < 1 or distinct < 1:
        raise ContentError(f"{test.title}: {one.null_path} contains no relabeling.", MAKE_THEM)
    return NullDraws(kept, distinct, exhaustive)


def check_draws(test: GroupTest) -> None:
    """Check before anything runs that the null maps of a test are there, and can be used.

    Raises
    ------
    InputError, ContentError
        See `find_draws`; null maps that are too few for the cluster-forming p.
    OptionError
        Too few draws for it.
    """
    group, found = test.settings, find_draws(test)
    if group.null != "stelzer":
        return
    needed = draws_needed(group.cluster_p, test.tail)  # type: ignore[arg-type]
    if group.n_permutations < needed:
        raise OptionError(
            f"{test.title}: {group.n_permutations} draws cannot give a p of --cluster-p "
            f"{group.cluster_p:g} ({test.tail}).",
            f"Use at least --n-permutations {needed}; 100000 are recommended.",
        )
    n_combined = found.n_draws ** len(test.members)
    if n_combined <= needed:
        raise ContentError(
            f"{test.title}: {found.n_draws} null maps of each of {len(test.members)} "
            f"participants make {n_combined} group maps, too few for a p of --cluster-p "
            f"{group.cluster_p:g}.",
            "Keep more null maps at the participant level (--keep-null; 100 are recommended).",
        )
