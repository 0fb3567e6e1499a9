"""Conditions: renamed and pooled by a map, matched to the models' names."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from bids_rsa.errors import ContentError
from bids_rsa.records import ConditionImage
from bids_rsa.tables import composed, existing_file, read_table
from bids_rsa.words import listing, similar_name

LEFT_OUT = {"", "n/a"}
# how nilearn's save_glm_to_bids writes signs in the names of contrasts
NILEARN_WORDS = {"-": "Minus", "+": "Plus", ">": "Gt", "<": "Lt"}


@dataclass(frozen=True)
class Match:
    """Which label found stands for which of the models' conditions.

    ``names`` maps labels to conditions; ``notes`` say where case or punctuation was ignored;
    ``ambiguous`` says where that could not be done.
    """

    names: dict[str, str]
    notes: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


def read_condition_map(path: str | None) -> dict[str, str]:
    """Read a table with columns ``label`` and ``condition``; a condition n/a leaves a label out.

    Raises
    ------
    InputError, ContentError
        No such file, other columns, a label that occurs twice.
    """
    if path is None:
        return {}
    header, *rows = read_table(existing_file(path, "--condition-map"))
    if not {"label", "condition"} <= set(header) or not rows:
        raise ContentError(
            f"--condition-map {path}: expected columns 'label' and 'condition' and a row for each "
            f"label; found columns {', '.join(header)} and {len(rows)} rows."
        )
    label, condition = header.index("label"), header.index("condition")
    pairs: dict[str, str] = {}
    for row in rows:
        if len(row) <= max(label, condition):
            raise ContentError(f"--condition-map {path}: the row {row} has too few columns.")
        if row[label] in pairs:
            raise ContentError(f"--condition-map {path}: the label {row[label]} occurs twice.")
        pairs[row[label]] = row[condition]
    return pairs


def apply_map(
    images: Sequence[ConditionImage], pairs: Mapping[str, str], strict: bool = True
) -> list[ConditionImage]:
    """Rename and pool conditions; labels that the map does not name keep their own.

    Raises
    ------
    ContentError
        If ``strict``, a label of the map that no image has; lists what there is.
    """
    if not pairs:
        return list(images)
    labels = {image.condition for image in images}
    absent = [label for label in pairs if label not in labels]
    close = match_names(labels - pairs.keys(), absent)
    missing = sorted(set(absent) - set(close.names.values()))
    if missing and strict:
        raise ContentError(
            f"The --condition-map names labels that no image has: {', '.join(missing)}. "
            f"Labels found: {listing(sorted(labels))}.",
            "Correct the map, or remove these rows.",
        )
    full = dict(pairs) | {found: pairs[label] for found, label in close.names.items()}
    return [
        replace(image, condition=full.get(image.condition, image.condition))
        for image in images
        if full.get(image.condition, image.condition).lower() not in LEFT_OUT
    ]


def plain(name: str) -> str:
    """Return a name without case and punctuation."""
    return re.sub(r"[\W_]", "", composed(name)).casefold()


def spellings(name: str) -> set[str]:
    """Return the plain ways to write a name; nilearn writes signs in words (faces-upright)."""
    words = name
    for sign, word in NILEARN_WORDS.items():
        words = words.replace(sign, f" {word} ")
    return {plain(name), plain(words)}


def match_names(found: Iterable[str], wanted: Sequence[str]) -> Match:
    """Match labels to conditions: as they are, else ignoring case and punctuation.

    The second is done only when one label and one condition are left for each other.
    """
    labels = sorted(set(found))
    names = {label: label for label in labels if label in set(wanted)}
    left_labels = [label for label in labels if label not in names]
    left_wanted = [name for name in wanted if name not in names]
    notes, ambiguous = [], []
    for name in left_wanted:
        fitting = [label for label in left_labels if plain(label) in spellings(name)]
        rivals = [other for other in left_wanted if spellings(other) & spellings(name)]
        if len(fitting) == 1 and len(rivals) == 1:
            names[fitting[0]] = name
            notes.append(
                f"Images named {fitting[0]} were taken for the condition {name} (they differ in "
                "case or punctuation only)."
            )
        elif fitting:
            ambiguous.append(f"{' and '.join(fitting)} could each be {' or '.join(rivals)}")
    return Match(names, tuple(notes), tuple(dict.fromkeys(ambiguous)))


def _with_similar(name: str, found: Sequence[str]) -> str:
    """Add the most similar label of the images to a condition that none has."""
    near = similar_name(name, found)
    return f"{name} (similar: {near})" if near else name


def unmatched_error(
    missing: Sequence[str], found: Iterable[str], wanted: Sequence[str], source: str, match: Match
) -> ContentError:
    """Say which conditions of the models no image has, with both sides listed."""
    unclear = f" Ambiguous: {'; '.join(match.ambiguous)}." if match.ambiguous else ""
    return ContentError(
        f"No image was found for {len(missing)} of the models' {len(wanted)} conditions: "
        f"{listing([_with_similar(name, list(found)) for name in missing])}.{unclear}\n"
        f"  conditions of {source}: {listing(list(wanted))}\n"
        f"  conditions of the images: {listing(sorted(found)) or 'none'}",
        "Use the same names, rename with --condition-map FILE, or select with --conditions.",
    )
