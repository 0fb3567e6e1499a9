"""What sources of RDMs along grid rows have in common: blocks as kernels take them, and memory."""

import threading
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.rows import Block
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows


class GridRowSource(ABC):
    """A source whose threads each keep the memory for the longest piece of a row.

    Parameters
    ----------
    spheres : SphereRows
    min_voxels : int
        Smaller patches are undefined.
    """

    def __init__(self, spheres: SphereRows, min_voxels: int) -> None:
        self._spheres, self._min_voxels = spheres, min_voxels
        self._local = threading.local()

    def share_room(self, other: object) -> None:
        """Work in the memory of another source, if it is of the same kind and shapes.

        A thread then fills a block of one at a time.
        """
        if isinstance(other, type(self)) and self._room_sizes() == other._room_sizes():
            self._local = other._local

    def _room(self) -> Any:
        """Return this thread's memory."""
        if not hasattr(self._local, "room"):
            self._local.room = self._make_room()
        return self._local.room

    def _as_kernels_take_it(self, block: CenterBlock, rdms: NDArray[np.float64]) -> Block:
        """Return a block with room for its sizes, and for marks of suspect centres."""
        return Block(
            self._spheres.positions[block.start : block.stop], block.segments.ravel(),
            rdms.reshape(-1), np.empty(len(rdms), np.int32), np.zeros(len(rdms), np.uint8),
            len(block.segments), self._min_voxels,
        )  # fmt: skip

    @abstractmethod
    def _room_sizes(self) -> tuple[int, ...]:
        """Return all that the memory depends on."""

    @abstractmethod
    def _make_room(self) -> Any:
        """Make memory for the longest piece of a row."""
