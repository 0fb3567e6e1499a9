"""RDMs whose noise covariance leaves the fold that it weights out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.noise.protocol import NoiseSource

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]


class TwoFolds:
    """Patterns of a fold and the mean of all others, worked out where they are asked for.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
    fold : int
        The one that is left out of the mean.
    """

    def __init__(self, patterns: Patterns, fold: int) -> None:
        self._patterns, self._fold = patterns, fold
        self._others = np.delete(np.arange(patterns.shape[1]), fold)
        self.shape = (len(patterns), 2, patterns.shape[2])

    def __len__(self) -> int:
        """Return the number of voxels."""
        return len(self._patterns)

    def __getitem__(self, voxels: Any) -> Floats:
        """Return the patterns (n_chosen, 2, n_conditions): of the others, and of the fold."""
        chosen = self._patterns[voxels]
        folds = np.empty((len(chosen), *self.shape[1:]))
        np.mean(chosen[:, self._others], axis=1, dtype=np.float64, out=folds[:, 0])
        folds[:, 1] = chosen[:, self._fold]
        return folds


class HeldOutSource:
    """Means over folds of RDMs whose noise is that of the other folds.

    Parameters
    ----------
    sources : sequence of NoiseSource
        For each fold, of `TwoFolds`.
    takes_root : bool
        The dissimilarity is the signed root of the mean.
    """

    def __init__(self, sources: Sequence[NoiseSource], takes_root: bool) -> None:
        self._sources, self._takes_root = tuple(sources), takes_root
        self.max_length = min(source.max_length for source in sources)

    @property
    def shrinkage(self) -> Floats:
        """Mean shrinkage (n_centers,) over folds."""
        return np.asarray(np.mean([source.shrinkage for source in self._sources], axis=0))

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        sizes = self._sources[0].fill(block, rdms)
        own = np.empty_like(rdms)
        for source in self._sources[1:]:
            source.fill(block, own)
            rdms += own
        rdms /= len(self._sources)
        if self._takes_root:
            rdms[:] = np.sign(rdms) * np.sqrt(np.abs(rdms))
        return sizes
