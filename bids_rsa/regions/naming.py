"""What the name of an atlas says: its label, its space, its participant."""

from __future__ import annotations

import re
from pathlib import Path

from bids_rsa.entities import name_pairs
from bids_rsa.errors import ContentError
from bids_rsa.records import Analysis

# entities that name an atlas, in the order in which its label is made of them
_NAMING = ("atlas", "seg", "scale", "desc")
_ENDING = re.compile(
    r"(\.(label|shape|func|dlabel|dscalar))?\.(gii|nii|img|mgz)(\.gz)?$|\.(annot|label)$"
)
# parts of a name that say whose a file is: a participant's, or a field of the path
_WHOSE = re.compile(r"(sub|ses)-.*|.*\{\w+\}.*")
_HEMISPHERE = re.compile(r"hemi-[LR]|[LR]|[lr]h|left|right")


def is_path(text: str) -> bool:
    """Tell a file from a label."""
    return "/" in text or "{" in text or "." in text or Path(text).is_file()


def seg_label(path: Path) -> str:
    """Make the ``seg-`` label of an atlas from its file's name, or from the path it was given by.

    It names no participant and no hemisphere, so that it is the same for all of them.
    """
    if path.name.endswith(".annot"):  # lh.aparc.annot
        label = plain_name(path.name, of_hemisphere=True)
    else:
        pairs = dict(name_pairs(path.name))
        label = "".join(pairs[key] for key in _NAMING if key in pairs)
        of_surface = path.name.endswith((".gii", ".gii.gz"))
        label = label or plain_name(path.name, of_surface).split(".")[0]
    return "".join(c for c in label if c.isascii() and c.isalnum()) or "atlas"


def plain_name(name: str, of_hemisphere: bool) -> str:
    """Take from a file's name its ending, and the parts that say whose it is.

    ``of_hemisphere``: also those that name a hemisphere.
    """
    parts = re.findall(r"[^._]+[._]*", _ENDING.sub("", name))
    kept = [
        part
        for part in parts
        if not _WHOSE.fullmatch(own := part.rstrip("._"))
        and not (of_hemisphere and _HEMISPHERE.fullmatch(own))
    ]
    return "".join(kept).rstrip("._")


def space_in_name(path: Path) -> str | None:
    """Name the space of a file by its name; anatomical ones without any are the T1w's."""
    pairs = dict(name_pairs(path.name))
    space = pairs.get("space") or pairs.get("tpl")
    if space is None and "sub" in pairs and path.parent.name == "anat":
        return "T1w"
    return space


def labels_of(path: Path) -> set[str]:
    """List the labels that a file can be asked for by."""
    pairs = dict(name_pairs(path.name))
    return {pairs[key] for key in ("atlas", "seg", "desc") if key in pairs} | {seg_label(path)}


def refuse_elsewhere(path: Path, analysis: Analysis, kind: str = "atlas") -> None:
    """Refuse an atlas or a mask of another space, or of another participant, by its name."""
    space, subject = space_in_name(path), dict(name_pairs(path.name)).get("sub")
    if subject not in (None, analysis.subject):
        raise ContentError(
            f"{analysis.label}: the {kind} {path.name} belongs to sub-{subject}.",
            "Write {subject} in its path"
            + (", or give the atlas by its label." if kind == "atlas" else "."),
        )
    native = ("T1w", "fsnative") if analysis.form != "volume" else ()
    same = space == analysis.space or (space in native and analysis.space in native)
    if None not in (space, analysis.space) and not same:
        raise ContentError(
            f"{analysis.label}: the {kind} {path.name} is in the space {space}, and the images are "
            f"in {analysis.space}.",
            f"Give the {kind} in the images' space; it is resampled, but not registered.",
        )
