"""What participants.tsv says about the subjects: groups and covariates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.discovery.findings import listing
from bids_rsa.errors import ContentError, InputError, OptionError
from bids_rsa.tables import MISSING, number, read_table


@dataclass(frozen=True)
class People:
    """The table of participants: one dict of column to text for each subject."""

    path: Path
    rows: dict[str, dict[str, str]]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(next(iter(self.rows.values()), {}))


def read_people(bids_dir: str) -> People:
    """Read participants.tsv.

    Raises
    ------
    InputError
        There is none.
    ContentError
        No column participant_id, or a subject twice.
    """
    path = Path(bids_dir) / "participants.tsv"
    if not path.is_file():
        raise InputError(
            f"Groups and covariates are read from {path}, and there is no such file.",
            "BIDS_DIR is the dataset whose participants.tsv describes the subjects.",
        )
    header, *lines = read_table(path)
    if "participant_id" not in header:
        raise ContentError(f"{path} has no column participant_id. Columns: {', '.join(header)}.")
    rows: dict[str, dict[str, str]] = {}
    for line in lines:
        row = dict(zip(header, line + [""] * (len(header) - len(line)), strict=False))
        subject = row.pop("participant_id").removeprefix("sub-")
        if subject in rows:
            raise ContentError(f"{path}: sub-{subject} stands there twice.", "Keep one row.")
        rows[subject] = row
    return People(path, rows)


def column_of(people: People, name: str, option: str, subjects: Sequence[str]) -> dict[str, str]:
    """Read a column for the subjects tested.

    Raises
    ------
    OptionError
        No such column.
    ContentError
        A subject without a row or a value.
    """
    if name not in people.columns:
        raise OptionError(
            f"{option} {name}: {people.path} has no such column. "
            f"Columns: {', '.join(people.columns) or 'none'}."
        )
    values = {subject: people.rows.get(subject, {}).get(name, "") for subject in subjects}
    missing = [f"sub-{subject}" for subject, text in values.items() if text.lower() in MISSING]
    if missing:
        raise ContentError(
            f"{option} {name}: {people.path} has no value for {listing(missing)}.",
            "Fill it in, or leave these subjects out with --exclude-participant-label.",
        )
    return values


def covariate(people: People, name: str, option: str, subjects: Sequence[str]) -> list[float]:
    """Read a numeric column.

    Raises
    ------
    OptionError, ContentError
        As ``column_of``; a value that is no number; the same value in all subjects.
    """
    texts = column_of(people, name, option, subjects)
    values = [number(text, people.path, f"sub-{s}", name) for s, text in texts.items()]
    if not all(math.isfinite(value) for value in values):
        raise ContentError(f"{option} {name}: {people.path} holds values that are not finite.")
    if len(set(values)) == 1:
        raise ContentError(
            f"{option} {name} is constant: it is {values[0]:g} in all {len(values)} subjects "
            "tested, and a constant explains nothing that the mean does not."
        )
    return values


def two_groups(
    people: People, name: str, groups: Sequence[str], subjects: Sequence[str]
) -> tuple[tuple[str, str], dict[str, str]]:
    """Read the column of groups.

    Returns
    -------
    groups : (str, str)
        First minus second: as named, else sorted.
    membership : dict
        Group of each subject.

    Raises
    ------
    OptionError
        Not two groups, or one that is not in the column.
    """
    membership = column_of(people, name, "--group-column", subjects)
    counts = {level: list(membership.values()).count(level) for level in membership.values()}
    told = ", ".join(f"{level} ({count})" for level, count in sorted(counts.items()))
    if groups and len(groups) != 2:
        raise OptionError(f"--groups takes two names, and {len(groups)} were given: {groups}.")
    unknown = [level for level in groups if level not in counts]
    if unknown:
        raise OptionError(f"--groups {' '.join(unknown)}: {name} of the subjects holds {told}.")
    if not groups and len(counts) != 2:
        raise OptionError(
            f"--group-column {name} has {len(counts)} values among the subjects tested: {told}.",
            "Name the two to compare with --groups A B (A minus B).",
        )
    first, second = groups or sorted(counts)
    return (first, second), membership
