"""What sources of RDMs of patches given as lists have in common."""

from abc import ABC, abstractmethod

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

    @abstractmethod
    def fill(self, block: CenterBlock, rdms: NDArray[np.float64]) -> NDArray[np.int32]:
        """Write the RDMs (n_centers, n_cells) of a block; return the patch sizes."""

    def fill_some(
        self, block: CenterBlock, chosen: NDArray[np.intp], rdms: NDArray[np.float64]
    ) -> None:
        """Write the RDMs of some centres of a block."""
        for part in runs_of(chosen, SOME_CENTERS):
            self.fill(block.only(part), rdms[part])
