"""Which maps and subjects were asked for, and whether the maps that are left may be combined."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.core.names import JOINT_COMPARISONS
from bids_rsa.derivatives import read_sidecar
from bids_rsa.discovery.findings import listing
from bids_rsa.errors import ContentError, OptionError, SelectionError
from bids_rsa.grid import Grid
from bids_rsa.group_level.records import LeftOut, MapSet, ScoreMap
from bids_rsa.images import grid_of, open_image
from bids_rsa.settings import GroupSettings, Selection

# spaces in which a voxel is another place in each subject
OWN_SPACES = {"t1w", "t2w", "func", "individual", "bold", "boldref", "orig", "anat", "native"}
AGREEING = (
    "Dissimilarity",
    "DissimilarityParameters",
    "SearchlightRadius",
    "Folds",
    "Conditions",
    "InputStatistic",
    "IgnoreNaN",
    "Normalization",
)


@dataclass(frozen=True)
class Chosen:
    """The maps that were asked for, and the subjects that were asked to stay out."""

    maps: tuple[ScoreMap, ...]
    left_out: tuple[LeftOut, ...]


def choose(
    maps: Sequence[ScoreMap], subjects: Sequence[str], wanted: Selection, group: GroupSettings
) -> Chosen:
    """Apply the selection of the command line.

    Raises
    ------
    SelectionError
        A label that no map has; lists what there is.
    OptionError
        A model that is a file, or that no map has.
    """
    _check_models(maps, group.model)
    left_out = _left_out(subjects, wanted)
    out = {one.subject for one in left_out}
    kept = [one for one in maps if one.subject not in out]
    for option, field, labels in (
        ("--session-label", "session", wanted.session_label),
        ("--task-label", "task", wanted.task_label),
        ("--space", "space", wanted.space),
        ("--res", "resolution", wanted.res),
        ("--comparison", "comparison", group.comparison),
        ("--model", "model", group.model),
    ):
        kept = _keep(kept, option, field, labels)
    if not kept:
        raise SelectionError("The selection leaves no participant map to test.")
    return Chosen(tuple(kept), left_out)


def _left_out(subjects: Sequence[str], wanted: Selection) -> tuple[LeftOut, ...]:
    """List the subjects that the options exclude."""
    for option, labels in (
        ("--participant-label", wanted.participant_label),
        ("--exclude-participant-label", wanted.exclude_participant_label),
    ):
        unknown = [label for label in labels if label not in subjects]
        if unknown:
            raise SelectionError(
                f"{option} {' '.join(unknown)} matches no participant. Participants with a folder "
                f"in the output: {listing(list(subjects))}."
            )
    out = []
    for subject in subjects:
        if subject in wanted.exclude_participant_label:
            out.append(LeftOut(subject, "excluded by --exclude-participant-label"))
        elif wanted.participant_label and subject not in wanted.participant_label:
            out.append(LeftOut(subject, "not named by --participant-label"))
    return tuple(out)


def _check_models(maps: Sequence[ScoreMap], models: Sequence[str]) -> None:
    """Refuse files and unknown names as models."""
    there = sorted({one.model for one in maps})
    for name in models:
        if name in there:
            continue
        if "/" in name or "=" in name or "." in name or Path(name).is_file():
            raise OptionError(
                f"--model {name}: at group level a model is named, not given as a file.",
                f"Models with participant maps: {', '.join(there)}.",
            )
        raise OptionError(
            f"--model {name}: there is no participant map of such a model.",
            f"Models with participant maps: {', '.join(there)}.",
        )


def _keep(maps: list[ScoreMap], option: str, field: str, labels: Sequence[str]) -> list[ScoreMap]:
    """Keep the maps with one of the labels; each label must match."""
    if not labels:
        return maps
    there = sorted({getattr(one, field) or "none" for one in maps})
    for label in labels:
        if label not in there:
            raise SelectionError(
                f"{option} {label} matches no participant map. Found: {', '.join(there)}."
            )
    return [one for one in maps if (getattr(one, field) or "none") in labels]


def check_common_space(sets: Sequence[MapSet], assume: bool) -> None:
    """Refuse maps that are not in a space that subjects share.

    Raises
    ------
    ContentError
        Unless ``assume``.
    """
    for one in () if assume else sets:
        if one.space is None or one.space.lower() in OWN_SPACES:
            found = f"space-{one.space}" if one.space else "no space- entity"
            raise ContentError(
                f"The maps of {one.where} have {found} in their names ({one.maps[0].path}): a "
                "voxel there is not known to be the same place in every subject.",
                "Bring the condition images or the maps into a standard space (such as "
                "MNI152NLin2009cAsym) first; if they are in one, say --assume-common-space.",
            )


def check_agreement(one: MapSet) -> dict[str, Any]:
    """Check that the maps of a set were made in the same way and lie on one grid.

    Returns
    -------
    dict
        The sidecar of the first map.

    Raises
    ------
    ContentError
        Names the maps that differ from the most common setting.
    """
    sidecars = {score.path: read_sidecar(Path(score.sidecar)) or {} for score in one.maps}
    for key, value_of in _settings(one.comparison).items():
        values = {path: json.dumps(value_of(content)) for path, content in sidecars.items()}
        _check_same(one, key, values)
    grids = {score.path: grid_of(open_image(score.path)) for score in one.maps}
    _check_grids(one, grids)
    return sidecars[one.maps[0].path]


def check_pair(first: MapSet, second: MapSet) -> None:
    """Check that two models' maps differ in nothing but the model.

    Raises
    ------
    ContentError
        Names the setting and both values.
    """
    a, b = (read_sidecar(Path(one.maps[0].sidecar)) or {} for one in (first, second))
    for key, value_of in _settings(first.comparison).items():
        if key != "Model SHA256" and value_of(a) != value_of(b):
            raise ContentError(
                f"{first.model} and {second.model} cannot be compared: {key} is "
                f"{json.dumps(value_of(a))} for the first and {json.dumps(value_of(b))} for the "
                "second.",
                "Run the participant level with both models in one call.",
            )
    grids = [grid_of(open_image(one.maps[0].path)) for one in (first, second)]
    if not grids[0].equals(grids[1]):
        raise ContentError(
            f"The maps of {first.model} and {second.model} lie on different grids: "
            f"{grids[0].describe()} and {grids[1].describe()}."
        )


def _settings(comparison: str) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """Name the settings that must agree, and how each is read from a sidecar."""

    def reader(key: str) -> Callable[[Mapping[str, Any]], Any]:
        """Read a key; the order of conditions does not matter."""
        ordered = key in ("Conditions", "InputStatistic")
        return lambda sidecar: (
            sorted(map(str, sidecar[key]))
            if ordered and isinstance(sidecar.get(key), list)
            else sidecar.get(key)
        )

    found = {key: reader(key) for key in AGREEING}
    found["Model SHA256"] = lambda sidecar: (sidecar.get("Model") or {}).get("SHA256")
    if comparison in JOINT_COMPARISONS:
        found["ModelsInFit"] = reader("ModelsInFit")
        found["Standardize"] = reader("Standardize")
    return found


def _check_same(one: MapSet, key: str, values: Mapping[str, str]) -> None:
    """Refuse a setting in which some maps differ from the rest."""
    counts = Counter(values.values())
    if len(counts) == 1:
        return
    common = counts.most_common(1)[0][0]
    odd = [f"  {path}: {value}" for path, value in values.items() if value != common]
    raise ContentError(
        f"The maps of {one.where} cannot be combined: {key} is {common} in "
        f"{counts[common]} of {len(values)}, but\n" + "\n".join(odd),
        "Make the odd ones again with the same settings, or leave these subjects out.",
    )


def _check_grids(one: MapSet, grids: Mapping[str, Grid]) -> None:
    """Refuse maps on different grids."""
    first: list[Grid] = []
    members: list[list[str]] = []
    for path, grid in grids.items():
        same = [k for k, other in enumerate(first) if other.equals(grid)]
        if same:
            members[same[0]].append(path)
        else:
            first.append(grid)
            members.append([path])
    if len(first) == 1:
        return
    common = max(range(len(first)), key=lambda k: len(members[k]))
    odd = [
        f"  {path}: {first[k].describe()}"
        for k in range(len(first))
        if k != common
        for path in members[k]
    ]
    raise ContentError(
        f"The maps of {one.where} lie on different grids. {len(members[common])} of {len(grids)} "
        f"have {first[common].describe()}, but\n" + "\n".join(odd),
        "Resample the images to one grid before the participant level, or leave these out.",
    )
