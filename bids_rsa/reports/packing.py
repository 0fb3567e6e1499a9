"""Numbers packed for the viewers of a page: in few bits, compressed, as text."""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.reports.drawing import COUNTS_OPACITY, is_count
from bids_rsa.reports.pictures import Scale

NO_VALUE = -32768
STEPS = 8000  # of a map's values, from 0 to the largest


@dataclass(frozen=True)
class PackedNumbers:
    """A map or an anatomy as a viewer reads it, and how many letters it takes in the page."""

    content: dict[str, Any]

    @property
    def size(self) -> int:
        """Length of its data."""
        return len(self.content["data"])


def to_text(values: NDArray[Any]) -> str:
    """Write values as text, the first axis fastest; the same values give the same text."""
    return base64.b64encode(gzip.compress(values.tobytes(order="F"), 6, mtime=0)).decode("ascii")


def values_of(text: str, kind: str) -> NDArray[Any]:
    """Read values (n,) of a type such as ``<i4`` from text."""
    return np.frombuffer(gzip.decompress(base64.b64decode(text)), kind)


def steps_of(values: NDArray[Any], shown: NDArray[np.bool_]) -> tuple[NDArray[np.int16], float]:
    """Round values to steps of a fraction of the largest; `NO_VALUE` where none is shown.

    Returns
    -------
    steps, step
        Values are ``steps * step``.
    """
    largest = float(np.abs(values[shown]).max(initial=0.0)) or 1.0
    steps = np.full(values.shape, NO_VALUE, "<i2")
    steps[shown] = np.rint(values[shown] / largest * STEPS)
    return steps, largest / STEPS


def drawn_keys(scale: Scale) -> dict[str, Any]:
    """Say how a viewer colours a map."""
    return {
        "low": scale.low,
        "high": scale.high,
        "colours": scale.colours.name,
        "unit": scale.unit,
        "threshold": scale.threshold,
        "opacity": COUNTS_OPACITY if is_count(scale.unit) else None,
    }


def palettes(scales: Sequence[Scale]) -> dict[str, str]:
    """Write each colour map as text: 256 times red, green, blue."""
    return {scale.colours.name: _palette(scale) for scale in scales}


def _palette(scale: Scale) -> str:
    """Write one colour map."""
    table = np.rint(255 * scale.colours(np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    return base64.b64encode(table.tobytes()).decode("ascii")


def pack_viewer(
    name: str,
    packed: Sequence[PackedNumbers],
    scales: Sequence[Scale],
    budget: int,
    **content: Any,
) -> dict[str, Any] | None:
    """Put packed maps together as a viewer reads them; None where not one of them fits.

    Parameters
    ----------
    name : str
        The viewer's id in the page.
    packed : sequence of PackedNumbers
        Maps.
    scales : sequence of Scale
        Their colours.
    budget : int
        Most letters of them.
    **content
        What they are shown on.
    """
    taken, left_out = fitting(packed, budget)
    if not taken:
        return None
    maps = {"maps": [one.content for one in taken], "palettes": palettes(scales)}
    return {"id": name, "left_out": left_out, "content": content | maps}


def fitting(packed: Sequence[PackedNumbers], budget: int) -> tuple[list[PackedNumbers], list[str]]:
    """Take the first maps that fit into a budget of letters; name the others."""
    taken: list[PackedNumbers] = []
    left: list[str] = []
    for one in packed:
        if one.size <= budget:
            budget -= one.size
            taken.append(one)
        else:
            left.append(one.content["name"])
    return taken, left
