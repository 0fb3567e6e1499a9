"""Cross-validated correlation and cosine distances from sums along grid rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity import rows as _rows
from bids_rsa.core.dissimilarity.codes import COSINE
from bids_rsa.core.dissimilarity.fold_correlations import fold_correlations
from bids_rsa.core.dissimilarity.fold_lines import FoldLines, room_for_fold_lines
from bids_rsa.core.dissimilarity.gram_source import GramSource
from bids_rsa.core.dissimilarity.packing import sphere_columns, voxels_of
from bids_rsa.core.dissimilarity.row_source import GridRowSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.engine.vectors import LANES
from bids_rsa.core.limits import piece_in_workspace
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]

_MAX_VECTORS = 3


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
    """

    def __init__(
        self, patterns: Patterns, spheres: SphereRows, known: Dissimilarity, min_voxels: int
    ) -> None:
        super().__init__(spheres, min_voxels)
        self._code = known.gram_code
        self._careful = GramSource(patterns, spheres, known, min_voxels)
        self._voxels, self._near = voxels_of(patterns, spheres), sphere_columns(spheres)
        self._tiles = self._cut_into_tiles()
        n_folds, longest = patterns.shape[1], self._near.longest
        per_position = self._near.n_columns * 2 * self._voxels.width * n_folds
        self.max_length = piece_in_workspace(per_position, longest)

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        centers = self._as_kernels_take_it(block, rdms)
        lines, sums = self._room()
        given = self._voxels, self._near, centers, self._tiles, lines, sums
        fold_correlations(*given, self._code == COSINE)
        for k in np.flatnonzero(centers.suspects):
            self._careful.fill(block.only(int(k)), rdms[k : k + 1])
        return centers.sizes

    def _cut_into_tiles(self) -> _rows.Tiles:
        """Cover the upper triangle by tiles, two of each: one for each direction."""
        window_bytes = self._near.longest * self._near.n_groups * LANES * 8
        n_conditions = self._voxels.n_conditions
        tiles = _rows.cut_into_tiles(n_conditions, _MAX_VECTORS, 2 * window_bytes)
        tiles.of[3::4] *= 2
        return tiles._replace(n_vectors=2 * tiles.n_vectors)

    def _room_sizes(self) -> tuple[int, ...]:
        """Return all that the room depends on."""
        near, voxels = self._near, self._voxels
        n_positions = min(self.max_length, self._spheres.row_length) + near.longest
        return (
            n_positions, near.longest, near.n_columns, near.n_groups,
            voxels.width, voxels.n_folds, self._tiles.n_vectors,
        )  # fmt: skip

    def _make_room(self) -> tuple[FoldLines, _rows.Sums]:
        """Make room for the longest piece of a row, which each thread keeps."""
        n_positions = self._room_sizes()[0]
        lines = room_for_fold_lines(n_positions, self._voxels, self._near)
        as_one_fold = self._voxels._replace(
            n_folds=1, width=2 * self._voxels.width, n_moments=lines.n_moments
        )
        return lines, _rows.room_for_sums(n_positions, as_one_fold, self._near, self._tiles)
