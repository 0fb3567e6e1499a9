"""The order of runs, and the conditions that they lack."""

import re
from collections.abc import Sequence

from bids_rsa.records.condition_image import ConditionImage


def natural_key(label: str | None) -> tuple[tuple[int, int | str], ...]:
    """Sort labels as people do: run 2 before run 10."""
    parts = re.findall(r"\d+|\D+", label or "")
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def missing_by_run(
    images: Sequence[ConditionImage], conditions: Sequence[str]
) -> dict[str | None, list[str]]:
    """List the conditions that each run has no image of, for the runs that lack any."""
    found = {(image.run, image.condition) for image in images}
    runs = sorted({image.run for image in images}, key=natural_key)
    missing = {run: [name for name in conditions if (run, name) not in found] for run in runs}
    return {run: names for run, names in missing.items() if names}
