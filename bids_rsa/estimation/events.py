"""Events of a run: onsets, durations and conditions, and those that the run can show."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.words import few

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


def without_duplicates(events: Events) -> Events:
    """Keep one of several equal events: nilearn would add up their amplitudes."""
    keys = list(zip(events.conditions, events.onsets_s, events.durations_s, strict=True))
    first = [i for i, key in enumerate(keys) if key not in keys[:i]]
    if len(first) == len(keys):
        return events
    twice = sorted({f"{c} at {o:g} s" for i, (c, o, _) in enumerate(keys) if i not in first})
    warning = f"Duplicated events count once: {few(twice)}."
    return replace(_subset(events, first), warnings=(*events.warnings, warning))


def overlaps_told(events: Events) -> Events:
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
