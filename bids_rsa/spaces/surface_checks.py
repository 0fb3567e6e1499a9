"""Checks of surfaces: hemispheres that are swapped, a radius that is too small or too large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.spaces.surface_part import SurfacePart
from bids_rsa.words import in_metres

# a left hemisphere whose middle is so far to the right of the right one's is no left one
_SWAPPED_MM = 10.0


def refuse_swapped(parts: Sequence[SurfacePart]) -> None:
    """Refuse a left hemisphere that is to the right of the right one.

    Raises
    ------
    ContentError
        Says where they are.
    """
    middle = {part.hemisphere: float(part.coordinates_mm[:, 0].mean()) for part in parts}
    if len(middle) == 2 and middle["L"] > middle["R"] + _SWAPPED_MM:
        raise ContentError(
            f"The surface of the left hemisphere is around x = {middle['L']:.0f} mm, that of the "
            f"right one around x = {middle['R']:.0f} mm: left and right are swapped.",
            "Check which hemisphere each surface is of.",
        )


def check_surface_radius(parts: Sequence[SurfacePart], radius_mm: float, name: str) -> None:
    """Refuse a radius that reaches no neighbour of most vertices, or everything.

    Raises
    ------
    OptionError
        With the lengths of edges and the extent.
    """
    edges, extents = [], []
    for part in parts:
        a, b = part.coordinates_mm[part.triangles[:, 0]], part.coordinates_mm[part.triangles[:, 1]]
        edges.append(np.linalg.norm(a - b, axis=1))
        extents.append(float(np.linalg.norm(np.ptp(part.coordinates_mm, axis=0))))
    edge = float(np.median(np.concatenate(edges)))
    if not radius_mm > 0 or radius_mm < edge:
        raise OptionError(
            f"The radius is {radius_mm:g} mm, but the edges of the mesh of {name} measure "
            f"{edge:.3g} mm (median): most patches would contain a single vertex.",
            f"Give a radius of at least {2 * edge:.2g} mm.{in_metres(radius_mm)}",
        )
    if np.inf > radius_mm >= max(extents):
        raise OptionError(
            f"The radius is {radius_mm:g} mm, but the surface of {name} measures "
            f"{max(extents):.4g} mm from corner to corner: every patch would be a whole "
            "hemisphere, and the map one constant.",
            "Searchlights usually have a radius of 5 to 15 mm.",
        )
