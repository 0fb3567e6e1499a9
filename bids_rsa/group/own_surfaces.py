"""The participants' own surfaces on the mesh of their maps, for the areas of its vertices."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.mesh import vertex_areas
from bids_rsa.errors import BidsRsaError
from bids_rsa.group.participant_maps import Member, ParticipantMap
from bids_rsa.group.records import GroupTest
from bids_rsa.outputs.dataset_files import resolve_sources
from bids_rsa.records import HemisphereSurfaces
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.surface_files import load_middle, read_surface

Surfaces = tuple[HemisphereSurfaces, ...]
_SURFACE = re.compile(r"\.surf\.gii(\.gz)?$|^[lr]h\.[a-z.]+$|sphere.*\.gii(\.gz)?$")


def find_own_surfaces(
    members: Sequence[Member], hemispheres: Sequence[tuple[Hemisphere, int]]
) -> tuple[tuple[Surfaces, ...], tuple[str, ...]]:
    """Find the surfaces that each participant's map was made on, by its sidecar.

    Parameters
    ----------
    members : sequence of Member
    hemispheres : sequence of (hemisphere, number of vertices)
        Of the maps.

    Returns
    -------
    surfaces : tuple of tuple of HemisphereSurfaces
        Of each participant; empty where some have none.
    without : tuple of str
        Participants without their own surfaces, where others have some.
    """
    found = {one.subject: _own(one.maps[0][0], hemispheres) for one in members}
    without = tuple(subject for subject, own in found.items() if not own)
    if len(without) == len(found):
        return (), ()
    return (() if without else tuple(found.values())), without


def _own(one: ParticipantMap, hemispheres: Sequence[tuple[Hemisphere, int]]) -> Surfaces:
    """Find the surfaces of one participant; none of a template, or that are not there any more."""
    root = Path(one.path.partition(f"/sub-{one.subject}/")[0])
    paths: list[Path] = []
    for half in one.halves:
        uris = [uri for uri in half.metadata.get("Sources", ()) if _SURFACE.search(_name(uri))]
        paths += resolve_sources(root, uris)
    made = []
    for side, n_vertices in hemispheres:
        own = [str(path) for path in dict.fromkeys(paths) if _side(path) == side]
        spheres = tuple(path for path in own if "sphere" in _name(path))
        surfaces = tuple(path for path in own if path not in spheres)
        choice = HemisphereSurfaces(side, surfaces, "the participant's own", spheres)
        if not (surfaces and len(spheres) in (0, 2) and _fits(choice, n_vertices)):
            return ()
        made.append(choice)
    return tuple(made)


def _side(path: Path) -> Hemisphere | None:
    """Tell which hemisphere a surface is of; None also where it cannot be read."""
    try:
        return read_surface(path).hemisphere
    except BidsRsaError:
        return None


def _name(path: str) -> str:
    """Give the name of a file or URI without its folder."""
    return path.rpartition("/")[2]


def _fits(choice: HemisphereSurfaces, n_vertices: int) -> bool:
    """Tell whether surfaces can be read, and are on the mesh of the maps."""
    try:
        return len(load_middle(choice).coordinates_mm) == n_vertices
    except BidsRsaError:
        return False


def mean_areas_mm2(test: GroupTest) -> list[NDArray[np.float64]]:
    """Average the areas of all vertices over participants, hemisphere by hemisphere."""
    totals: list[NDArray[np.float64]] = []
    for own in test.own_surfaces:
        meshes = [load_middle(choice) for choice in own]
        areas = [vertex_areas(mesh.coordinates_mm, mesh.triangles) for mesh in meshes]
        totals = [a + b for a, b in zip(totals, areas, strict=True)] if totals else areas
    return [total / len(test.own_surfaces) for total in totals]
