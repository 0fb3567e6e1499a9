"""The parts of a page that are no text: pictures as data, histograms, RDMs, arrangements."""

import base64
import io
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

WEBP_QUALITY = 82
N_BARS = 40
MOST_NAMES = 30  # in an arrangement of points
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
    cells: Sequence[float | None], names: Sequence[str], caption: str
) -> dict[str, Any]:
    """Draw an RDM, a pixel a cell, with its conditions and values for the pointer."""
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
        "cells": [None if np.isnan(value) else float(f"{value:.4g}") for value in values],
        "caption": f"{caption} ({low:.3g} to {high:.3g})",
    }


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
    """Arrange conditions in two dimensions; None where a cell has no value."""
    if any(cell is None for cell in cells) or len(names) < 3:
        return None
    points = classical_mds(np.array(cells, dtype=np.float64))
    reach = np.abs(points).max() or 1.0
    return {
        "alt": f"Multidimensional scaling of the {len(names)} conditions, {what}",
        "named": len(names) <= MOST_NAMES,
        "points": [
            {"name": name, "x": round(95 + 70 * x / reach, 1), "y": round(80 - 70 * y / reach, 1)}
            for name, (x, y) in zip(names, points, strict=True)
        ],
    }
