"""The interactive viewer of maps on hemispheres: what is kept for it, and its part of a page."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from bids_rsa.outputs.dataset_files import write_json
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.outputs.input_hashes import digest
from bids_rsa.records import HemisphereSurfaces
from bids_rsa.reports.packing import pack_viewer
from bids_rsa.reports.pictures import Scale
from bids_rsa.reports.surface_maps import drawn_hemispheres
from bids_rsa.reports.surface_packing import (
    Geometry,
    pack_geometry,
    pack_surface_map,
    shown_geometry,
    shown_locations,
)
from bids_rsa.spaces.space import Space

SurfaceMap = tuple[str, NDArray[Any], Scale]
"""The name of a map, its values (n_locations,) as drawn, and its colours."""


def keep_geometry(path: Path, space: Space, surfaces: Sequence[HemisphereSurfaces]) -> Path:
    """Write the hemispheres that maps are drawn on next to the pictures, for the page."""
    content = {
        "Description": "The surfaces that the page shows maps on",
        **pack_geometry(drawn_hemispheres(space, surfaces)),
    }
    write_json(path, content)
    return path


def read_geometry(path: Path) -> Geometry | None:
    """Read the hemispheres that `keep_geometry` wrote; None where nothing was drawn."""
    found = read_sidecar(path)
    return found if found and found.get("hemispheres") else None


def surface_viewer(
    name: str, maps: Iterable[SurfaceMap], geometry: Geometry, budget: int
) -> dict[str, Any] | None:
    """Pack maps for the viewer; see `analysis_view.view` for volumes.

    Parameters
    ----------
    name : str
        The viewer's id in the page.
    maps : iterable of SurfaceMap
    geometry : Geometry
        Of `read_geometry`.
    budget : int
        Most letters of packed data, the geometry's among them.
    """
    shown, locations = shown_geometry(geometry), shown_locations(geometry)
    fit_in = [one for one in maps if len(one[1]) > locations.max()]
    packed = [pack_surface_map(title, data, locations, scale) for title, data, scale in fit_in]
    scales, budget = [scale for *_, scale in fit_in], budget - _n_letters(shown)
    key = f"geometry-{digest(shown)[:12]}"
    viewer = pack_viewer(name, packed, scales, budget, geometry=key)
    if viewer is None:
        return None
    return viewer | {
        "thinned": _thinned(geometry),
        "surfaces": _common_surfaces(geometry),
        "sides": [one["side"] for one in geometry["hemispheres"]],
        "geometry": shown,
    }


def geometries_of(viewers: Iterable[dict[str, Any] | None]) -> dict[str, Geometry]:
    """Take the geometries of a page's viewers, each once, by their ids in the page."""
    return {
        one["content"]["geometry"]: one["geometry"]
        for one in viewers
        if one is not None and "geometry" in one
    }


def _n_letters(geometry: Geometry) -> int:
    """Count the letters that a geometry takes in the page."""
    parts = [
        [
            one["faces"],
            one["vertices"],
            one["sulci"],
            *(s["data"] for s in one["surfaces"].values()),
        ]
        for one in geometry["hemispheres"]
    ]
    return sum(len(text or "") for part in parts for text in part)


def _common_surfaces(geometry: Geometry) -> list[str]:
    """Name the surfaces that all hemispheres have."""
    first, *others = (one["surfaces"] for one in geometry["hemispheres"])
    return [name for name in first if all(name in other for other in others)]


def _thinned(geometry: Geometry) -> str:
    """Say how many vertices are shown where not all are."""
    said = [
        f"{one['n_shown']:,} of the {one['n_vertices']:,} vertices of hemi-{one['side']}"
        for one in geometry["hemispheres"]
        if one["n_shown"] < one["n_vertices"]
    ]
    return " and ".join(said)
