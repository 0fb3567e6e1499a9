"""The centres of a block along rows of the grid, and the cells of their RDMs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.vectors import pointer_to

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Sizes = NDArray[np.int32]
Flags = NDArray[np.uint8]


class Block(NamedTuple):
    """The centres of a block, and their results.

    Attributes
    ----------
    positions : (n_centers,) int64
        In the flat padded grid.
    segments : (2 * n_segments,) int64
        First centre of each piece of a grid row, and the one after its last.
    rdms : (n_centers * n_cells,) float64
    sizes : (n_centers,) int32
        Patch sizes.
    suspects : (n_centers,) uint8
        Whose correlations must be computed anew.
    n_segments, min_voxels : int
    """

    positions: Integers
    segments: Integers
    rdms: Floats
    sizes: Sizes
    suspects: Flags
    n_segments: int
    min_voxels: int


@kernel_part
def block_pointers(block: Block) -> Block:
    """Return the same by pointers."""
    return Block(
        pointer_to(block.positions), pointer_to(block.segments), pointer_to(block.rdms),
        pointer_to(block.sizes), pointer_to(block.suspects), block.n_segments, block.min_voxels,
    )  # fmt: skip


@kernel_part
def cell_before(i: int, n: int) -> int:
    """Cell (i, j) of a condensed RDM stands at this + j."""
    return i * n - i * (i + 1) // 2 - i - 1
