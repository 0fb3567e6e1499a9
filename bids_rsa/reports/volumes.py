"""Volumes packed for the slice viewer of a page: cropped to what they hold."""

from typing import Any

import numpy as np
from nibabel.affines import apply_affine, from_matvec
from numpy.typing import NDArray

from bids_rsa.reports.packing import PackedNumbers, drawn_keys, steps_of, to_text
from bids_rsa.reports.pictures import Scale
from bids_rsa.reports.slices import Anatomy

Floats = NDArray[np.float64]


def _cropped(data: NDArray[Any], used: NDArray[np.bool_], affine: Floats) -> tuple[Any, Floats]:
    """Cut away the margins that contain nothing."""
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
) -> PackedNumbers:
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
    steps, step = steps_of(data, shown)
    steps, affine = _cropped(steps, shown, affine)
    return PackedNumbers(
        {
            "name": name,
            "shape": list(steps.shape),
            "inverse": np.linalg.inv(affine)[:3].ravel().tolist(),
            "step": step,
            **drawn_keys(scale),
            "data": to_text(steps),
        }
    )


def pack_anatomy(anatomy: Anatomy) -> PackedNumbers:
    """Pack the anatomy as grey values from 1 to 255; 0 is nothing."""
    inside = anatomy.inside > 0
    grey = np.where(inside, 1 + np.rint(254 * anatomy.grey / 0.9), 0).astype(np.uint8)
    grey, affine = _cropped(grey, inside, anatomy.affine)
    return PackedNumbers(
        {
            "shape": list(grey.shape),
            "inverse": np.linalg.inv(affine)[:3].ravel().tolist(),
            "data": to_text(grey),
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
