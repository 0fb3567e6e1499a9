"""Where the maps of a test lie, and their values as one vector of all locations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.group.records import GroupTest, ParticipantMap
from bids_rsa.spaces.images import grid_of, load_volume, n_volumes, open_image, read_volume
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.volume import VolumeSpace

Floats = NDArray[np.float64]


def space_of_test(test: GroupTest) -> Space:
    """Find the space of a test's maps by the first of them."""
    image = open_image(test.members[0].maps[0][0].path)
    grid = grid_of(image)
    return VolumeSpace(grid.shape, grid.affine, image)


def read_map(one: ParticipantMap) -> Floats:
    """Read a map (n_locations,)."""
    return np.asarray(load_volume(one.path)[0], dtype=np.float64).ravel()


class NullMapsHeader(NamedTuple):
    """Where the null maps of a map lie, and how many there are."""

    layout: Any
    n_maps: int


def null_maps_header(one: ParticipantMap) -> NullMapsHeader:
    """Read the header of the null maps of a map."""
    image = open_image(one.null_path)
    return NullMapsHeader(grid_of(image), n_volumes(image))


def read_null_maps(one: ParticipantMap) -> Iterator[Floats]:
    """Read the null maps (n_locations,) of one participant's map one after the other."""
    image = open_image(one.null_path)
    for draw in range(n_volumes(image)):
        yield read_volume(image, draw).astype(np.float64).ravel()
