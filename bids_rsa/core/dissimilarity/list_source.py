"""What sources of RDMs of patches given as lists have in common."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.limits import SOME_CENTERS, runs_of
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood


class ListSource(ABC):
    """A source that computes each patch by itself, from the list of its members.

    Parameters
    ----------
    neighborhood : Neighborhood
    min_voxels : int
        Smaller patches are undefined.
    """

    max_length = 2**30

    def __init__(self, neighborhood: Neighborhood, min_voxels: int) -> None:
        self._neighborhood, self._min_voxels = neighborhood, max(min_voxels, 1)

    def fill(self, block: CenterBlock, rdms: NDArray[np.float64]) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        starts, members = self._neighborhood.members(block)
        self._fill_patches(starts, members, rdms)
        return np.diff(starts).astype(np.int32)

    def fill_some(
        self, block: CenterBlock, chosen: NDArray[np.intp], rdms: NDArray[np.float64]
    ) -> None:
        """Write the RDMs of some centres of a block."""
        for part in runs_of(chosen, SOME_CENTERS):
            starts, members = self._neighborhood.members(block.only(part))
            self._fill_patches(starts, members, rdms[part])

    @abstractmethod
    def _fill_patches(
        self, starts: NDArray[np.int64], members: NDArray[Any], rdms: NDArray[np.float64]
    ) -> None:
        """Write the RDMs (n_patches, n_cells) of patches; see `Neighborhood.members`."""
