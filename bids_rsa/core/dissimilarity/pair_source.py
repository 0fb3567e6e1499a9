"""RDMs of a searchlight pair of patterns by pair of patterns, for what no Gram matrix gives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.missing import MissingVoxels
from bids_rsa.core.dissimilarity.pair_distances import PairDistances
from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.neighborhood.spheres import Block, Layout

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@kernel
def _gather_members(
    rows: NDArray[np.int32],
    positions: Integers,
    shifts: Integers,
    members: Integers,
    starts: Integers,
) -> None:
    """Write the rows of each centre's patch, patch after patch. O(voxels) a centre."""
    count = 0
    starts[0] = 0
    for c in range(positions.size):
        for shift in shifts:
            row = rows[positions[c] + shift]
            if row >= 0:
                members[count] = row
                count += 1
        starts[c + 1] = count


class PairSource:
    """RDMs patch by patch in compiled code; safe to share between threads."""

    max_length = 2**30

    def __init__(
        self,
        patterns: NDArray[np.floating[Any]],
        layout: Layout,
        distances: PairDistances | MissingVoxels,
        min_voxels: int,
        ignore_nan: bool,
    ) -> None:
        self._patterns = np.ascontiguousarray(patterns[:, 0])
        self._layout, self._distances = layout, distances
        self._min_voxels, self._ignore_nan = min_voxels, ignore_nan

    def fill(self, block: Block, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        layout = self._layout
        positions = layout.positions[block.start : block.stop]
        members = np.empty(len(positions) * len(layout.shifts), dtype=np.int64)
        starts = np.empty(len(positions) + 1, dtype=np.int64)
        _gather_members(layout.rows, positions, layout.shifts, members, starts)
        self._distances.fill(
            self._patterns, members, starts, self._min_voxels, self._ignore_nan, rdms
        )
        return np.diff(starts).astype(np.int32)
