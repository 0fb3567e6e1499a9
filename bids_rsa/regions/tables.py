"""The table that names the regions of a label image: found next to it or above, and read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from bids_rsa.entities import name_pairs
from bids_rsa.errors import ContentError
from bids_rsa.regions.region import BACKGROUND, refuse_negative
from bids_rsa.tables import MISSING, read_table

INDEX_COLUMNS = ("index",)
NAME_COLUMNS = ("name", "label")
SUFFIXES = ("_dseg", "_probseg")
_MOST_FOLDERS = 5
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def find_region_table(image: Path) -> Path | None:
    """Find the table of a label image, by BIDS' inheritance.

    That is the table with the image's name; else, next to the image and in the folders above it up
    to the root of its dataset, the one whose entities are all the image's, the most of them first.
    """
    stem = re.sub(r"\.nii(\.gz)?$|\.mgz$", "", image.name)
    own = image.with_name(f"{stem}.tsv")
    if own.is_file():
        return own
    suffix = next((one for one in SUFFIXES if stem.endswith(one)), None)
    if suffix is None:
        return None
    wanted = set(name_pairs(image.name))
    for folder in list(image.absolute().parents)[:_MOST_FOLDERS]:
        found = [
            path
            for path in sorted(folder.glob(f"*{suffix[1:]}.tsv"))
            if path.name.removesuffix(".tsv").rpartition("_")[2] == suffix[1:]
            and set(name_pairs(path.name)) <= wanted
        ]
        if found:
            return max(found, key=lambda path: len(name_pairs(path.name)))
        if (folder / "dataset_description.json").is_file():
            return None
    return None


def read_region_table(path: Path) -> dict[int, str]:
    """Read the names of regions by their index; the background, index 0 or -1, is left out.

    Raises
    ------
    ContentError
        No column of indices or of names, an index that is no whole number or is below -1, an index
        or a name that occurs twice, a row without a name.
    """
    header, *rows = read_table(path)
    columns = [cell.lower() for cell in header]
    at_index = _column(columns, INDEX_COLUMNS, path, header)
    at_name = _column(columns, NAME_COLUMNS, path, header)
    names: dict[int, str] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) <= max(at_index, at_name):
            raise ContentError(f"{path}: row {number} has {len(row)} cells, the header has more.")
        index = _index(row[at_index], path, number)
        if index in BACKGROUND:
            continue
        name = row[at_name]
        if name.lower() in MISSING or _CONTROL.search(name):
            raise ContentError(
                f"{path}: row {number} (index {index}) has no name that can be written: {name!r}.",
                "Give each region a name.",
            )
        if index in names:
            raise ContentError(f"{path}: index {index} occurs twice.", "Each may occur once.")
        names[index] = name
    _refuse_twice(names, path)
    refuse_negative(np.array([*names], dtype=np.int64), str(path))
    if not names:
        raise ContentError(f"{path} names no region.")
    return names


def _column(columns: list[str], wanted: tuple[str, ...], path: Path, header: list[str]) -> int:
    """Find a column by one of its names."""
    for name in wanted:
        if name in columns:
            return columns.index(name)
    raise ContentError(
        f"{path} has no column {' or '.join(wanted)}; its columns are: {', '.join(header)}.",
        "A table of regions has the columns index and name, separated by tabs.",
    )


def _index(text: str, path: Path, row: int) -> int:
    """Read an index."""
    try:
        value = float(text)
        if value == int(value):
            return int(value)
    except (ValueError, OverflowError):
        pass
    raise ContentError(f"{path}: row {row} has the index {text!r}; a whole number is expected.")


def _refuse_twice(names: dict[int, str], path: Path) -> None:
    """Refuse a name that two regions have."""
    first: dict[str, int] = {}
    for index, name in names.items():
        if name in first:
            raise ContentError(
                f"{path}: two regions are named {name!r}: index {first[name]} and index {index}.",
                "Give each region a different name; results are matched by name.",
            )
        first[name] = index
