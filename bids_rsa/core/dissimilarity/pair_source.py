"""RDMs pair of patterns by pair of patterns, for what no Gram matrix gives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.list_source import ListSource
from bids_rsa.core.dissimilarity.missing import MissingVoxels
from bids_rsa.core.dissimilarity.missing_folds import MissingFolds
from bids_rsa.core.dissimilarity.pair_distances import PairDistances, PatchLists
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood

Floats = NDArray[np.float64]


class PairSource(ListSource):
    """RDMs patch by patch in compiled code; safe to share between threads."""

    def __init__(
        self,
        patterns: NDArray[np.floating[Any]],
        neighborhood: Neighborhood,
        distances: PairDistances | MissingVoxels | MissingFolds,
        min_voxels: int,
        ignore_nan: bool,
    ) -> None:
        super().__init__(neighborhood, min_voxels)
        across_folds = isinstance(distances, MissingFolds)
        self._patterns = np.ascontiguousarray(patterns if across_folds else patterns[:, 0])
        self._distances, self._ignore_nan = distances, ignore_nan

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        starts, members = self._neighborhood.members(block)
        members = members.astype(np.int64, copy=False)
        patches = PatchLists(members, starts, self._min_voxels, self._ignore_nan)
        self._distances.kernel(self._distances, self._patterns, patches, rdms)
        return np.diff(starts).astype(np.int32)
