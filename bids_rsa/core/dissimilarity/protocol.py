"""What a searchlight asks of a source of RDMs."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.protocol import CenterBlock


class RdmSource(Protocol):
    """What fills blocks of RDMs; safe to share between threads.

    Attributes
    ----------
    max_length : int
        Longest piece of a grid row that it takes.
    """

    @property
    def max_length(self) -> int:
        """Longest piece of a grid row."""

    def fill(self, block: CenterBlock, rdms: NDArray[np.float64]) -> NDArray[np.int32]:
        """Write the RDMs (n_centers, n_cells) of a block; return the patch sizes."""
