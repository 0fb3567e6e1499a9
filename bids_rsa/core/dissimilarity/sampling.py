"""Shifts and scales of packed patterns, from a sample of the voxels around a piece of a grid row.

Both serve rounding only: any constants would do.
"""

import math

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.packing import SphereColumns, Voxels, row_of
from bids_rsa.core.engine.jit import kernel_part
from bids_rsa.core.engine.push_norms import add_sample
from bids_rsa.core.engine.vectors import WIDE, put

Floats = NDArray[np.float64]

_N_SAMPLES = 48  # voxels of one fold; of each of several, half as many
_LARGEST = 900  # exponent of two, so that a scale and its inverse are normal numbers


@kernel_part
def sample(
    voxels: Voxels, near: SphereColumns, start: int, length: int, n_folds: int, shift: Floats,
    scale: Floats,
) -> None:  # fmt: skip
    """Take means of some voxels as shifts, and powers of two near 1 / their size as scales.

    Each of the first ``n_folds`` has shifts (n_slabs * WIDE), one after the other; a condition has
    one scale in all of them. The size is a mean of exponents, so that a single voxel with an
    enormous value doesn't make all others vanish.
    """
    n = voxels.n_conditions
    width = -(-n // WIDE) * WIDE
    for k in range(n_folds * width):
        put(shift, k, 0.0)
    for i in range(width):
        put(scale, i, 0.0)
    n_found, some = 0, near.n_columns * length
    # all voxels that the windows reach, if there is none among some
    whole = near.n_columns * (length + near.longest - 1)
    n_samples = _N_SAMPLES if n_folds == 1 else _N_SAMPLES // 2
    for n_places, step in ((some, max(1, some // n_samples)), (whole, 1)):
        if n_found == 0:
            for place in range(0, n_places, step):
                row = _sampled_row(voxels, near, start, length, place)
                if row >= 0:
                    n_found += 1
                    for fold in range(n_folds):
                        source = (row * voxels.n_folds + fold) * n
                        add_sample(voxels.values, source, n, shift, fold * width, scale)
    for k in range(n_folds * width):
        put(shift, k, shift[k] / max(n_found, 1))
    for i in range(n):
        mean = scale[i] / max(n_found * n_folds, 1)
        put(scale, i, math.ldexp(1.0, -min(max(int(mean), -_LARGEST), _LARGEST)))


@kernel_part
def _sampled_row(voxels: Voxels, near: SphereColumns, start: int, length: int, place: int) -> int:
    """Return the row of the patterns at a place around a piece of a row; -1: none that is finite.

    Places are counted column by column at each position; a column comes at another turn at each,
    as a step that is a multiple of the columns would otherwise see but one of them.
    """
    position = place // near.n_columns
    row = row_of(voxels, near, start, length, (place + position) % near.n_columns, position)
    return row if row >= 0 and voxels.finite[row] > 0 else -1
