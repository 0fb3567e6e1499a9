"""The parts of a page that are no text: pictures as data, histograms, RDMs, arrangements."""

import base64
import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from bids_rsa.core.mds import classical_mds
from bids_rsa.reports.label_places import place_labels
from bids_rsa.reports.row_names import MOST_NAMED, names_or_numbers, numbered_rows

WEBP_QUALITY = 82
N_BARS = 40
_MOST_LETTERS = 18
_LETTER, _LINE = 5.4, 9.5  # width of a letter and height of a line in an arrangement of points
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Picture:
    """A picture inside the page."""

    uri: str
    width: int
    height: int
    alt: str
    name: str = ""
    out: bool = False


def _uri(image: Any, kind: str, **options: Any) -> str:
    """Write an image as a data URI."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def embed(path: Path, alt: str) -> Picture | None:
    """Embed a PNG file in few bytes; None where there is none that can be read."""
    try:
        with Image.open(path) as image:
            plain = image.convert("RGB")
    except OSError:
        return None
    return embed_image(plain, alt)


def embed_image(image: Any, alt: str, name: str = "", out: bool = False) -> Picture:
    """Embed a picture in memory."""
    uri = _uri(image, "webp", quality=WEBP_QUALITY, method=2)
    return Picture(uri, image.width, image.height, alt, name, out)


def histogram(values: Floats, unit: str) -> dict[str, Any] | None:
    """Count values for a bar chart; None without any."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    low, high = float(known.min()), float(known.max())
    if high == low:
        high = low + (abs(low) or 1.0) * 1e-6
    n, _ = np.histogram(known, N_BARS, (low, high))
    width = 220 / N_BARS
    bars = [
        {
            "x": round(10 + width * k, 2),
            "y": round(70 - 60 * count / n.max(), 2),
            "width": round(width - 0.4, 2),
            "height": round(60 * count / n.max(), 2),
        }
        for k, count in enumerate(n)
        if count
    ]
    alt = (
        f"Histogram of {unit} over {known.size} centres: smallest {low:.3g}, "
        f"median {np.median(known):.3g}, largest {float(known.max()):.3g}"
    )
    return {"bars": bars, "low": f"{low:.3g}", "high": f"{high:.3g}", "alt": alt}


def rdm_picture(
    cells: Sequence[float | None], names: Sequence[str], caption: str, unit: str = ""
) -> dict[str, Any]:
    """Draw an RDM, a pixel a cell, with its conditions and values for the pointer.

    Rows have their names, or some of them their numbers where there are many. ``unit`` is what the
    cells are.
    """
    values = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    square = scipy.spatial.distance.squareform(values, checks=False)
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    # cross-validated distances may be below 0; the diagonal is left white
    shown = (square - low) / ((high - low) or 1.0)
    colours = colormaps["viridis"](np.nan_to_num(shown))[..., :3]
    colours[np.isnan(square)] = 0.8
    colours[np.eye(len(names), dtype=bool)] = 1.0
    image = Image.fromarray(np.rint(255 * colours).astype(np.uint8))
    return {
        "uri": _uri(image, "png", compress_level=9),
        "alt": f"{caption}: RDM of {len(names)} conditions. {_extremes(values, names)}",
        "names": list(names),
        "ticks": _ticks(len(names)) if len(names) > MOST_NAMED else [],
        "cells": [None if np.isnan(value) else float(f"{value:.4g}") for value in values],
        "caption": f"{caption} ({f'{unit} ' * bool(unit)}{low:.3g} to {high:.3g})",
    }


def _ticks(n: int) -> list[dict[str, float]]:
    """Choose rows of an RDM to be numbered; ``top`` is in percent of its height."""
    return [{"row": row + 1, "top": round(100 * (row + 0.5) / n, 2)} for row in numbered_rows(n)]


def _extremes(values: Floats, names: Sequence[str]) -> str:
    """Say which pairs are nearest and farthest."""
    if not np.isfinite(values).any():
        return "No cell has a value."
    first, second = np.triu_indices(len(names), 1)
    said = []
    for word, k in (
        ("Most similar", np.nanargmin(values)),
        ("least similar", np.nanargmax(values)),
    ):
        said.append(f"{word}: {names[first[k]]} and {names[second[k]]} ({values[k]:.3g})")
    return f"{'; '.join(said)}."


def arrangement(
    cells: Sequence[float | None], names: Sequence[str], what: str
) -> dict[str, Any] | None:
    """Arrange conditions in two dimensions; None where a cell has no value.

    Points have their names, or their numbers where there are many; no label hides another.
    """
    if any(cell is None for cell in cells) or len(names) < 3:
        return None
    points = classical_mds(np.array(cells, dtype=np.float64))
    labels = [shortened(label, _MOST_LETTERS) for label in names_or_numbers(names)]
    sizes = np.array([(_LETTER * _n_columns(label) + 2, _LINE) for label in labels])
    # room for all labels, and for as many points
    area = 1.25 * sizes.prod(axis=1).sum()
    width = max(200.0, 2.4 * float(np.sqrt(area)), 40 * float(np.sqrt(len(names))))
    height = 0.8 * width
    room = np.array([width / 2 - sizes[:, 0].max() - 6, height / 2 - 2 * _LINE])
    spread = np.maximum(np.abs(points).max(axis=0), 1e-300)
    scale = min(np.maximum(room, 0.25 * height) / spread)  # the same for both axes
    at = np.array([width / 2, height / 2]) + points * scale * [1, -1]
    placed = place_labels(at, sizes, (1, 1, width - 1, height - 1), gap=4)
    return {
        "alt": f"Multidimensional scaling of the {len(names)} conditions, {what}",
        "width": round(width),
        "height": round(height),
        "points": [
            {
                "name": name, "label": label, "x": round(x, 1), "y": round(y, 1),
                "label_x": round(center[0], 1), "label_y": round(center[1], 1),
                "needs_line": needs_line,
            }
            for name, label, (x, y), center, needs_line in zip(
                names, labels, at.tolist(), placed.centers.tolist(), placed.needs_line.tolist(),
                strict=True,
            )
        ],
    }  # fmt: skip


def shortened(name: str, most: int) -> str:
    """Cut a name to a number of letters."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _n_columns(text: str) -> int:
    """Count the letters of a text; wide ones, as in Chinese, count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "FW" else 1 for letter in text)
