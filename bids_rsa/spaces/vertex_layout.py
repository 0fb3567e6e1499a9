"""Which vertices the values of a file are on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.fixed_layout import FixedLayout
from bids_rsa.spaces.gifti import VertexMaps
from bids_rsa.spaces.hemispheres import Hemisphere


@dataclass(frozen=True)
class VertexLayout(FixedLayout):
    """Values on vertices: the hemispheres in their order, and how many vertices each has."""

    _differ, _one = "are on different meshes", "mesh"
    hemispheres: tuple[tuple[Hemisphere, int], ...]

    @property
    def n_locations(self) -> int:
        """Number of vertices of all hemispheres."""
        return sum(n for _, n in self.hemispheres)

    def equals(self, other: Any) -> bool:
        """Tell whether both have the same hemispheres with as many vertices."""
        return isinstance(other, VertexLayout) and self.hemispheres == other.hemispheres

    def cortices(self) -> Iterator[tuple[Hemisphere, slice, int, NDArray[np.int64]]]:
        """Give the locations of each hemisphere, the size of its mesh, and their vertices."""
        start = 0
        for side, n in self.hemispheres:
            yield side, slice(start, start + n), n, np.arange(n)
            start += n

    def followed_by(self, other: VertexLayout) -> VertexLayout:
        """Put the vertices of another hemisphere behind these."""
        return VertexLayout((*self.hemispheres, *other.hemispheres))

    def describe(self) -> str:
        """Name hemispheres and numbers for a message."""
        named = (f"{n:,} vertices of hemi-{side}" for side, n in self.hemispheres)
        return " and ".join(named)

    def differences(self, other: Any) -> str:
        """Say in words in what this layout differs from another."""
        if not isinstance(other, VertexLayout):
            return "surface and volume"
        if [side for side, _ in self.hemispheres] != [side for side, _ in other.hemispheres]:
            return "the hemispheres"
        return "nothing" if self.equals(other) else "the numbers of vertices"


def layout_of(maps: VertexMaps) -> VertexLayout:
    """Find which hemisphere a file of maps is of, and how many vertices it has.

    Raises
    ------
    ContentError
        Neither the file nor its name says which hemisphere it is of.
    """
    if maps.hemisphere is None:
        raise ContentError(
            f"{maps.path} is of an unknown hemisphere: it has no AnatomicalStructurePrimary, and "
            "its name has no hemi-L or hemi-R.",
            "Name it as BIDS does (..._hemi-L_...), or set the structure (wb_command "
            "-set-structure).",
        )
    return VertexLayout(((maps.hemisphere, len(maps.values)),))
