"""The participants' tables of regions in the output folder: found, read, and made to agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.entities import Pairs, name_pairs, respelled, spellings
from bids_rsa.errors import ContentError, SelectionError
from bids_rsa.group.agree import AGREEING, value_at
from bids_rsa.group.find import is_wanted, map_datasets
from bids_rsa.group.region_cells import CELLS
from bids_rsa.group.region_hemispheres import join_tables
from bids_rsa.group.region_records import SUFFIX, RegionGroup, RegionTables
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.settings import RegionSettings, Selection
from bids_rsa.words import listing

_SELECTED = (("ses", "session_label"), ("task", "task_label"), ("space", "space"), ("res", "res"))
# what must be equal in all participants' sidecars
_AGREE = (*AGREEING, "Models", "Standardize", "IgnoreNaN", "MinVoxels", "MinCoverage")
# what only some comparisons have: a participant without these agrees with all
_OF_SOME_COMPARISONS = ("NuisanceModels", "ConditionCovariance")


def find_region_groups(
    output_dir: str,
    derivatives: Sequence[str],
    selection: Selection,
    regions: RegionSettings,
    average_sessions: bool = False,
) -> tuple[RegionGroup, ...]:
    """Find the tables of regions, by set; those of one participant alone are left out.

    With ``average_sessions`` all sessions of a participant belong to one set.

    Raises
    ------
    SelectionError
        An atlas that no table is of.
    InputError
        Participants with tables of one hemisphere, where others have the other one.
    ContentError
        Tables that were made in different ways, or twice.
    """
    found: dict[Pairs, list[RegionTables]] = {}
    wanted = [
        (key, tables)
        for key, tables in _tables(output_dir, derivatives)
        if is_wanted(tables.subject, selection) and _is_selected(dict(key), selection)
    ]
    longest = spellings(pair for key, _ in wanted for pair in key)
    wanted = [(respelled(key, longest), tables) for key, tables in wanted]
    for key, tables in join_tables(wanted):
        if average_sessions:
            key = tuple(pair for pair in key if pair[0] != "ses")
        found.setdefault(key, []).append(tables)
    there = sorted({dict(key)["seg"] for key in found})
    unknown = [label for label in regions.atlas if label not in there]
    if unknown:
        raise SelectionError(
            f"--atlas {unknown[0]}: there are no tables of these regions in the output folder.",
            f"There are: {listing(there) or 'none'}.",
        )
    groups = [
        RegionGroup(key, tuple(sorted(tables, key=lambda one: (one.subject, one.scores))))
        for key, tables in sorted(found.items())
        if not regions.atlas or dict(key)["seg"] in regions.atlas
    ]
    for group in groups:
        _check_agreement(group)
        _check_cells(group)
    return tuple(group for group in groups if len(group.subjects) > 1)


def _tables(output_dir: str, derivatives: Sequence[str]) -> Iterator[tuple[Pairs, RegionTables]]:
    """List the tables of scores that are finished, with their entities but for the participant."""
    for dataset in map_datasets(output_dir, derivatives):
        for path in sorted(Path(dataset.path).glob(f"sub-*/**/*_seg-*{SUFFIX}")):
            pairs = dict(name_pairs(path.name))
            metadata = read_sidecar(path.with_name(path.name.removesuffix(".tsv") + ".json"))
            stem = path.name.removesuffix(SUFFIX)
            rdms = sorted(path.parent.glob(f"{stem}_stat-*_rdms.tsv.gz"))
            subject = pairs.pop("sub", "")
            own = path.relative_to(dataset.path).parts[0] == f"sub-{subject}"
            if metadata is None or len(rdms) != 1 or not own:
                continue
            yield tuple(pairs.items()), RegionTables(subject, str(path), str(rdms[0]), metadata)


def _is_selected(pairs: Mapping[str, str], selection: Selection) -> bool:
    """Tell whether tables are of the sessions, tasks and spaces asked for."""
    for key, option in _SELECTED:
        wanted = [label.partition(":")[0] for label in getattr(selection, option)]
        if wanted and pairs.get(key, "none") not in wanted:
            return False
    return True


def _check_agreement(group: RegionGroup) -> None:
    """Refuse participants whose tables were made in different ways."""
    for key in _AGREE:
        values = [
            (one.title, value_at(one.metadata, key))
            for member in group.members
            for one in member.halves
        ]
        if key in _OF_SOME_COMPARISONS:
            values = [(subject, value) for subject, value in values if value is not None]
        for subject, theirs in values[1:]:
            first, mine = values[0]
            if mine != theirs:
                raise ContentError(
                    f"Regions {group.title}: {key} is {_or_none(mine)} for {first} and "
                    f"{_or_none(theirs)} for {subject}.",
                    "Run the participant level with the same settings for all.",
                )


def _check_cells(group: RegionGroup) -> None:
    """Refuse hemispheres of one participant whose scores are of different cells."""
    for one in group.members:
        if any(half.metadata.get(CELLS) != one.metadata.get(CELLS) for half in one.halves):
            raise ContentError(
                f"Regions {group.title}: the scores of the two hemispheres of sub-{one.subject} "
                "are of different cells.",
                "Run the participant level with the same settings and runs for both.",
            )


def _or_none(value: Any) -> Any:
    """Write a setting that a sidecar lacks."""
    return "none" if value in (None, []) else value
