"""RDMs with noise normalisation, in tiles of near centres that share their covariances.

Neighbouring patches share nearly all pairs of voxels. The products of the noise of all voxels that
a tile's patches hold are one matrix product; each patch takes its own from there. What is left for
a centre is a Cholesky factor, and solving for the patterns.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import find_shared
from bids_rsa.core.dissimilarity.codes import COSINE
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.noise.center_tiles import CenterTiles
from bids_rsa.core.noise.contrasts import crossvalidated_gram, fold_rows
from bids_rsa.core.noise.covariance import check_full
from bids_rsa.core.noise.definition import NotDefiniteError, noise_rdm
from bids_rsa.core.noise.differences import NEAR_FOR_PRODUCTS, some_lie_near
from bids_rsa.core.noise.finish import follows_from_products, write_cells
from bids_rsa.core.noise.held_out import TwoFolds
from bids_rsa.core.noise.kernels import (
    add_fourth_moments,
    gather_columns,
    gather_lower,
    keep_usable,
)
from bids_rsa.core.noise.lapack import factorise, solve_rows
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.noise.shrink import ProductSums, Shrunk, shrink

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# samples whose squares are summed at a time: those of a tile stay in the cache
_CHUNK = 64


@dataclass(frozen=True)
class _Tile:
    """What the patches of a tile share.

    Attributes
    ----------
    voxels : (n_voxels,) int64
        Their rows in the patterns.
    products : (n_voxels, n_voxels) float64
        Sums over samples of z_i z_j.
    rows : (n_rows, n_voxels) float64
        Patterns in the scale of z; see `fold_rows`.
    uneven : (n_voxels,) uint8
        Where their products lose digits; see `care.find_shared`.
    fourth_of_patches : (n_patches,) float64
    fourth_of_voxels : (n_voxels,) float64
    """

    voxels: Integers
    products: Floats
    rows: Floats
    uneven: NDArray[np.uint8]
    fourth_of_patches: Floats
    fourth_of_voxels: Floats


class TileSource:
    """RDMs of the centres of `CenterTiles`; safe to share between threads.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64, or TwoFolds
    tiles : CenterTiles
    noise : NoiseModel
        With ``shrinkage``, ``shrinkage-identity`` or ``full``.
    known : Dissimilarity
        One that takes a noise covariance.
    min_voxels : int
        Smaller patches are undefined.
    """

    max_length = 2**30

    def __init__(
        self,
        patterns: NDArray[np.floating[Any]] | TwoFolds,
        tiles: CenterTiles,
        noise: NoiseModel,
        known: Dissimilarity,
        min_voxels: int,
    ) -> None:
        self._patterns, self._tiles = patterns, tiles
        self._noise, self._known, self._min_voxels = noise, known, max(min_voxels, 1)
        self._code = -1 if known.noise_code is None else known.noise_code
        # the columns of Z have the sum of squares dof, but for the identity the patterns' scale
        self._scales = np.ones(len(patterns))
        if noise.method != "shrinkage-identity":
            with np.errstate(divide="ignore"):
                self._scales = np.where(noise.usable, 1.0 / np.sqrt(noise.variances), 0.0)
        self._from_products = follows_from_products(self._code, patterns.shape[1])
        self.shrinkage = np.full(tiles.n_centers, np.nan)

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a tile; return the patch sizes without voxels of constant noise."""
        starts, rows = self._tiles.members(block)
        starts, members = starts.copy(), rows.astype(np.int64)
        tile = self._tile(members, starts)
        sizes = np.diff(starts)
        largest = int(sizes.max(initial=0))
        room = np.empty(largest * largest)
        for p, n_voxels in enumerate(sizes):
            rdms[p] = np.nan
            if n_voxels >= self._min_voxels:
                patch = members[starts[p] : starts[p + 1]]
                matrix = room[: n_voxels * n_voxels].reshape(n_voxels, n_voxels)
                found = self._fill_one(tile, p, patch, matrix, rdms[p])
                self.shrinkage[block.centers[p]] = found.intensity
        return sizes.astype(np.int32)

    def _tile(self, members: Integers, starts: Integers) -> _Tile:
        """Compute what the patches share, and number their voxels within the tile."""
        usable = self._noise.usable
        marked = np.zeros(len(usable), dtype=bool)
        marked[members[: starts[-1]]] = True
        voxels = np.flatnonzero(marked & usable)
        local = np.zeros(len(usable), dtype=np.int64)
        local[voxels] = np.arange(len(voxels))
        keep_usable(members, starts, usable, local)
        scales = self._scales[voxels]
        z = self._noise.deviations(voxels) * scales[:, None]
        folds = np.asarray(self._patterns[voxels], dtype=np.float64)
        shared, uneven = find_shared(folds)
        rows = np.empty((0, len(voxels)))
        if self._from_products:
            if self._code != COSINE:  # distances don't change by what all conditions share
                folds = folds - shared.reshape(*folds.shape[:2], 1)
            rows = fold_rows(folds) * scales
        of_patches = np.zeros(len(starts) - 1)
        of_voxels = np.zeros(len(voxels))
        if self._noise.method != "full":
            of_voxels = _fourth_moments(z, members, starts, of_patches)
        return _Tile(voxels, z @ z.T, rows, uneven, of_patches, of_voxels)

    def _fill_one(
        self, tile: _Tile, p: int, patch: Integers, matrix: Floats, rdm: Floats
    ) -> Shrunk:
        """Write one RDM, NaN where the covariance cannot be inverted."""
        noise, n_voxels = self._noise, len(patch)
        if noise.method == "full":
            check_full(noise.dof, n_voxels)
        squares = gather_lower(tile.products, patch, matrix)
        diagonal = matrix.reshape(-1)[:: n_voxels + 1]
        sums = ProductSums(
            n_voxels, float(diagonal.sum()), squares, tile.fourth_of_patches[p],
            float(tile.fourth_of_voxels[patch].sum()),
        )  # fmt: skip
        found = shrink(noise.method, noise.n_samples, noise.dof, sums)
        if not self._from_products or tile.uneven[patch].any():
            self._whiten(tile, patch, matrix, found, rdm)
            return found
        rows = np.empty((len(tile.rows), n_voxels))
        gather_columns(tile.rows, patch, rows)
        scale = found.alpha
        if found.beta > 0:
            scale = found.beta
            diagonal += found.alpha / found.beta
            if not factorise(matrix):
                return found
            solve_rows(matrix, rows)
        between, within = crossvalidated_gram(rows, self._patterns.shape[1])
        if self._code != COSINE and some_lie_near(within, NEAR_FOR_PRODUCTS):
            gather_lower(tile.products, patch, matrix)
            self._whiten(tile, patch, matrix, found, rdm)
        else:
            write_cells(between / scale, self._code, n_voxels, rdm)
        return found

    def _whiten(
        self, tile: _Tile, patch: Integers, matrix: Floats, found: Shrunk, rdm: Floats
    ) -> None:
        """Write the RDM of patterns whitened by the symmetric root, NaN where there is none."""
        scales = self._scales[tile.voxels[patch]]
        lower = np.tril(matrix, -1) * found.beta
        covariance = lower + lower.T
        np.fill_diagonal(covariance, np.diag(matrix) * found.beta + found.alpha)
        covariance /= scales[:, None] * scales
        folds = self._patterns[tile.voxels[patch]].transpose(1, 2, 0)
        if np.isfinite(folds).all():
            with suppress(NotDefiniteError):
                rdm[:] = noise_rdm(folds, self._known.name, covariance)


def _fourth_moments(z: Floats, members: Integers, starts: Integers, totals: Floats) -> Floats:
    """Add each patch's sum over samples of (sum of z^2)^2; return each voxel's sum of z^4."""
    of_voxels = np.zeros(len(z))
    sums = np.empty(_CHUNK)
    for start in range(0, z.shape[1], _CHUNK):
        squares = np.square(z[:, start : start + _CHUNK], order="C")
        of_voxels += np.einsum("vt,vt->v", squares, squares)
        add_fourth_moments(squares, starts, members, sums[: squares.shape[1]], totals)
    return of_voxels
