"""Which voxels of a mask are neighbours: 6, 18 or 26 around each."""

import itertools

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.adjacency import Adjacency, Lattice

MAX_STEPS = {6: 1, 18: 2, 26: 3}


def grid_adjacency(mask: npt.NDArray[np.bool_], connectivity: int = 6) -> Adjacency:
    """Connect the neighbouring voxels inside a mask.

    Parameters
    ----------
    mask : (X, Y, Z) bool
        The voxels tested.
    connectivity : {6, 18, 26}
        Neighbours share a face; a face or an edge; a face, an edge or a corner.

    Returns
    -------
    Adjacency
        Of the voxels in the order of ``np.argwhere(mask)``; each has size 1.

    Raises
    ------
    ValueError
        Another connectivity.
    """
    if connectivity not in MAX_STEPS:
        raise ValueError(f"connectivity must be 6, 18 or 26, not {connectivity}")
    places = np.full([n + 2 for n in mask.shape], -1, dtype=np.int32)
    places[1:-1, 1:-1, 1:-1][mask] = np.arange(mask.sum(), dtype=np.int32)
    ijk = np.argwhere(mask) + 1
    steps = [
        step
        for step in itertools.product((-1, 0, 1), repeat=3)
        if 1 <= sum(map(abs, step)) <= MAX_STEPS[connectivity]
    ]
    columns = [places[tuple((ijk + step).T)] for step in steps]
    table = np.column_stack(columns).reshape(len(ijk), len(steps))
    there = table >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    lattice = None
    if places.size < 2**31:
        own = np.flatnonzero(places >= 0).astype(np.int32)
        widths = (places.shape[1] * places.shape[2], places.shape[2], 1)
        lattice = Lattice(own, np.array(steps, dtype=np.int64) @ widths, places.size)
    return Adjacency(starts.astype(np.int64), table[there], np.ones(len(ijk)), lattice=lattice)
