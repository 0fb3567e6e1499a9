"""What the searchlight asks of a source of RDMs with noise normalisation."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.protocol import CenterBlock

Floats = NDArray[np.float64]


class NoiseSource(Protocol):
    """What fills blocks of RDMs, and keeps the shrinkage (n_centers,) of each."""

    @property
    def shrinkage(self) -> Floats:
        """Of each centre (n_centers,)."""

    @property
    def max_length(self) -> int:
        """Longest piece of a grid row."""

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs (n_centers, n_cells) of a block; return the patch sizes."""
