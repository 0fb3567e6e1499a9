"""Where the maps of a test are, and their values as one vector of all locations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.discovery.surfaces import SurfaceFiles, find_surfaces, refuse_one_for_both
from bids_rsa.group.own_surfaces import mean_areas_mm2
from bids_rsa.group.participant_maps import ParticipantMap
from bids_rsa.group.records import GroupTest
from bids_rsa.patterns.places import surface_space
from bids_rsa.records import Analysis, HemisphereSurfaces
from bids_rsa.settings import InputSettings
from bids_rsa.spaces.cifti import open_cifti, read_cifti_map
from bids_rsa.spaces.gifti import read_maps
from bids_rsa.spaces.grayordinate_layout import CORTEX, GrayordinateLayout
from bids_rsa.spaces.grayordinates import GrayordinateSpace
from bids_rsa.spaces.headers import header_of
from bids_rsa.spaces.hemispheres import Hemisphere
from bids_rsa.spaces.images import grid_of, load_volume, n_volumes, open_image, read_volume
from bids_rsa.spaces.map_files import maps_header
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.spaces.vertex_layout import VertexLayout
from bids_rsa.spaces.volume import VolumeSpace

Floats = NDArray[np.float64]


def layout_of_map(one: ParticipantMap) -> Any:
    """Read where the values of a map are, from its headers."""
    if one.form == "volume":
        return header_of(one.path).grid
    layouts = [maps_header(path).layout for path in one.paths]
    if one.form == "grayordinates":
        return layouts[0]
    return VertexLayout(tuple(side for layout in layouts for side in layout.hemispheres))


def hemispheres_of(layout: Any) -> tuple[tuple[Hemisphere, int], ...]:
    """List the hemispheres of a layout, and how many vertices their meshes have."""
    if not isinstance(layout, GrayordinateLayout):
        return tuple(layout.hemispheres)
    counts = dict(layout.mesh_vertices)
    return tuple((CORTEX[name], counts[name]) for name, _ in layout.structures if name in CORTEX)


def group_surfaces(one: ParticipantMap, inputs: InputSettings) -> tuple[HemisphereSurfaces, ...]:
    """Find the surfaces that clusters are formed on: those given, or the template's.

    Raises
    ------
    InputError
        There is none for the maps' mesh.
    OptionError
        A path is the same file for both hemispheres.
    """
    if one.form == "volume":
        return ()
    analysis = Analysis("group", (), (), space=one.key.space)
    hemispheres = hemispheres_of(layout_of_map(one))
    refuse_one_for_both(inputs, [side for side, _ in hemispheres])
    return tuple(
        find_surfaces(SurfaceFiles(analysis, side, n_vertices, (), ()), inputs)
        for side, n_vertices in hemispheres
    )


def space_of_test(test: GroupTest, with_areas: bool = False) -> Space:
    """Find the space of a test's maps by the first of them, and read the surfaces it needs.

    ``with_areas``: vertices have the mean areas of the participants' own surfaces, if there are.
    """
    first = test.members[0].maps[0][0]
    if first.form != "volume":
        space = surface_space(layout_of_map(first), test.surfaces, test.title, first.path)
        if with_areas and test.own_surfaces and isinstance(space, SurfaceSpace | GrayordinateSpace):
            areas = mean_areas_mm2(test)
            parts = [replace(one, areas=own) for one, own in zip(space.parts, areas, strict=True)]
            return replace(space, parts=tuple(parts))
        return space
    image = open_image(first.path)
    grid = grid_of(image)
    return VolumeSpace(grid.shape, grid.affine, image)


def read_map(one: ParticipantMap) -> Floats:
    """Read a map (n_locations,)."""
    if one.form == "volume":
        return np.asarray(load_volume(one.path)[0], dtype=np.float64).ravel()
    return np.asarray(_read_vertex_maps(one, one.paths)[:, 0], dtype=np.float64)


def _read_vertex_maps(one: ParticipantMap, paths: tuple[str, ...]) -> NDArray[Any]:
    """Read all maps of one or two files, (n_locations, n_maps)."""
    if one.form == "surface":
        return np.concatenate([read_maps(path).values for path in paths])
    opened = open_cifti(paths[0])
    return np.stack([read_cifti_map(opened, k) for k in range(len(opened.names))], axis=1)


@dataclass(frozen=True)
class NullMapsHeader:
    """Where the null maps of a map are, and how many there are."""

    layout: Any
    n_maps: int


def null_maps_header(one: ParticipantMap) -> NullMapsHeader:
    """Read the header of the null maps of a map."""
    if one.form == "volume":
        image = open_image(one.null_path)
        return NullMapsHeader(grid_of(image), n_volumes(image))
    headers = [maps_header(path) for path in one.null_paths]
    layout = headers[0].layout
    if not isinstance(layout, GrayordinateLayout):
        layout = VertexLayout(tuple(side for own in headers for side in own.layout.hemispheres))
    return NullMapsHeader(layout, min(own.n_maps for own in headers))


def read_null_maps(one: ParticipantMap) -> Iterator[Floats]:
    """Read the null maps (n_locations,) of one participant's map one after the other."""
    if one.form == "volume":
        image = open_image(one.null_path)
        for draw in range(n_volumes(image)):
            yield read_volume(image, draw).astype(np.float64).ravel()
    else:
        yield from _read_vertex_maps(one, one.null_paths).T.astype(np.float64)
