"""Cross-validated correlation and cosine distances from sums along grid rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import centers_of_other_scale
from bids_rsa.core.dissimilarity.careful import CarefulCenters
from bids_rsa.core.dissimilarity.codes import COSINE
from bids_rsa.core.dissimilarity.fold_correlations import (
    FoldWork,
    fold_correlations,
    room_for_fold_sums,
)
from bids_rsa.core.dissimilarity.fold_slabs import FoldSlabs, room_for_fold_slabs
from bids_rsa.core.dissimilarity.gram_source import GramSource
from bids_rsa.core.dissimilarity.packing import sphere_columns, voxels_of
from bids_rsa.core.dissimilarity.pushing import Pushed, cut_into_push_tiles
from bids_rsa.core.dissimilarity.row_source import GridRowSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.limits import piece_in_workspace
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]


class FoldRowSource(GridRowSource):
    """Distances of each fold from the mean of all others, from sums along grid rows.

    See `fold_correlations`.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
        Of at least two folds.
    spheres : SphereRows
    known : Dissimilarity
        Correlation or cosine.
    min_voxels : int
        Smaller patches are undefined.
    roots : (n_voxels,) float64
        Roots of the voxels' weights; None: all weigh the same.
    """

    def __init__(
        self,
        patterns: Patterns,
        spheres: SphereRows,
        known: Dissimilarity,
        min_voxels: int,
        roots: Floats | None = None,
    ) -> None:
        super().__init__(spheres, min_voxels)
        self._code, self._roots = known.gram_code, np.empty(0)
        self._careful = GramSource(patterns, spheres, known, min_voxels, roots)
        self._voxels, self._near = voxels_of(patterns, spheres), sphere_columns(spheres)
        if roots is not None:
            # the scale of the weights cancels; the largest is near 1
            self._roots = np.ldexp(roots, -np.frexp(np.max(roots, initial=0.0))[1])
            self._voxels.finite[~np.isfinite(self._roots)] = 0
        chosen = centers_of_other_scale(patterns, spheres, together=False)
        self._others = CarefulCenters(chosen, self._careful)
        n_folds, longest = patterns.shape[1], self._near.longest
        self._tiles = cut_into_push_tiles(patterns.shape[2], 2 * n_folds * longest)
        per_position = self._near.n_columns * 2 * self._voxels.width * n_folds
        self.max_length = piece_in_workspace(per_position, longest)

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        centers = self._as_kernels_take_it(block, rdms)
        slabs, pushed = self._room()
        work = FoldWork(self._voxels, self._near, centers, self._tiles, slabs, pushed)
        fold_correlations(work, self._code == COSINE)
        suspects = np.flatnonzero(centers.suspects)
        if len(suspects):
            self._careful.fill_some(block, suspects, rdms)
        self._others.fill(block, rdms)
        return centers.sizes

    def _room_sizes(self) -> tuple[int, ...]:
        """Return all that the room depends on."""
        near, voxels = self._near, self._voxels
        n_positions = min(self.max_length, self._spheres.row_length) + near.longest
        return (
            n_positions, near.longest, near.n_columns, near.n_groups, voxels.n_conditions,
            voxels.n_folds, self._tiles.room, id(self._roots) if len(self._roots) else 0,
        )  # fmt: skip

    def _make_room(self) -> tuple[FoldSlabs, Pushed]:
        """Make room for the longest piece of a row, which each thread keeps."""
        slabs = room_for_fold_slabs(self._room_sizes()[0], self._voxels, self._near, self._roots)
        return slabs, room_for_fold_sums(self._near, self._tiles, slabs)
