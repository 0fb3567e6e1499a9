"""RDMs pair of patterns by pair of patterns, for what no Gram matrix gives."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.missing import MissingVoxels
from bids_rsa.core.dissimilarity.missing_folds import MissingFolds
from bids_rsa.core.dissimilarity.pair_distances import PairDistances, PatchLists
from bids_rsa.core.limits import SOME_CENTERS, runs_of
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood

Floats = NDArray[np.float64]


class PairSource:
    """RDMs patch by patch in compiled code; safe to share between threads."""

    max_length = 2**30

    def __init__(
        self,
        patterns: NDArray[np.floating[Any]],
        neighborhood: Neighborhood,
        distances: PairDistances | MissingVoxels | MissingFolds,
        min_voxels: int,
        ignore_nan: bool,
    ) -> None:
        across_folds = isinstance(distances, MissingFolds)
        self._patterns = np.ascontiguousarray(patterns if across_folds else patterns[:, 0])
        self._neighborhood, self._distances = neighborhood, distances
        self._min_voxels, self._ignore_nan = max(min_voxels, 1), ignore_nan

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        patches = self._patches_of(block)
        self._distances.kernel(self._distances, self._patterns, patches, rdms)
        return np.diff(patches.starts).astype(np.int32)

    def fill_some(self, block: CenterBlock, chosen: NDArray[np.intp], rdms: Floats) -> None:
        """Write the RDMs of some centres of a block."""
        for part in runs_of(chosen, SOME_CENTERS):
            patches = self._patches_of(block.only(part))
            self._distances.kernel(self._distances, self._patterns, patches, rdms[part])

    def _patches_of(self, block: CenterBlock) -> PatchLists:
        """List the patches of a block."""
        starts, members = self._neighborhood.members(block)
        members = members.astype(np.int64, copy=False)
        return PatchLists(members, starts, self._min_voxels, self._ignore_nan)
