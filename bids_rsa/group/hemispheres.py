"""Participants' maps of the left and of the right hemisphere become one."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.errors import InputError
from bids_rsa.group.participant_maps import MapKey, ParticipantMap

Halves = dict[tuple[str, MapKey, str], dict[str, ParticipantMap]]


def join_maps(
    maps: Sequence[ParticipantMap], is_wanted: Callable[[str], bool]
) -> list[ParticipantMap]:
    """Join the maps of both hemispheres, whether one call has written them or two.

    Parameters
    ----------
    maps : sequence of ParticipantMap
    is_wanted : callable
        Tells by the label whether a participant is tested; others may lack a hemisphere.

    Returns
    -------
    list of ParticipantMap
        Maps of one hemisphere keep their ``hemi-`` where no one has the other one.

    Raises
    ------
    InputError
        Participants with maps of one hemisphere, where there are maps of the other.
    """
    halves: Halves = {}
    joined = []
    for one in maps:
        side = dict(one.key.others).get("hemi")
        if one.form != "surface" or side is None:
            joined.append(one)
        else:
            halves.setdefault((one.subject, _both(one.key), one.model), {})[side] = one
    refuse_alone(
        {
            (subject, (key, model)): {side: one.path for side, one in found.items()}
            for (subject, key, model), found in halves.items()
            if is_wanted(subject)
        },
        "maps",
    )
    for (_, key, _), found in halves.items():
        if len(found) < 2:
            joined += found.values()
            continue
        left, right = found["L"], found["R"]
        joined.append(
            replace(
                left,
                key=key,
                right_path=right.path,
                right_mask_path=right.mask_path,
                right_metadata=right.metadata,
            )
        )
    return joined


def refuse_alone(halves: Mapping[tuple[str, Hashable], Mapping[str, str]], what: str) -> None:
    """Refuse participants who have one hemisphere where others have the other one.

    Parameters
    ----------
    halves : mapping
        The file of each hemisphere, by participant and whatever must be equal in both.
    what : str
        What the files are.
    """
    sides: dict[Hashable, set[str]] = {}
    for (_, key), found in halves.items():
        sides.setdefault(key, set()).update(found)
    alone = [
        f"sub-{subject}: {Path(path).name} has no hemi-{'R' if side == 'L' else 'L'} next to it."
        for (subject, key), found in halves.items()
        if len(found) == 1 and len(sides[key]) == 2
        for side, path in found.items()
    ]
    if alone:
        raise InputError(
            f"Both hemispheres are tested together, and some participants have {what} of one only:"
            "\n  " + "\n  ".join(alone),
            "Run the participant level for the other hemisphere, leave the participants out with "
            "--exclude-participant-label, or test one hemisphere with --bids-filter-file and "
            '{"statmap": {"hemi": "L"}}.',
        )


def _both(key: MapKey) -> MapKey:
    """Leave the hemisphere out."""
    return replace(key, others=tuple(pair for pair in key.others if pair[0] != "hemi"))
