"""Participants' tables of regions of the left and of the right hemisphere become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bids_rsa.entities import Pairs, in_order
from bids_rsa.errors import ContentError
from bids_rsa.group.hemispheres import refuse_alone
from bids_rsa.group.region_records import RegionTables

if TYPE_CHECKING:
    import pandas as pd

Found = tuple[Pairs, RegionTables]


def join_tables(tables: Sequence[Found]) -> Iterator[Found]:
    """Join the tables of hemispheres that were analysed in two calls.

    Parameters
    ----------
    tables : sequence of (Pairs, RegionTables)
        With their entities but for the participant.

    Yields
    ------
    (Pairs, RegionTables)
        Tables of one hemisphere keep their ``hemi-`` where no one has the other one.

    Raises
    ------
    InputError
        Participants with tables of one hemisphere, where there are tables of the other.
    ContentError
        Two tables of one participant and set of regions.
    """
    halves: dict[tuple[str, Pairs], dict[str, RegionTables]] = {}
    whole: list[Found] = []
    for key, one in tables:
        side = dict(key).get("hemi")
        if side is None or "SurfaceGeometry" not in one.metadata:
            whole.append((key, one))
            continue
        both = tuple(pair for pair in key if pair[0] != "hemi")
        if (first := halves.setdefault((one.subject, both), {}).setdefault(side, one)) is not one:
            raise _twice(first, one)
    refuse_alone(
        {key: {side: one.scores for side, one in own.items()} for key, own in halves.items()},
        "tables of regions",
    )
    for (_, key), own in halves.items():
        if len(own) < 2:
            whole += [(in_order((*key, ("hemi", side))), one) for side, one in own.items()]
        else:
            whole.append((key, replace(own["L"], right=own["R"])))
    seen: dict[tuple[str, Pairs], RegionTables] = {}
    for key, one in whole:
        if (first := seen.setdefault((one.subject, key), one)) is not one:
            raise _twice(first, one)
        yield key, one


def _twice(first: RegionTables, second: RegionTables) -> ContentError:
    """Say that a participant has the same tables twice."""
    return ContentError(
        f"sub-{first.subject} exists twice: {first.scores} and {second.scores} are tables of the "
        "same regions.",
        "Remove one of the two.",
    )


def names_of_both(tables: Iterable[Sequence[pd.DataFrame]]) -> frozenset[str]:
    """Find the names that regions of both hemispheres have, in the tables of each participant."""
    sides: tuple[set[str], set[str]] = (set(), set())
    for halves in tables:
        if len(halves) == 2:
            for names, table in zip(sides, halves, strict=True):
                names.update(table["name"])
    return frozenset(sides[0] & sides[1])


def in_one_table(halves: Sequence[pd.DataFrame], of_both: frozenset[str]) -> pd.DataFrame:
    """Put the tables of both hemispheres below each other, as one call would have named regions.

    Parameters
    ----------
    halves : sequence of DataFrame
        One, which is returned as it is, or two: of the left and of the right hemisphere.
    of_both : frozenset of str
        Names that occur in both, which get the hemisphere in front. Regions of which two have the
        same index are counted from 1.
    """
    if len(halves) == 1:
        return halves[0]
    import pandas as pd

    named = [
        table.assign(name=[f"{side} {name}" if name in of_both else name for name in table["name"]])
        for side, table in zip("LR", halves, strict=True)
    ]
    joined = pd.concat(named, ignore_index=True)
    if "index" in joined:
        regions = joined.drop_duplicates("name")
        if regions["index"].duplicated().any():
            number = {name: k + 1 for k, name in enumerate(regions["name"])}
            joined["index"] = joined["name"].map(number)
    return joined
