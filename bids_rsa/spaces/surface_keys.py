"""What the sidecar of a map says about its surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.spaces.surface_files import density_label
from bids_rsa.spaces.surface_part import SurfacePart

DISTANCE = "dijkstra over edges and unfolded triangle pairs"
# spaces that BIDS knows as standard, where SpatialReference is not needed
_STANDARD = {"fsaverage", "fsLR", "fsnative"}


def is_of_mesh(path: str, parts: Sequence[SurfacePart]) -> bool:
    """Tell whether the density in a file's name is that of a mesh; true without one."""
    label = Path(path).name.partition("_den-")[2].partition("_")[0]
    labels = [density_label(len(part.coordinates_mm)) for part in parts]
    return not label or label in labels


def surface_keys(space: Any, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Say in a sidecar which surface a map is on.

    Parameters
    ----------
    space : SurfaceSpace or GrayordinateSpace
        ``parts``, ``geometry`` and ``reference`` are used.
    beside : mapping
        The sidecar of the first image.
    path : str
        Of the map.
    """
    keys: dict[str, Any] = {
        key: beside[key] for key in ("SpatialReference", "Density") if key in beside
    }
    if "_den-" in path and "Density" not in keys:
        sizes = (f"{len(p.coordinates_mm):,} vertices (hemi-{p.hemisphere})" for p in space.parts)
        keys["Density"] = ", ".join(sizes)
    name = Path(path).name
    label = name.partition("_space-")[2].partition("_")[0]
    if label and label not in _STANDARD and "SpatialReference" not in keys:
        keys["SpatialReference"] = space.reference or label
    return keys | {"SurfaceGeometry": space.geometry, "SurfaceDistance": DISTANCE}
