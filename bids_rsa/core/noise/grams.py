"""RDMs with noise estimated from images, by products of images: no voxel x voxel matrix at all.

With few samples, the inverse of ``beta (Z'Z + c I)`` is, by Woodbury's identity,
``(I - Z' (ZZ' + c I)^-1 Z) / alpha`` with alpha = beta c. All that it needs of a patch are products
of rows, which are summed along the rows of the grid as squared distances are: the product of two
rows is half of what their squared norms exceed their squared distance by, and a row of zeros gives
the norms.
"""

import threading

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import SQEUCLIDEAN
from bids_rsa.core.dissimilarity.sources import Patterns, RowSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows
from bids_rsa.core.noise.finish import write_cells
from bids_rsa.core.noise.held_out import TwoFolds
from bids_rsa.core.noise.image_design import ImageDesign, image_design
from bids_rsa.core.noise.kernels import fourth_of_samples, unpack_products
from bids_rsa.core.noise.lapack import factorise, invert_factor, solve_rows
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.noise.shrink import ProductSums, Shrunk, shrink

Floats = NDArray[np.float64]

# voxels whose images are turned into rows at a time
_SLAB = 4096
# rows of zeros and of the root of sum z^4, before those of the images
_EXTRA = 2
# where the target's share is larger, deviations are solved for instead of the identity: the
# identity's share is nearly all, and would be subtracted from itself
_LARGE = 0.99
_SQUARES = Dissimilarity("squared distance", gram_code=SQEUCLIDEAN)


class ImageGrams:
    """RDMs along the rows of a grid; safe to share between threads.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
        What is compared: means of the images, or these without their mean over conditions.
    spheres : SphereRows
        Without the voxels whose noise does not vary.
    noise : NoiseModel
        From images, with ``shrinkage`` or ``shrinkage-identity``.
    code : int
        Of a dissimilarity that follows from products; see `bids_rsa.core.noise.finish`.
    min_voxels : int
        Smaller patches are undefined.
    """

    def __init__(
        self,
        patterns: Patterns | TwoFolds,
        spheres: SphereRows,
        noise: NoiseModel,
        code: int,
        min_voxels: int,
    ) -> None:
        self._patterns = patterns
        self._design = image_design(noise.condition_of, noise.fold_of)
        self._noise, self._code = noise, code
        rows = self._rows_of_images()
        self._source = RowSource(rows, spheres, _SQUARES, max(min_voxels, 1))
        self._n_rows = rows.shape[2]
        self.max_length = self._source.max_length
        self.shrinkage = np.full(spheres.n_centers, np.nan)
        self._local = threading.local()

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        sizes = np.zeros(len(rdms), dtype=np.int32)
        n_cells = self._n_rows * (self._n_rows - 1) // 2
        # a piece of a row at a time: its products are many
        for first, last in block.segments:
            cells = np.empty((last - first, n_cells))
            piece = CenterBlock(
                block.start + first,
                block.start + last,
                block.centers[first:last],
                np.array([[0, last - first]], dtype=np.int64),
            )
            sizes[first:last] = self._source.fill(piece, cells)
            for p in range(first, last):
                self.shrinkage[block.centers[p]] = self._fill_one(
                    cells[p - first], int(sizes[p]), rdms[p]
                )
        return sizes

    def _fill_one(self, cells: Floats, n_voxels: int, rdm: Floats) -> float:
        """Write one RDM from the squared distances of its rows; return the shrinkage."""
        rdm[:] = np.nan
        if not np.isfinite(cells[0]):
            return np.nan
        design, room = self._design, self._room()
        gram, across, own, samples = room
        squares = unpack_products(cells, self._n_rows, gram, across, own)
        fourth = fourth_of_samples(own, design.deviations, design.first, design.last, samples)
        # squared norms of the extra row and of the samples: distances from the row of zeros
        sums = ProductSums(n_voxels, float(samples.sum()), squares, fourth, float(cells[0]))
        noise = self._noise
        found = shrink(noise.method, noise.n_samples, noise.dof, sums)
        products = self._products(found, gram, across, own)
        if products is not None:
            write_cells(products, self._code, n_voxels, rdm)
        return found.intensity

    def _products(self, found: Shrunk, gram: Floats, across: Floats, own: Floats) -> Floats | None:
        """Products of conditions through the inverse covariance; None where there is none."""
        if found.intensity > _LARGE:
            return self._nearly_target(found, gram, across, own)
        if not found.alpha > 0:
            return None
        design = self._design
        own.reshape(-1)[:: design.dof + 1] += found.alpha / found.beta
        if not factorise(own):
            return None
        solve_rows(own, across)
        products = (gram - across @ across.T) / found.alpha
        if design.n_folds > 1:
            pairs = design.n_folds * (design.n_folds - 1)
            products -= self._between_folds(found, own) / (found.beta * pairs)
        return products

    def _between_folds(self, found: Shrunk, factor: Floats) -> Floats:
        """Sum over contrasts between folds of their products through beta times the inverse."""
        design = self._design
        if design.is_identity:
            invert_factor(factor)
            # its transpose, with a condition's contrasts side by side
            solved = np.ascontiguousarray(factor.T).reshape(design.n_conditions, -1)
        else:
            rows = design.folds.copy()
            solve_rows(factor, rows)
            solved = rows.reshape(design.n_conditions, -1)
        sizes = (design.folds.reshape(design.n_conditions, -1) ** 2).sum(axis=1)
        return np.asarray(np.diag(sizes) - found.alpha / found.beta * (solved @ solved.T))

    def _nearly_target(
        self, found: Shrunk, gram: Floats, across: Floats, own: Floats
    ) -> Floats | None:
        """Products where the covariance is nearly, or wholly, the target."""
        design = self._design
        full = np.tril(own) + np.tril(own, -1).T
        deviations = design.folds @ full
        between = _block_sum(deviations @ design.folds.T, design)
        if found.beta > 0:
            full.reshape(-1)[:: design.dof + 1] += found.alpha / found.beta
            if not factorise(full):
                return None
            solve_rows(full, across)
            solve_rows(full, deviations)
            gram = gram - across @ across.T
            between = between - _block_sum(deviations @ deviations.T, design)
        products = gram / found.alpha
        if design.n_folds > 1:
            products -= between / (found.alpha * design.n_folds * (design.n_folds - 1))
        return np.asarray(products)

    def _room(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Make room that each thread keeps."""
        if not hasattr(self._local, "room"):
            n, dof = self._n_means, self._design.dof
            self._local.room = (
                np.empty((n, n)), np.empty((n, dof)), np.zeros((dof, dof)),
                np.empty(self._noise.n_samples),
            )  # fmt: skip
        room: tuple[Floats, Floats, Floats, Floats] = self._local.room
        return room

    @property
    def _n_means(self) -> int:
        return self._design.n_conditions

    def _means(self, voxels: slice) -> Floats:
        """Patterns of the conditions (n_chosen, n_means): means over folds."""
        return np.asarray(self._patterns[voxels].mean(axis=1, dtype=np.float64))

    def _rows_of_images(self) -> Floats:
        """Stack rows (n_voxels, 1, n_rows): zeros, the root of sum z^4, means and contrasts.

        Voxels whose noise does not vary are 0.
        """
        noise, design = self._noise, self._design
        n_voxels = len(noise.samples)
        rows = np.zeros((n_voxels, 1, n_rows(self._n_means, design.dof)))
        scales = np.ones(n_voxels)
        if noise.method == "shrinkage":
            scales = 1.0 / np.sqrt(np.where(noise.usable, noise.variances, 1.0))
        for start in range(0, n_voxels, _SLAB):
            slab = slice(start, start + _SLAB)
            keep, scale = noise.usable[slab], scales[slab, None]
            with np.errstate(invalid="ignore"):
                deviations = noise.deviations(slab) * scale
                part = rows[slab, 0]
                part[:, 1] = np.sqrt((deviations**4).sum(axis=1))
                part[:, _EXTRA : _EXTRA + self._n_means] = self._means(slab) * scale
                part[:, _EXTRA + self._n_means :] = deviations @ design.contrasts.T
            part[~keep] = 0.0
        return rows


class HeldOutGrams(ImageGrams):
    """RDMs of a fold and the mean of the others, whose images the noise is estimated from.

    Parameters
    ----------
    patterns : TwoFolds
    spheres, noise, code, min_voxels
        See `ImageGrams`; the noise is that of the other folds. The code is that of a distance:
        means over conditions are taken away, so that nothing large is subtracted.
    """

    @property
    def _n_means(self) -> int:
        return 2 * self._design.n_conditions

    def _means(self, voxels: slice) -> Floats:
        """Patterns of the others, then of the fold, (n_chosen, n_means)."""
        folds = self._patterns[voxels]
        folds -= folds.mean(axis=2, keepdims=True)
        return np.asarray(folds.reshape(len(folds), -1))

    def _products(self, found: Shrunk, gram: Floats, across: Floats, own: Floats) -> Floats | None:
        """Products of both through the inverse covariance; None where there is none."""
        n = self._design.n_conditions
        products = gram[:n, n:]
        if not found.alpha > 0:
            return None
        if found.beta > 0:
            own.reshape(-1)[:: self._design.dof + 1] += found.alpha / found.beta
            if not factorise(own):
                return None
            solve_rows(own, across)
            products = products - across[:n] @ across[n:].T
        return np.asarray((products + products.T) / (2.0 * found.alpha))


def n_rows(n_means: int, dof: int) -> int:
    """Count the rows whose products are summed."""
    return _EXTRA + n_means + dof


def _block_sum(products: Floats, design: ImageDesign) -> Floats:
    """Sum the products of contrasts with the same number, for each pair of conditions."""
    n, n_contrasts = design.n_conditions, design.n_folds - 1
    return np.asarray(np.einsum("kulu->kl", products.reshape(n, n_contrasts, n, n_contrasts)))
