"""Tiles of near centres, whose patches hold few locations together."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows

Integers = NDArray[np.int64]

_TILE_CENTERS = 512
# the matrix of a tile takes 8 bytes x the square of this
_TILE_VOXELS = 4000
_FEW_CENTERS = 32


@dataclass(frozen=True)
class CenterTiles:
    """A neighborhood whose blocks are tiles of near centres.

    Attributes
    ----------
    ordered : SphereRows or Patches
        The same patches in the order of the tiles.
    order : (n_centers,) int64
        Number of each centre.
    edges : (n_tiles + 1,) int64
        First centre of each tile.
    """

    ordered: SphereRows | Patches
    order: Integers
    edges: Integers

    @property
    def n_centers(self) -> int:
        """Number of centres."""
        return len(self.order)

    @property
    def n_locations(self) -> int:
        """Number of rows of the patterns."""
        return self.ordered.n_locations

    def blocks(self, n_centers: int, max_length: int) -> Iterator[CenterBlock]:
        """Yield one block for each tile, whatever the numbers."""
        for start, stop in zip(self.edges[:-1].tolist(), self.edges[1:].tolist(), strict=True):
            segments = np.array([[0, stop - start]], dtype=np.int64)
            yield CenterBlock(start, stop, self.order[start:stop], segments)

    def members(self, block: CenterBlock) -> tuple[Integers, NDArray[Any]]:
        """Return the patches of a block: starts and members."""
        return self.ordered.members(block)


def cut_centers(neighborhood: SphereRows | Patches) -> CenterTiles:
    """Halve the centres until a tile's patches hold few enough locations together.

    Spheres are halved along the longest extent of their centres. Lists stay in their order:
    neighbours in it should be neighbours in space.
    """
    points = neighborhood.centers_ijk() if isinstance(neighborhood, SphereRows) else None
    pieces: list[Integers] = []
    waiting = [np.arange(neighborhood.n_centers)]
    while waiting:
        piece = waiting.pop()
        if len(piece) <= _TILE_CENTERS and (
            len(piece) <= _FEW_CENTERS or _n_locations(neighborhood, piece) <= _TILE_VOXELS
        ):
            pieces.append(piece)
            continue
        if points is not None:
            axis = int(np.argmax(np.ptp(points[piece], axis=0)))
            piece = piece[np.argsort(points[piece, axis], kind="stable")]
        waiting += [piece[len(piece) // 2 :], piece[: len(piece) // 2]]
    order = np.concatenate(pieces)
    edges = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    ordered = _chosen(neighborhood, order)
    return CenterTiles(ordered, ordered.order if isinstance(ordered, SphereRows) else order, edges)


def _chosen(neighborhood: SphereRows | Patches, centers: Integers) -> SphereRows | Patches:
    """Return some of the patches, in this order."""
    if isinstance(neighborhood, SphereRows):
        return replace(
            neighborhood,
            positions=neighborhood.positions[centers],
            order=neighborhood.order[centers],
        )
    starts = neighborhood.starts
    lists = [neighborhood.rows[starts[c] : starts[c + 1]] for c in centers]
    return Patches.of_lists(lists, neighborhood.n_locations)


def _n_locations(neighborhood: SphereRows | Patches, centers: Integers) -> int:
    """Count the locations that some patches hold together."""
    chosen = _chosen(neighborhood, centers)
    block = CenterBlock(0, len(centers), centers, np.array([[0, len(centers)]]))
    return len(np.unique(chosen.members(block)[1]))
