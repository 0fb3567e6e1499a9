"""What a searchlight asks of a neighborhood: its centres in blocks, and the patch of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class CenterBlock:
    """Centres that are computed together.

    Attributes
    ----------
    start, stop : int
        They are those from ``start`` to ``stop`` in the neighborhood's own order.
    centers : (n,) int64
        Their numbers, which say where their results go.
    segments : (n_segments, 2) int64
        Where pieces of grid rows begin and end in the block; one segment where there is no grid.
    """

    start: int
    stop: int
    centers: Integers
    segments: Integers

    def only(self, part: slice) -> "CenterBlock":
        """Return a block of some neighbouring centres, as if there were no grid."""
        start, stop = self.start + part.start, self.start + part.stop
        return CenterBlock(start, stop, self.centers[part], np.array([[0, stop - start]]))


class Neighborhood(Protocol):
    """Patches of locations (voxels, vertices) around centres; safe to share between threads."""

    @property
    def n_centers(self) -> int:
        """Number of centres."""

    @property
    def n_locations(self) -> int:
        """Number of locations, which are the rows of the patterns."""

    def blocks(self, n_centers: int, max_length: int) -> Iterator[CenterBlock]:
        """Cut the centres into blocks of about so many.

        Blocks depend on these two numbers alone; ``max_length`` limits a piece of a grid row.
        """

    def members(self, block: CenterBlock) -> tuple[Integers, NDArray[Any]]:
        """Return the patches of a block: starts (n + 1,), and members (total,), rows of patterns.

        The patch of the block's centre c is ``members[starts[c] : starts[c + 1]]``.
        """
