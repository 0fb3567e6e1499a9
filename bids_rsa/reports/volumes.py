"""Volumes packed for the viewer of a page: cropped, in few bits, compressed, as text."""

import base64
import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.affines import apply_affine, from_matvec
from numpy.typing import NDArray

from bids_rsa.reports.pictures import Scale
from bids_rsa.reports.slices import Anatomy

NO_VALUE = -32768
STEPS = 8000  # of a map's values, from 0 to the largest
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Packed:
    """A volume as the viewer reads it, and how many letters it takes in the page."""

    content: dict[str, Any]

    @property
    def size(self) -> int:
        """Length of its data."""
        return len(self.content["data"])


def _text(values: NDArray[Any]) -> str:
    """Write values as text; the same values give the same text."""
    return base64.b64encode(gzip.compress(values.tobytes(order="F"), 6, mtime=0)).decode("ascii")


def _cropped(data: NDArray[Any], used: NDArray[np.bool_], affine: Floats) -> tuple[Any, Floats]:
    """Cut away the margins that hold nothing."""
    if not used.any():
        return data[:1, :1, :1], affine
    parts = []
    for axis in range(3):
        found = np.flatnonzero(used.any(axis=tuple(i for i in range(3) if i != axis)))
        parts.append(slice(int(found[0]), int(found[-1]) + 1))
    corner = apply_affine(affine, [part.start for part in parts])
    return data[tuple(parts)], from_matvec(affine[:3, :3], corner)


def pack_map(
    name: str, data: NDArray[Any], mask: NDArray[Any], affine: Floats, scale: Scale
) -> Packed:
    """Pack a map.

    Parameters
    ----------
    name : str
        What it is called in the selector.
    data, mask : (X, Y, Z)
        Values, and where there are any.
    affine : (4, 4) float64
    scale : Scale
    """
    shown = mask.astype(bool) & np.isfinite(data)
    largest = float(np.abs(data[shown]).max(initial=0.0)) or 1.0
    steps = np.full(data.shape, NO_VALUE, "<i2")
    steps[shown] = np.rint(data[shown] / largest * STEPS)
    steps, affine = _cropped(steps, shown, affine)
    return Packed(
        {
            "name": name,
            "shape": list(steps.shape),
            "inverse": np.linalg.inv(affine)[:3].ravel().tolist(),
            "step": largest / STEPS,
            "low": scale.low,
            "high": scale.high,
            "colours": scale.colours.name,
            "unit": scale.unit,
            "threshold": scale.threshold,
            "data": _text(steps),
        }
    )


def pack_anatomy(anatomy: Anatomy) -> Packed:
    """Pack the anatomy as grey values from 1 to 255; 0 is nothing."""
    inside = anatomy.inside > 0
    grey = np.where(inside, 1 + np.rint(254 * anatomy.grey / 0.9), 0).astype(np.uint8)
    grey, affine = _cropped(grey, inside, anatomy.affine)
    return Packed(
        {
            "shape": list(grey.shape),
            "inverse": np.linalg.inv(affine)[:3].ravel().tolist(),
            "data": _text(grey),
        }
    )


def box_mm(mask: NDArray[Any], affine: Floats, margin_mm: float = 8.0) -> list[list[float]]:
    """Give the box in mm that the viewer shows."""
    mm = apply_affine(affine, np.argwhere(mask if mask.any() else np.ones_like(mask)))
    return [(mm.min(axis=0) - margin_mm).tolist(), (mm.max(axis=0) + margin_mm).tolist()]


def highest_mm(data: NDArray[Any], affine: Floats) -> list[float]:
    """Give the place of a map's highest value, where the viewer starts."""
    peak = np.unravel_index(int(np.argmax(np.nan_to_num(data))), data.shape)
    return [round(float(x), 3) for x in apply_affine(affine, peak)]


def palette(scale: Scale) -> str:
    """Write a colour map as text: 256 times red, green, blue."""
    table = np.rint(255 * scale.colours(np.linspace(0, 1, 256))[:, :3]).astype(np.uint8)
    return base64.b64encode(table.tobytes()).decode("ascii")


def fitting(volumes: Sequence[Packed], budget: int) -> tuple[list[Packed], list[str]]:
    """Take the first volumes that fit into a budget of letters; name the others."""
    taken: list[Packed] = []
    left: list[str] = []
    for volume in volumes:
        if volume.size <= budget:
            budget -= volume.size
            taken.append(volume)
        else:
            left.append(volume.content["name"])
    return taken, left
