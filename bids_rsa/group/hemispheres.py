"""Participants' maps of the left and of the right hemisphere become one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.group.records import MapKey, ParticipantMap


def join_maps(
    maps: Sequence[ParticipantMap],
) -> tuple[list[ParticipantMap], list[tuple[ParticipantMap, str]]]:
    """Join the maps of both hemispheres.

    Returns
    -------
    joined : list of ParticipantMap
        Maps of one hemisphere keep their ``hemi-`` where nobody has the other one.
    alone : list of (ParticipantMap, str)
        Maps of one hemisphere where others are of both, and what they lack.
    """
    halves: dict[tuple[str, MapKey, str], dict[str, ParticipantMap]] = {}
    joined = []
    for one in maps:
        side = dict(one.key.others).get("hemi")
        if one.form != "surface" or side is None:
            joined.append(one)
        else:
            halves.setdefault((one.subject, _both(one.key), one.model), {})[side] = one
    in_two = {key for (_, key, _), found in halves.items() if len(found) == 2}
    alone = []
    for (_, key, _), found in halves.items():
        if len(found) == 2:
            left, right = found["L"], found["R"]
            joined.append(
                replace(left, key=key, right_path=right.path, right_mask_path=right.mask_path)
            )
            continue
        ((side, one),) = found.items()
        joined.append(one)
        if key in in_two:
            other = "R" if side == "L" else "L"
            alone.append((one, f"{Path(one.path).name} has no hemi-{other} beside it."))
    return joined, alone


def _both(key: MapKey) -> MapKey:
    """Leave the hemisphere out."""
    return replace(key, others=tuple(pair for pair in key.others if pair[0] != "hemi"))
