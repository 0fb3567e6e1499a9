"""Whether maps may be combined: the same analysis, the same grid, a common space."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.entities import name_pairs
from bids_rsa.errors import ContentError
from bids_rsa.group.participant_maps import ParticipantMap
from bids_rsa.group.places import layout_of_map
from bids_rsa.group.records import WORDS
from bids_rsa.words import listing

AGREEING = (
    "Dissimilarity",
    "DissimilarityParameters",
    "SearchlightRadius",
    "MaxPatchSize",
    "Folds",
    "Conditions",
    "InputStatistic",
    "Normalization",
    "Centering",
    "ExcludedCells",
    "ExcludeWithin",
    "NuisanceModels",
    "ConditionCovariance",
    "NoiseNormalization.Method",
    "NoiseNormalization.FoldsHeldOut",
)
AGREEING_OF_A_MODEL = ("Model", "CellsUsed")
# differences in these change which voxels count, not what a score means
TOLERATED = ("MinVoxels", "IgnoreNaN", "MissingRuns", "NoiseNormalization.Source")
_PLACES = {
    "volume": ("grid", "grids"),
    "surface": ("mesh", "meshes"),
    "grayordinates": ("set of grayordinates", "sets of grayordinates"),
}
_STANDARD = {
    "volume": "MNI152NLin2009cAsym", "surface": "fsaverage", "grayordinates": "fsLR",
}  # fmt: skip
OWN_SPACES = {"t1w", "t2w", "bold", "func", "anat", "individual", "native", "subject", "orig",
    "fsnative"}  # fmt: skip
SHOWN = 120


def check_agreement(maps: Sequence[ParticipantMap], what: str) -> tuple[str, ...]:
    """Check that maps come from one analysis.

    Parameters
    ----------
    maps : sequence of ParticipantMap
        The maps of one comparison; those of two models when models are compared.
    what : str
        What they are, for messages.

    Returns
    -------
    tuple of str
        Warnings about differences that are allowed.

    Raises
    ------
    ContentError
        Names the participants whose sidecars differ, in what, and the values.
    """
    maps = [half for one in maps for half in one.halves]
    keys: tuple[str, ...] = AGREEING
    if find_comparison(maps[0].key.comparison).joint:
        keys = (*keys, "ModelsInFit", "Standardize")
    complaints = [text for key in keys if (text := _odd_ones(maps, key))]
    for name in sorted({one.model for one in maps}):
        same = [one for one in maps if one.model == name]
        complaints += [text for key in AGREEING_OF_A_MODEL if (text := _odd_ones(same, key))]
    if complaints:
        raise ContentError(
            f"The maps of {what} do not come from one analysis:\n  " + "\n  ".join(complaints),
            "Run the participant level again with the same settings for these (--overwrite), or "
            "leave them out with --exclude-participant-label.",
        )
    warnings = [
        f"The maps of {what} differ in what does not change a score's meaning: {text}"
        for key in TOLERATED
        if (text := _odd_ones(maps, key))
    ]
    if len({one.metadata.get("CellsUsed") for one in maps}) > 1:
        cells = {one.model: one.metadata.get("CellsUsed") for one in maps}
        told = ", ".join(f"{name} {n}" for name, n in cells.items())
        warnings.append(
            f"The models were compared with different numbers of cells ({told}), so their "
            "difference may be one of cells."
        )
    return tuple(warnings)


def _odd_ones(maps: Sequence[ParticipantMap], key: str) -> str | None:
    """Name the participants whose value is not that of most."""
    values = {(one.subject, one.path): _canonical(key, value_at(one.metadata, key)) for one in maps}
    counts = Counter(values.values())
    if len(counts) == 1:
        return None
    usual, n_usual = counts.most_common(1)[0]
    odd = [
        f"sub-{subject}{_hemisphere(path)} ({_short(text)})"
        for (subject, path), text in values.items()
        if text != usual
    ]
    return f"{key} is {_short(usual)} in {n_usual} maps, but not in {listing(odd)}."


def _hemisphere(path: str) -> str:
    """Name the hemisphere that a file is of; nothing for volumes."""
    side = dict(name_pairs(path)).get("hemi")
    return f" hemi-{side}" if side else ""


def value_at(metadata: Mapping[str, Any], key: str) -> Any:
    """Return a sidecar's value; a dot leads to the value of a key within it."""
    value: Any = metadata
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _canonical(key: str, value: Any) -> str:
    """Write a sidecar's value so that equal meanings are equal texts."""
    if key == "Model" and isinstance(value, dict):
        value = _identity(value)
    if key == "ModelsInFit" and isinstance(value, list):
        value = sorted((isinstance(one, dict) and _identity(one)) or str(one) for one in value)
    if key == "Conditions" and isinstance(value, list):
        value = sorted(map(str, value))  # scores don't depend on their order
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = float(value)
    return json.dumps(value, sort_keys=True)


def _identity(model: dict[str, Any]) -> str:
    """Name a model by its content: its file, and how features in it became an RDM."""
    return " ".join(str(model[key]) for key in ("Metric", "SHA256") if key in model)


def _short(text: str) -> str:
    """Cut a long value."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def check_space(maps: Sequence[ParticipantMap], assume_common: bool) -> None:
    """Check that the maps' space is one that participants share.

    Raises
    ------
    ContentError
        No space- entity, or one that names a participant's own space.
    """
    space = maps[0].key.space
    if assume_common or (space and space.lower() not in OWN_SPACES):
        return
    name = maps[0].path.rpartition("/")[2]
    found = f"space-{space}, which is each participant's own" if space else "no space- entity"
    raise ContentError(
        f"{WORDS[maps[0].form][1].capitalize()} of different participants correspond only in a "
        f"common space, and {name} has {found}.",
        "Bring the maps, or the condition images before the participant level, into a standard "
        f"space first (as space-{_STANDARD[maps[0].form]}), or, if they share one, say so with "
        "--assume-common-space.",
    )


def check_layout(maps: Sequence[ParticipantMap]) -> Any:
    """Check that all maps are on one grid (by affine), one mesh or the same grayordinates.

    Returns
    -------
    Layout

    Raises
    ------
    ContentError
        Names the participants whose maps are elsewhere, and describes both places.
    """
    grids = [layout_of_map(one) for one in maps]
    usual = max(grids, key=lambda grid: sum(grid.equals(other) for other in grids))
    odd = [(one, grid) for one, grid in zip(maps, grids, strict=True) if not usual.equals(grid)]
    if odd:
        rows = [f"  sub-{one.subject} ({one.path}): {grid.describe()}" for one, grid in odd]
        one_place, several = _PLACES[maps[0].form]
        raise ContentError(
            f"The maps of one test are on different {several}: "
            f"{usual.differences(odd[0][1])} differ."
            f"\n  {len(maps) - len(odd)} maps: {usual.describe()}\n" + "\n".join(rows),
            f"Resample the condition images to one {one_place} before the participant level, or "
            "leave these out with --exclude-participant-label.",
        )
    return usual
