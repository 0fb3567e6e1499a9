"""Maps of different participants that differ only in what their names leave unsaid."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bids_rsa.errors import OptionError
from bids_rsa.group.participant_maps import MapKey, ParticipantMap
from bids_rsa.settings import GroupSettings, Selection
from bids_rsa.words import few

Pair = tuple[str, str]


def refuse_split(
    maps: Sequence[ParticipantMap], group: GroupSettings, selection: Selection
) -> None:
    """Refuse maps that would be tested separately because some names lack an entity.

    Participants with and without sessions in one dataset are the usual case.

    Raises
    ------
    OptionError
        Names the entity, the participants of either kind, and how to go on.
    """
    subjects: dict[tuple[str, MapKey], set[str]] = {}
    for one in maps:
        key = replace(one.key, session=None) if group.average_sessions else one.key
        subjects.setdefault((one.model, key), set()).add(one.subject)
    for (model, key), without in subjects.items():
        for (other_model, other), having in subjects.items():
            lacking = _lacking(key, other) if model == other_model else None
            if not lacking or without & having:
                continue
            if selection.session_label and lacking[0][0] == "ses":
                continue
            told = ", ".join(f"{name}-{value}" for name, value in lacking)
            raise OptionError(
                f"The maps of {_named(having)} carry {told} in their names, and those of "
                f"{_named(without)} do not, so they would be tested separately.",
                _advice(lacking),
            )


def _pairs(key: MapKey) -> set[Pair]:
    """Return the entities of a map that are there, and its comparison."""
    return {(name, value) for name, value in (*key.pairs, ("meas", key.comparison)) if value}


def _lacking(key: MapKey, other: MapKey) -> list[Pair]:
    """Return what ``other`` has beside all that ``key`` has; empty where they differ otherwise."""
    mine, theirs = _pairs(key), _pairs(other)
    return sorted(theirs - mine) if mine < theirs else []


def _named(subjects: Iterable[str]) -> str:
    """Name the first participants, and count the others."""
    return few([f"sub-{subject}" for subject in sorted(subjects)])


def _advice(lacking: Sequence[Pair]) -> str:
    """Say how to test all together, or one kind."""
    name, value = lacking[0]
    if name == "ses":
        return (
            "--average-sessions tests all together, each participant by the mean over sessions; "
            f"--session-label none or --session-label {value} tests one kind."
        )
    return (
        f'--bids-filter-file with {{"statmap": {{"{name}": "{value}"}}}} or '
        f'{{"statmap": {{"{name}": null}}}} tests one kind; name the files alike to test all.'
    )
