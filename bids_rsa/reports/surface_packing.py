"""Hemispheres packed for the viewer of a page: thinned where dense, in few bits, as text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.reports.packing import PackedNumbers, drawn_keys, steps_of, to_text, values_of
from bids_rsa.reports.pictures import Scale
from bids_rsa.reports.surface_view import DrawnHemisphere, is_sulcus
from bids_rsa.reports.thinning import thin_mesh

MOST_VERTICES = 41_000  # of a hemisphere; a denser one is shown by fewer
THINNED_TO = 32_000
_COORDINATE_STEPS = 32_000
Geometry = dict[str, Any]


def pack_geometry(hemispheres: Sequence[DrawnHemisphere]) -> Geometry:
    """Pack what the viewer needs of one or two hemispheres, as it is kept next to the pictures.

    Returns
    -------
    dict
        For JSON. ``locations`` (int32, of a map; -1: none) and ``n_vertices`` are not for the
        viewer; all else is. ``faces`` is None where they are those of the first hemisphere, and
        ``vertices`` where all are shown.
    """
    packed: list[dict[str, Any]] = []
    for one in hemispheres:
        content = _pack_hemisphere(one)
        if packed and content["faces"] == packed[0]["faces"]:
            content["faces"] = None
        packed.append(content)
    return {"hemispheres": packed}


def _pack_hemisphere(one: DrawnHemisphere) -> dict[str, Any]:
    """Pack one hemisphere."""
    n_vertices, triangles = len(one.middle_mm), np.asarray(one.triangles, dtype=np.int64)
    vertices = np.arange(n_vertices)
    if n_vertices > MOST_VERTICES:
        vertices, triangles = thin_mesh(one.middle_mm, triangles, THINNED_TO)
    surfaces = {"folded": one.middle_mm}
    if one.coordinates_mm is not one.middle_mm:
        surfaces = {"inflated": one.coordinates_mm, **surfaces}
    wide = len(vertices) > 2**16
    return {
        "side": one.hemisphere,
        "n_vertices": n_vertices,
        "n_shown": len(vertices),
        "vertices": to_text(vertices.astype("<u4")) if len(vertices) < n_vertices else None,
        "faces": to_text(triangles.astype("<u4" if wide else "<u2")),
        "sulci": to_text(is_sulcus(one)[vertices].astype(np.uint8)),
        "surfaces": {name: _pack_points(mm[vertices]) for name, mm in surfaces.items()},
        "locations": to_text(one.locations[vertices].astype("<i4")),
    }


def _pack_points(points_mm: NDArray[np.float64]) -> dict[str, Any]:
    """Pack coordinates: all x, all y, all z, in steps of some micrometres."""
    step = float(np.abs(points_mm).max(initial=0.0)) / _COORDINATE_STEPS or 1.0
    return {"step": step, "data": to_text(np.rint(points_mm / step).astype("<i2"))}


def shown_geometry(geometry: Geometry) -> Geometry:
    """Leave out what the viewer does not need."""
    return {
        "hemispheres": [
            {key: value for key, value in one.items() if key != "locations"}
            for one in geometry["hemispheres"]
        ]
    }


def shown_locations(geometry: Geometry) -> NDArray[np.int32]:
    """Give the location of a map at each vertex shown, of all hemispheres; -1: none."""
    parts = [values_of(one["locations"], "<i4") for one in geometry["hemispheres"]]
    return np.concatenate(parts)


def unpack_hemispheres(geometry: Geometry) -> list[DrawnHemisphere]:
    """Undo `pack_geometry`: hemispheres as they are drawn, by the vertices shown."""
    drawn, faces = [], np.empty((0, 3), dtype=np.int64)
    for one in geometry["hemispheres"]:
        if one["faces"] is not None:
            kind = "<u4" if one["n_shown"] > 2**16 else "<u2"
            faces = values_of(one["faces"], kind).reshape(-1, 3, order="F").astype(np.int64)
        surfaces = [_unpack_points(packed) for packed in one["surfaces"].values()]
        locations = values_of(one["locations"], "<i4").astype(np.int64)
        drawn.append(DrawnHemisphere(one["side"], surfaces[0], faces, surfaces[-1], locations))
    return drawn


def _unpack_points(packed: Mapping[str, Any]) -> NDArray[np.float64]:
    """Undo `_pack_points`."""
    steps = values_of(packed["data"], "<i2").reshape(-1, 3, order="F")
    return np.asarray(steps * float(packed["step"]), dtype=np.float64)


def pack_surface_map(
    name: str, data: NDArray[Any], locations: NDArray[np.int32], scale: Scale
) -> PackedNumbers:
    """Pack the values of a map at the vertices shown.

    Parameters
    ----------
    name : str
        What it is called in the selector.
    data : (n_locations,)
        NaN where there is no value.
    locations : (n_shown,) int32
        Of `shown_locations`.
    scale : Scale
    """
    values = np.where(locations < 0, np.nan, data[locations])
    steps, step = steps_of(values, np.isfinite(values))
    return PackedNumbers({"name": name, "step": step, **drawn_keys(scale), "data": to_text(steps)})
