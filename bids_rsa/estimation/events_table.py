"""Events of a run, read from a BIDS events table."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bids_rsa.errors import ContentError
from bids_rsa.estimation.events import Events, overlaps_told, without_duplicates
from bids_rsa.tables import MISSING, composed, read_table
from bids_rsa.words import few, listing


def read_events(
    path: str, condition_column: str = "trial_type", event_duration: float | None = None
) -> Events:
    """Read an events table.

    Parameters
    ----------
    path : str
        A TSV with the columns ``onset`` and ``duration`` (seconds) and one for the condition.
    condition_column : str
        The column that names each event's condition. Names stay texts, also where they are numbers.
    event_duration : float, optional
        Seconds, for events whose duration is missing.

    Returns
    -------
    Events
        Rows without a condition (``n/a``) are left out; an event that is listed twice counts
        once.

    Raises
    ------
    ContentError
        A column is missing or occurs twice, a cell is no number, a duration is missing or
        negative, or no event is left.
    """
    header, *rows = read_table(Path(path))
    column = _columns(path, header, condition_column, event_duration)
    _check_widths(path, header, rows)
    names = [composed(row[column["condition"]]) for row in rows]
    numbers = [i for i, name in enumerate(names) if name.lower() not in MISSING]
    if not numbers:
        raise ContentError(
            f"{path}: no row has a value in the column {condition_column!r} "
            f"({len(rows)} rows below the header).",
            "Name the column that contains the conditions with --condition-column.",
        )
    onsets = [_onset(path, rows[i][column["onset"]], i + 1) for i in numbers]
    durations = _durations(path, rows, numbers, column.get("duration"), event_duration)
    order = np.argsort(onsets, kind="stable")
    events = Events(
        conditions=tuple(names[numbers[i]] for i in order),
        onsets_s=np.array(onsets)[order],
        durations_s=np.array(durations)[order],
    )
    without = len(rows) - len(numbers)
    notes = (f"{without} of {len(rows)} events have no {condition_column} and were left out.",)
    return overlaps_told(without_duplicates(replace(events, notes=notes if without else ())))


def _columns(
    path: str, header: Sequence[str], condition_column: str, event_duration: float | None
) -> dict[str, int]:
    """Find the columns that are needed."""
    needed = {"onset": "onset", "duration": "duration", "condition": condition_column}
    found = {key: header.index(name) for key, name in needed.items() if name in header}
    if twice := [name for name in needed.values() if header.count(name) > 1]:
        raise ContentError(
            f"{path} has several columns {' and several columns '.join(map(repr, twice))}.",
            "Rename or remove all but one.",
        )
    if event_duration is not None:
        needed.pop("duration")
    missing = [name for key, name in needed.items() if key not in found]
    if not missing:
        return found
    hint = "Expected a BIDS events table: TSV with columns onset, duration and trial_type."
    if missing == [condition_column]:
        hint = "Name the column that contains the conditions with --condition-column."
    elif missing == ["duration"]:
        hint = "Give every event the same one with --event-duration SECONDS."
    raise ContentError(
        f"{path} has no column {' and no column '.join(map(repr, missing))}; its columns: "
        f"{listing(list(header))}.",
        hint,
    )


def _check_widths(path: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Refuse rows that have fewer or more cells than the header."""
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ContentError(
                f"{path}: row {number} below the header has {len(row)} cells, and the header has "
                f"{len(header)}.",
                "Cells are separated by tabs; a missing value is written n/a.",
            )


def _onset(path: str, text: str, row: int) -> float:
    """Read an onset."""
    value = _number(path, text, row, "onset")
    if np.isnan(value):
        raise ContentError(
            f"{path}: row {row} below the header has no onset ({text!r}).",
            "Give its onset in seconds, or take the row out.",
        )
    return value


def _number(path: str, text: str, row: int, column: str) -> float:
    """Read a finite number; NaN where it is missing."""
    if text.lower() in MISSING:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("inf")
    if not np.isfinite(value):
        raise ContentError(
            f"{path}: row {row} below the header, column {column!r} contains {text!r}, and a "
            "number of seconds was expected.",
            "Write decimals with a point." if "," in text else "",
        )
    return value


def _durations(
    path: str,
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    column: int | None,
    event_duration: float | None,
) -> list[float]:
    """Read the durations of the rows used."""
    texts = ["n/a" if column is None else rows[i][column] for i in numbers]
    values = [
        _number(path, text, i + 1, "duration") for text, i in zip(texts, numbers, strict=True)
    ]
    missing = [str(i + 1) for value, i in zip(values, numbers, strict=True) if np.isnan(value)]
    if missing and event_duration is None:
        raise ContentError(
            f"{path}: the duration is missing in {len(missing)} rows below the header: "
            f"{few(missing, 8)}.",
            "Give these events one with --event-duration SECONDS.",
        )
    negative = [str(i + 1) for value, i in zip(values, numbers, strict=True) if value < 0]
    if negative:
        raise ContentError(
            f"{path}: the duration is negative in rows below the header: {few(negative, 8)}."
        )
    return [event_duration if np.isnan(v) and event_duration is not None else v for v in values]
