"""The BOLD images of both hemispheres become one run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bids_rsa.entities import by_number
from bids_rsa.errors import ContentError
from bids_rsa.estimation.bold_files import BoldFile
from bids_rsa.estimation.names import without_hemisphere
from bids_rsa.spaces.map_files import maps_header

# keys of a sidecar that say when volumes were taken
_TIMES = ("RepetitionTime", "StartTime", "VolumeTiming", "SliceTimingCorrected")


def join_bold_hemispheres(files: Sequence[BoldFile]) -> list[BoldFile]:
    """Make one run of the images of its two hemispheres; those of one side alone stay as they are.

    Raises
    ------
    ContentError
        A run that lacks a hemisphere which other runs have, or that has it twice, or whose
        hemispheres were taken at other times.
    """
    joined = [file for file in files if file.form != "surface"]
    spaces: dict[Any, dict[Any, dict[str, BoldFile]]] = {}
    for file in files:
        if file.form != "surface":
            continue
        # estimates have no desc-: images that differ in nothing else would have the same names
        values = by_number(file.entities.items())
        rest = {k: v for k, v in values.items() if k not in ("hemi", "run", "desc")}
        key = (file.file.dataset.path, *sorted(rest.items()))
        sides = spaces.setdefault(key, {}).setdefault(values.get("run"), {})
        side = _side(file)
        if side in sides:
            raise ContentError(
                f"Two BOLD images of one hemisphere and run: {sides[side].file.path} and "
                f"{file.file.path}.",
                "Remove one of them.",
            )
        sides[side] = file
    for runs in spaces.values():
        joined += _joined_runs(list(runs.values()))
    return sorted(joined, key=lambda run: run.file.path)


def _side(file: BoldFile) -> str:
    """Find the hemisphere of an image by its name, else by its metadata.

    Raises
    ------
    ContentError
        Another label than those of BIDS.
    """
    named = file.entities.get("hemi")
    if named not in (None, "L", "R"):
        raise ContentError(
            f"{file.file.path}: hemi-{named} is no hemisphere of BIDS.",
            "Rename the file: hemi-L or hemi-R.",
        )
    return named or str(maps_header(file.file.path).layout.hemispheres[0][0])


def _joined_runs(runs: Sequence[Mapping[str, BoldFile]]) -> list[BoldFile]:
    """Join the hemispheres of the runs of one space."""
    alone = [file for sides in runs if len(sides) == 1 for file in sides.values()]
    there = {side for sides in runs for side in sides}
    if len(there) == 1:
        return alone
    for file in alone:
        lacking = "R" if _side(file) == "L" else "L"
        raise ContentError(
            f"{without_hemisphere(file.label)}: there is no BOLD image of hemi-{lacking} beside "
            f"{file.file.path}, and other runs have both hemispheres.",
            "Add the missing file, leave the run out with --run-label, or choose a hemisphere with "
            '--bids-filter-file: {"bold": {"hemi": "L"}}.',
        )
    for sides in runs:
        _check_same_times(sides["L"], sides["R"])
    return [replace(sides["L"], right=sides["R"].file.path) for sides in runs]


def _check_same_times(left: BoldFile, right: BoldFile) -> None:
    """Refuse hemispheres whose sidecars say other times."""
    for key in _TIMES:
        one, other = left.preproc.get(key), right.preproc.get(key)
        if one != other:
            raise ContentError(
                f"The sidecars of {left.file.path} and {right.file.path} disagree: {key} is "
                f"{json.dumps(one)} and {json.dumps(other)}.",
                "Both hemispheres are of the same run: correct the JSON files.",
            )
