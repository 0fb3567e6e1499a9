"""When the volumes of a run were taken: the repetition time and the start time, and their rules.

fMRIPrep shifts slices to the middle of the repetition time and says so in ``StartTime``; analyses
that ignore it place every response half a repetition time too early.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.spaces.series import Step

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
# no scanner takes this long for a volume: such a number is in milliseconds
LONGEST_S = 50.0


@dataclass(frozen=True)
class Timing:
    """When the volumes of a run were taken.

    ``frame_times_s`` are the times, from the beginning of the first volume, that the slices of each
    volume stand for. The sources say in words where the numbers come from.
    """

    frame_times_s: tuple[float, ...]
    repetition_time_s: float
    start_time_s: float
    repetition_time_source: str
    start_time_source: str
    warnings: tuple[str, ...] = ()


def find_timing(
    name: str,
    n_volumes: int,
    preproc: Mapping[str, Any],
    raw: Mapping[str, Any],
    header: Step,
    start_time: float | None = None,
) -> Timing:
    """Apply the rules of timing to what is known of a run.

    Parameters
    ----------
    name : str
        The run's, for messages.
    n_volumes : int
    preproc, raw : mapping
        The sidecar of the preprocessed BOLD, and that of the raw BOLD.
    header : Step
        What the image itself says (in ``sec``, ``msec``, ``usec`` or ``unknown``).
    start_time : float, optional
        Seconds, as the user gave it; wins over the sidecar.

    Raises
    ------
    ContentError
        No repetition time can be found, or the times don't fit the volumes.
    OptionError
        ``start_time`` is longer than a volume.
    """
    warnings: list[str] = []
    volume_times = _volume_times(name, n_volumes, preproc, raw)
    times: NDArray[np.float64]
    if volume_times is not None:
        times, source = volume_times
        tr = float(np.median(np.diff(times))) if n_volumes > 1 else 0.0
    else:
        tr, source = _repetition_time(name, preproc, raw, header, warnings)
        times = tr * np.arange(n_volumes, dtype=np.float64)
    acquired = preproc.get("AcquisitionDuration", raw.get("AcquisitionDuration"))
    span = float(acquired) if _is_number(acquired) and volume_times is not None else tr
    start, start_source = _start_time(preproc, span, start_time, warnings)
    return Timing(
        frame_times_s=tuple((start + times).tolist()),
        repetition_time_s=tr,
        start_time_s=start,
        repetition_time_source=source,
        start_time_source=start_source,
        warnings=tuple(warnings),
    )


def _is_number(value: object) -> bool:
    """Tell whether a sidecar's value is a finite number."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def _volume_times(
    name: str, n_volumes: int, preproc: Mapping[str, Any], raw: Mapping[str, Any]
) -> tuple[NDArray[np.float64], str] | None:
    """Read VolumeTiming, which irregular series have instead of a repetition time."""
    for sidecar, which in ((preproc, "preprocessed"), (raw, "raw")):
        found = sidecar.get("VolumeTiming")
        if found is None:
            continue
        numbers = isinstance(found, Sequence) and all(_is_number(value) for value in found)
        if not numbers or len(found) != n_volumes or not (np.diff(found) > 0).all():
            said = f"{len(found)} values" if numbers else "no list of numbers"
            raise ContentError(
                f"{name}: VolumeTiming of the {which} BOLD's sidecar contains {said}; one "
                f"ascending time for each of the {n_volumes} volumes was expected."
            )
        return np.array(found, dtype=float), f"VolumeTiming of the {which} BOLD"
    return None


def _repetition_time(
    name: str,
    preproc: Mapping[str, Any],
    raw: Mapping[str, Any],
    header: Step,
    warnings: list[str],
) -> tuple[float, str]:
    """Find the repetition time: the sidecars', else the header's."""
    for sidecar, which in ((preproc, "preprocessed"), (raw, "raw")):
        found = sidecar.get("RepetitionTime")
        if found is None:
            continue
        if not _is_number(found) or not 0 < found <= LONGEST_S:
            raise ContentError(
                f"{name}: RepetitionTime of the {which} BOLD's sidecar is {found!r}; a number of "
                f"seconds above 0 and up to {LONGEST_S:g} was expected."
            )
        in_header = _header_seconds(header)
        if in_header and abs(in_header - found) > 0.01 * found:
            warnings.append(
                f"The image's header says a repetition time of {in_header:g} s, and the sidecar "
                f"{found:g} s, which was used."
            )
        return float(found), f"RepetitionTime of the {which} BOLD"
    seconds = _header_seconds(header)
    if not seconds:
        raise ContentError(
            f"{name}: no repetition time was found: neither RepetitionTime nor VolumeTiming in a "
            f"sidecar, and the image's header says {header.value:g} ({header.unit}).",
            "Add RepetitionTime (seconds) to the JSON next to the BOLD image.",
        )
    warnings.append(
        f"No sidecar has a RepetitionTime: the image's header says {header.value:g} "
        f"({header.unit}), taken for {seconds:g} s."
    )
    return seconds, header.place


def _header_seconds(header: Step) -> float | None:
    """Return the header's repetition time in seconds; None where it makes none."""
    value, unit = header.value, header.unit
    scale = _SECONDS.get(unit, 1e-3 if value > LONGEST_S else 1.0)
    seconds = float(np.round(float(value) * scale, 6))  # stored in single precision
    return seconds if np.isfinite(seconds) and 0 < seconds <= LONGEST_S else None


def _start_time(
    preproc: Mapping[str, Any], span_s: float, given: float | None, warnings: list[str]
) -> tuple[float, str]:
    """Find the time within a volume that its slices stand for.

    ``span_s`` is how long a volume takes.
    """
    if given is not None:
        if given > span_s:
            raise OptionError(
                f"--start-time is {given:g} s, and a volume takes {span_s:g} s: it is a time "
                "within each volume."
            )
        return given, "--start-time"
    found = preproc.get("StartTime")
    if found is not None and _is_number(found):
        return float(found), "StartTime of the preprocessed BOLD"
    half = span_s / 2
    if preproc.get("SliceTimingCorrected") is True:
        warnings.append(
            f"Slice times were corrected, but the sidecar has no StartTime (fMRIPrep before "
            f"20.2.4): {half:g} s was used, the middle of a volume, which fMRIPrep corrects to. "
            "--start-time sets another."
        )
        return half, "absent, slice times corrected: half a volume's duration"
    return half, "absent, slice times not corrected: half a volume's duration, the mean slice"
