"""The participants' maps in the output folder: found with pybids, whole, and selected."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.discovery.datasets import Dataset, split_name
from bids_rsa.discovery.index import Index, IndexedFile
from bids_rsa.discovery.selection import passes, read_filters
from bids_rsa.entities import respelled, spellings
from bids_rsa.errors import ContentError, InputError, SelectionError
from bids_rsa.group.hemispheres import join_maps
from bids_rsa.group.participant_maps import MapKey, ParticipantMap
from bids_rsa.outputs.derivatives import EXTENSIONS, read_sidecar, without_extension
from bids_rsa.settings import Selection
from bids_rsa.words import listing

LOGGER = logging.getLogger(__name__)
# what must be equal in the sidecars of a map and of its mask, if one run wrote both
WRITTEN_TOGETHER = ("InputHashes", "SearchlightRadius", "MaxPatchSize", "MinVoxels")
_OF_SCORES, _OF_MASKS = ({".nii", *endings} for endings in zip(*EXTENSIONS.values(), strict=True))


def find_maps(
    bids_dir: str, output_dir: str, selection: Selection, derivatives: Sequence[str] = ()
) -> tuple[tuple[ParticipantMap, ...], tuple[str, ...]]:
    """Find every participant's maps.

    Parameters
    ----------
    bids_dir, output_dir : str
        As on the command line.
    selection : Selection
        The outputs of participants that are not wanted may be incomplete.
    derivatives : sequence of str
        Datasets of participants' maps as ``[NAME=]PATH``; the output folder without any.

    Returns
    -------
    maps : tuple of ParticipantMap
        Sorted by participant and file name.
    subjects : tuple of str
        All that have a folder there, also those without a map.

    Raises
    ------
    InputError
        No map at all, or a participant's output that was not written whole.
    ContentError
        A participant with two maps of the same name parts.
    """
    found: list[ParticipantMap] = []
    datasets = map_datasets(output_dir, derivatives)
    places = ", ".join(one.path for one in datasets)
    there = [one for one in datasets if Path(one.path).is_dir()]
    query = read_filters(selection.bids_filter_file).get("statmap", {})
    filtered_out = 0
    index = Index(there, str(Path(output_dir).absolute() / ".work"))
    for subject in index.folders:
        own, n_out = _maps_among(index.files(subject), query)
        found += own
        filtered_out += n_out
    for sentence in index.misnamed.sentences():
        LOGGER.warning(sentence)
    if filtered_out and not found:
        raise SelectionError(
            f"--bids-filter-file {selection.bids_filter_file}: none of the {filtered_out} maps in "
            f"{output_dir} passes {json.dumps(query)}."
        )
    if not found:
        raise _nothing_found(bids_dir, places, list(index.folders))
    _refuse_incomplete(one for one in found if is_wanted(one.subject, selection))
    found = join_maps(_same_indices(found), lambda subject: is_wanted(subject, selection))
    _check_once(found)
    return tuple(found), tuple(index.folders)


def _maps_among(
    files: Sequence[IndexedFile], query: dict[str, Any]
) -> tuple[list[ParticipantMap], int]:
    """Make the records of a participant's maps; count those that do not pass the filter."""
    comparisons = {entry.label: entry.name for entry in COMPARISONS.values()}
    masks = {_entities(file): file.path for file in files if _is_mask(file)}
    maps, n_out = [], 0
    for file in files:
        comparison = comparisons.get(file.stat or "")
        if not _is_scores(file) or comparison is None:
            continue
        if passes(file, query):
            maps.append(_participant_map(file, comparison, masks.get(_entities(file))))
        else:
            n_out += 1
    return maps, n_out


def map_datasets(output_dir: str, derivatives: Sequence[str]) -> list[Dataset]:
    """List the datasets that participants' maps are looked for in, by absolute path."""
    if not derivatives:
        return [Dataset("", str(Path(output_dir).absolute()))]
    named = [split_name(text) for text in derivatives]
    return [Dataset(name, str(path)) for name, path in named]


def is_wanted(subject: str, selection: Selection) -> bool:
    """Tell whether a participant was selected, and not excluded."""
    if subject in selection.exclude_participant_label:
        return False
    return not selection.participant_label or subject in selection.participant_label


def _entities(file: IndexedFile) -> tuple[object, ...]:
    """Give the entities that a map shares with its mask."""
    return (file.run, *file.pairs)


def _is_scores(file: IndexedFile) -> bool:
    """Tell whether a file may be a map of scores."""
    return file.suffix == "statmap" and file.extension in _OF_SCORES and bool(file.desc)


def _is_mask(file: IndexedFile) -> bool:
    """Tell whether a file is the mask of evaluated centres."""
    is_image = file.extension in _OF_MASKS
    return is_image and file.suffix == "mask" and file.desc == "searchlight"


def _participant_map(file: IndexedFile, comparison: str, mask: str | None) -> ParticipantMap:
    """Make the record of a map."""
    key = MapKey(comparison, **file.named)
    metadata = read_sidecar(_sidecar(file.path)) or {}
    return ParticipantMap(
        file.subject, file.desc or "", key, file.path, mask or "", metadata=metadata
    )


def _sidecar(path: str) -> Path:
    """Give the JSON next to an image."""
    return Path(without_extension(path) + ".json")


def _refuse_incomplete(maps: Iterable[ParticipantMap]) -> None:
    """Refuse outputs of participants that were not written whole."""
    broken = [what for one in maps for what in _what_is_missing(one)]
    if broken:
        raise InputError(
            "A participant's output is incomplete:\n  " + "\n  ".join(broken),
            "Run the participant level again for it (the same command resumes the run), "
            "or leave the participant out with --exclude-participant-label.",
        )


def _same_indices(maps: Sequence[ParticipantMap]) -> list[ParticipantMap]:
    """Write each echo, part ... in one way: 1 and 01 are the same."""
    longest = spellings(pair for one in maps for pair in one.key.others)
    return [
        replace(one, key=replace(one.key, others=respelled(one.key.others, longest)))
        for one in maps
    ]


def _what_is_missing(one: ParticipantMap) -> list[str]:
    """Say what a participant's output lacks; sidecars are written last."""
    who = f"sub-{one.subject}: {Path(one.path).name}"
    if not one.metadata:
        return [f"{who} has no (readable) sidecar, which is written last."]
    if not one.mask_path:
        return [f"{who} has no mask of its centres (..._desc-searchlight_mask) next to it."]
    mask = read_sidecar(_sidecar(one.mask_path))
    if mask is None:
        return [f"{who}: its mask {Path(one.mask_path).name} has no (readable) sidecar."]
    for key in WRITTEN_TOGETHER:
        if key in one.metadata and key in mask and one.metadata[key] != mask[key]:
            return [f"{who} and its mask come from different runs: their {key} differ."]
    return []


def _check_once(maps: Sequence[ParticipantMap]) -> None:
    """Refuse a participant that has the same map twice."""
    seen: dict[tuple[str, MapKey, str], str] = {}
    for one in maps:
        name = (one.subject, one.key, one.model)
        if name in seen:
            raise ContentError(
                f"sub-{one.subject} exists twice: {seen[name]} and {one.path} are the same map.",
                "Remove one of the two.",
            )
        seen[name] = one.path


def _nothing_found(bids_dir: str, places: str, subjects: Sequence[str]) -> InputError:
    """Say where it looked, what is there, and which command makes what is missing."""
    place = places.split(", ")[0]
    if not Path(place).is_dir():
        there = "That folder does not exist."
    elif not subjects:
        names = sorted(path.name for path in Path(place).iterdir())[:10]
        there = f"It contains no sub-* folder, but: {', '.join(names) or 'nothing'}."
    else:
        there = f"It contains folders of {listing([f'sub-{s}' for s in subjects])}, without a map."
    return InputError(
        f"There are no participants' maps in {places}. {there}",
        f"Run the participant level first: bids_rsa {bids_dir} {place} participant "
        "--model FILE. If the maps are in another folder, name it with -d FOLDER.",
    )
