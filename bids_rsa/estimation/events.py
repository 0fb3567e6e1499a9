"""Events of a run, from a BIDS events table: onsets, durations and conditions."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.tables import MISSING, composed, read_table
from bids_rsa.words import few, listing

# an event that began this long before the first volume has no response left in the run
EARLIEST_S = -24.0
# an event that ends later than this after the last volume was probably written wrongly
BEYOND_THE_END_S = 10.0
# times in tables are rounded: events that follow each other at once may overlap by that
ROUNDING_S = 0.01


@dataclass(frozen=True, eq=False)
class Events:
    """The events of a run, sorted by onset.

    Parameters
    ----------
    conditions : tuple of str
        The condition of each event.
    onsets_s, durations_s : ndarray, shape (n_events,)
        In seconds from the first volume's start.
    notes, warnings : tuple of str
        What was done with unusual rows.
    """

    conditions: tuple[str, ...]
    onsets_s: NDArray[np.float64]
    durations_s: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The conditions that have an event, sorted."""
        return tuple(sorted(set(self.conditions)))

    def count(self, condition: str) -> int:
        """Count the events of a condition."""
        return self.conditions.count(condition)


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
    return _overlaps_told(_without_duplicates(replace(events, notes=notes if without else ())))


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


def _without_duplicates(events: Events) -> Events:
    """Keep one of several equal events: nilearn would add up their amplitudes."""
    keys = list(zip(events.conditions, events.onsets_s, events.durations_s, strict=True))
    first = [i for i, key in enumerate(keys) if key not in keys[:i]]
    if len(first) == len(keys):
        return events
    twice = sorted({f"{c} at {o:g} s" for i, (c, o, _) in enumerate(keys) if i not in first})
    warning = f"Duplicated events count once: {few(twice)}."
    return replace(_subset(events, first), warnings=(*events.warnings, warning))


def _overlaps_told(events: Events) -> Events:
    """Warn where events of one condition overlap: their responses are added up."""
    ends: dict[str, float] = {}
    found = []
    for name, onset, duration in zip(
        events.conditions, events.onsets_s, events.durations_s, strict=True
    ):
        if onset < ends.get(name, -np.inf) - ROUNDING_S:
            found.append(f"{name} at {onset:g} s")
        ends[name] = max(ends.get(name, -np.inf), onset + duration)
    if not found:
        return events
    warning = (
        "Events that begin before the previous one of their condition has ended (their responses "
        f"are added up): {few(found)}."
    )
    return replace(events, warnings=(*events.warnings, warning))


def _subset(events: Events, kept: Sequence[int]) -> Events:
    """Keep some of the events."""
    index = np.array(kept, dtype=np.intp)
    return replace(
        events,
        conditions=tuple(events.conditions[i] for i in kept),
        onsets_s=events.onsets_s[index],
        durations_s=events.durations_s[index],
    )


def within_run(events: Events, frame_times_s: NDArray[np.float64]) -> Events:
    """Leave out events that the run cannot show, with a warning that counts them.

    These are events from the time of the last volume on, and those more than 24 s before the first
    volume.

    Parameters
    ----------
    events : Events
    frame_times_s : ndarray, shape (n_volumes,)
        When each volume was taken.

    Raises
    ------
    ContentError
        No event is left, or most of them last longer than the run.
    """
    early = events.onsets_s < frame_times_s[0] + EARLIEST_S
    late = events.onsets_s >= frame_times_s[-1]
    kept = np.flatnonzero(~early & ~late)
    last = f"the last volume was taken at {frame_times_s[-1]:.4g} s"
    if not kept.size:
        raise ContentError(
            f"None of the {events.onsets_s.size} events is within the run: onsets go from "
            f"{events.onsets_s[0]:g} to {events.onsets_s[-1]:g}, and {last}.",
            "Onsets are seconds from the first volume of the run; are these in milliseconds?",
        )
    warnings = list(events.warnings)
    for chosen, where in ((late, f"after the end of the run ({last})"),
                          (early, "more than 24 s before the first volume")):  # fmt: skip
        if chosen.any():
            told = [
                f"{events.conditions[i]} at {events.onsets_s[i]:g} s"
                for i in np.flatnonzero(chosen)
            ]
            warnings.append(f"{len(told)} events begin {where} and were left out: {few(told)}.")
    inside = _subset(events, kept.tolist())
    warnings += _overlong(inside, frame_times_s)
    return replace(inside, warnings=tuple(warnings))


def _overlong(events: Events, frame_times_s: NDArray[np.float64]) -> list[str]:
    """Say which events last beyond the run; refuse durations that cannot be seconds.

    An event may end a little after the last volume, when the scanner was stopped.
    """
    end, length = frame_times_s[-1], frame_times_s[-1] - frame_times_s[0]
    if len(events.conditions) > 1 and np.median(events.durations_s) > length:
        raise ContentError(
            f"Most of the {len(events.conditions)} events last longer than the run ({length:.4g} "
            f"s from the first volume to the last): their durations go from "
            f"{events.durations_s.min():g} to {events.durations_s.max():g}.",
            "Durations are seconds; are these in milliseconds?",
        )
    late = events.onsets_s + events.durations_s > end + BEYOND_THE_END_S
    told = [
        f"{events.conditions[i]} at {events.onsets_s[i]:g} s for {events.durations_s[i]:g} s"
        for i in np.flatnonzero(late)
    ]
    if not told:
        return []
    return [
        f"Events that last more than {BEYOND_THE_END_S:g} s beyond the last volume (taken at "
        f"{end:.4g} s): {few(told)}."
    ]
