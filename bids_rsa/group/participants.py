"""participants.tsv: groups and covariates of the participants tested."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.errors import BidsRsaError, ContentError, InputError, OptionError
from bids_rsa.tables import MISSING, read_table
from bids_rsa.words import listing

ID_COLUMN = "participant_id"


@dataclass(frozen=True)
class Participants:
    """The table as it is: each participant's row, by label without ``sub-``."""

    path: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, str]]

    def texts(self, column: str, option: str, subjects: Sequence[str]) -> dict[str, str]:
        """Give the participants' values of a column.

        Raises
        ------
        OptionError
            No such column.
        ContentError
            A participant without a row or a value.
        """
        if column not in self.columns:
            raise OptionError(
                f"{option} {column}: {self.path} has no such column.",
                f"Its columns are: {', '.join(self.columns)}.",
            )
        absent = [s for s in subjects if s not in self.rows]
        empty = [s for s in subjects if s not in absent and self.rows[s][column].lower() in MISSING]
        if absent or empty:
            parts = [f"no row for {listing([f'sub-{s}' for s in absent])}"] * bool(absent)
            parts += [f"no value for {listing([f'sub-{s}' for s in empty])}"] * bool(empty)
            raise ContentError(
                f"{option} {column}: {self.path} has {' and '.join(parts)}.",
                "Fill in the table, or leave them out with --exclude-participant-label.",
            )
        return {s: self.rows[s][column] for s in subjects}

    def coded(
        self, column: str, option: str, subjects: Sequence[str]
    ) -> tuple[tuple[float, ...], tuple[str, ...]]:
        """Give the participants' values of a column of numbers, or of two texts coded as 0 and 1.

        Returns
        -------
        values : tuple of float
        levels : tuple of str
            The texts that stand for 0 and 1, sorted; empty for numbers.

        Raises
        ------
        OptionError, ContentError
            As `numbers`.
        """
        texts = self.texts(column, option, subjects)
        levels = tuple(sorted(set(texts.values())))
        if len(levels) != 2 or any(map(_is_numeric, levels)):
            return self.numbers(column, option, subjects), ()
        return tuple(float(levels.index(text)) for text in texts.values()), levels

    def numbers(self, column: str, option: str, subjects: Sequence[str]) -> tuple[float, ...]:
        """Give the participants' values of a column of numbers.

        Raises
        ------
        OptionError, ContentError
            As `texts`; a value that is no number; the same number for all.
        """
        texts = self.texts(column, option, subjects)
        values = []
        for subject, text in texts.items():
            value = _number(text)
            if value is None:
                raise ContentError(
                    f"{option} {column}: {self.path} has {text!r} for sub-{subject}, and a number "
                    "is expected.",
                    "Code more than two categories as columns of numbers. --covariates takes a "
                    "column of two texts as it is; --group-column tests the difference of two "
                    "groups.",
                )
            values.append(value)
        if len(set(values)) == 1:
            raise ContentError(
                f"{option} {column}: its value is {values[0]:g} for all {len(values)} participants "
                "tested, so it explains nothing.",
                "Leave the covariate out.",
            )
        return tuple(values)


def _is_numeric(text: str) -> bool:
    """Tell whether a text reads as a number, finite or not."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def listed_participants(bids_dir: str) -> set[str]:
    """List the labels in participants.tsv and the sub-* folders of a dataset, where there are any.

    The table need not be there, nor in order: only options that use it ask for that.
    """
    found = {path.name[4:] for path in Path(bids_dir).glob("sub-*") if path.is_dir()}
    try:
        return found | set(read_participants(bids_dir, "").rows)
    except BidsRsaError:
        return found


def _number(text: str) -> float | None:
    """Read a finite number; None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def read_participants(bids_dir: str, option: str, file: str | None = None) -> Participants:
    """Read the table of participants: BIDS_DIR/participants.tsv unless another is given.

    Parameters
    ----------
    bids_dir : str
        The dataset.
    option : str
        Which option needs the table, for messages.
    file : str, optional
        The table to read instead.

    Raises
    ------
    InputError
        There is no such table.
    ContentError
        It has no participant_id column, ragged rows, or a participant twice.
    """
    path = Path(file or Path(bids_dir, "participants.tsv"))
    if not path.is_file():
        raise InputError(
            f"{option} needs {path}, and there is no such file.",
            "Give the dataset with participants.tsv as BIDS_DIR, or --participants-file.",
        )
    header, *lines = read_table(path)
    if ID_COLUMN not in header:
        raise ContentError(
            f"{path} has no column {ID_COLUMN}; its columns are: {', '.join(header)}."
        )
    rows: dict[str, dict[str, str]] = {}
    for line in lines:
        if len(line) != len(header):
            raise ContentError(
                f"{path}: the row {' '.join(line)!r} has {len(line)} values under {len(header)} "
                "columns."
            )
        row = dict(zip(header, line, strict=True))
        subject = row[ID_COLUMN].removeprefix("sub-")
        if subject in rows:
            raise ContentError(
                f"{path} has sub-{subject} twice.", "Each participant may have one row."
            )
        rows[subject] = row
    return Participants(str(path), tuple(header), rows)
