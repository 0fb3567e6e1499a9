"""Participants' tables of regions as their files have them, those of both hemispheres as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bids_rsa.errors import ContentError, InputError
from bids_rsa.group.null_maps import MAKE_THEM, NULL_KEYS
from bids_rsa.group.region_hemispheres import in_one_table, names_of_both
from bids_rsa.group.region_records import RegionGroup
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.words import listing

DRAW = "permutation_"
_NUMBERS = ("score", "coverage", "value")


def read_scores(group: RegionGroup) -> tuple[list[pd.DataFrame], frozenset[str]]:
    """Read the scores of each member, and find the names that regions of both hemispheres have."""
    halves = [[_read(half.scores) for half in one.halves] for one in group.members]
    of_both = names_of_both(halves)
    return [in_one_table(own, of_both) for own in halves], of_both


def read_nulls(group: RegionGroup, of_both: frozenset[str]) -> tuple[list[pd.DataFrame], bool]:
    """Read the scores under permutations, which must be of the same permutations.

    Raises
    ------
    InputError
        Participants without them.
    ContentError
        Other permutations.
    """
    tables = [half for one in group.members for half in one.halves]
    sidecars = [read_sidecar(Path(one.null.removesuffix(".tsv.gz") + ".json")) for one in tables]
    pairs = list(zip(tables, sidecars, strict=True))
    missing = [one for one, found in pairs if found is None or not Path(one.null).is_file()]
    if missing:
        names = listing([one.title for one in missing])
        raise InputError(
            f"Regions {group.title}: --null conditions needs the scores under permutations of "
            f"every participant, and they are not there for {names}, for example "
            f"{missing[0].null}.",
            MAKE_THEM,
        )
    first = sidecars[0] or {}
    for one, found in pairs:
        for key in NULL_KEYS:
            if found is not None and found.get(key) != first.get(key):
                raise ContentError(
                    f"Regions {group.title}: the scores under permutations are not of the same "
                    f"permutations: {key} is {first.get(key)} for {tables[0].title} "
                    f"and {found.get(key)} for {one.title}.",
                    f"{MAKE_THEM} Use the same seed, conditions and numbers for all (--overwrite).",
                )
    found_tables = [
        in_one_table([_read(half.null) for half in one.halves], of_both) for one in group.members
    ]
    return found_tables, bool(first["Relabelings"]["Exhaustive"])


def _read(path: str) -> pd.DataFrame:
    """Read a table; a region may be called NA.

    Raises
    ------
    ContentError
        No table, or a text where a number is expected.
    """
    types = {"name": str, "comparison": str, "model": str}
    try:
        table = pd.read_csv(
            path, sep="\t", dtype=types, keep_default_na=False, quoting=3,
            na_values={column: ["n/a"] for column in _NUMBERS}, float_precision="round_trip",
        )  # fmt: skip
        draws = [column for column in table.columns if column.startswith(DRAW)]
        table[draws] = table[draws].replace("n/a", np.nan)
        own = [column for column in (*_NUMBERS, *draws) if column in table]
        return table.astype(dict.fromkeys(own, np.float64))
    except (ValueError, EOFError, OSError) as error:
        raise ContentError(
            f"{path} cannot be read as a table of regions: {error}.",
            "Run the participant level again with --overwrite.",
        ) from None


def read_rdms(
    group: RegionGroup, names: Sequence[str], of_both: frozenset[str]
) -> NDArray[np.float64]:
    """Read the RDMs (n_members, n_regions, n_cells) of some regions; NaN where one is missing."""
    n = len(group.metadata["Conditions"])
    n_cells = n * (n - 1) // 2
    found = np.full((len(group.members), len(names), n_cells), np.nan)
    for own, one in zip(found, group.members, strict=True):
        table = in_one_table([_read(half.rdms) for half in one.halves], of_both)
        cells = table["value"].to_numpy(dtype=np.float64).reshape(-1, n_cells)
        place = {name: row for row, name in enumerate(table["name"].to_numpy()[::n_cells])}
        for row, name in enumerate(names):
            if name in place:
                own[row] = cells[place[name]]
    return found
