"""RDMs with noise estimated from images, by products of images: no voxel x voxel matrix at all.

With few samples, the inverse of ``beta (Z'Z + c I)`` is, by Woodbury's identity,
``(I - Z' (ZZ' + c I)^-1 Z) / alpha`` with alpha = beta c. All that it needs of a patch are products
of rows, which are summed along the rows of the grid as squared distances are: the product of two
rows is half of what their squared norms exceed their squared distance by, and a row of zeros gives
the norms.
"""

import threading
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import centers_around, find_shared, without_shared
from bids_rsa.core.dissimilarity.codes import COSINE, SQEUCLIDEAN
from bids_rsa.core.dissimilarity.sources import Patterns, RowSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows
from bids_rsa.core.noise.covariance import noise_covariance
from bids_rsa.core.noise.definition import NotDefiniteError, noise_rdm
from bids_rsa.core.noise.finish import write_cells
from bids_rsa.core.noise.held_out import TwoFolds
from bids_rsa.core.noise.image_design import ImageDesign, image_design
from bids_rsa.core.noise.kernels import extremes, fourth_of_samples, unpack_products
from bids_rsa.core.noise.lapack import factorise, invert_factor, solve_rows
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.noise.rounding import Products, growth, rounding_of, size_of_distances
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
    known : Dissimilarity
        One that follows from products; see `bids_rsa.core.noise.finish`.
    min_voxels : int
        Smaller patches are undefined.
    """

    def __init__(
        self,
        patterns: Patterns | TwoFolds,
        spheres: SphereRows,
        noise: NoiseModel,
        known: Dissimilarity,
        min_voxels: int,
    ) -> None:
        assert known.noise_code is not None
        self._patterns, self._spheres, self._min_voxels = patterns, spheres, max(min_voxels, 1)
        self._design = image_design(noise.condition_of, noise.fold_of)
        self._noise, self._known, self._code = noise, known, known.noise_code
        self._uneven = self._find_uneven()
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
                rdms[p], amount = np.nan, None
                if not self._uneven[block.start + p]:
                    amount = self._fill_one(cells[p - first], int(sizes[p]), rdms[p])
                if amount is None and sizes[p] >= self._min_voxels:
                    amount = self._define(block.only(slice(p, p + 1)), rdms[p])
                self.shrinkage[block.centers[p]] = np.nan if amount is None else amount
        return sizes

    def _fill_one(self, cells: Floats, n_voxels: int, rdm: Floats) -> float | None:
        """Write one RDM from the squared distances of its rows; return the shrinkage.

        None where products have lost digits that the patterns have.
        """
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
        if products is None or products.are_rough:
            return None
        write_cells(products.gram, self._code, n_voxels, rdm)
        return found.intensity

    def _define(self, center: CenterBlock, rdm: Floats) -> float:
        """Write one RDM by the definition, NaN where there is none; return the shrinkage."""
        voxels = np.sort(self._spheres.members(center)[1])
        folds = np.asarray(self._patterns[voxels], dtype=np.float64).transpose(1, 2, 0)
        noise = self._noise
        samples = noise.deviations(voxels).T
        if not (np.isfinite(folds).all() and np.isfinite(samples).all()):
            return np.nan
        covariance = noise_covariance(samples, noise.dof, noise.method)
        with suppress(NotDefiniteError):
            rdm[:] = noise_rdm(folds, self._known.name, covariance.matrix)
        return covariance.shrinkage

    def _products(
        self, found: Shrunk, gram: Floats, across: Floats, own: Floats
    ) -> Products | None:
        """Products of conditions through the inverse covariance; None where there is none."""
        if found.intensity > _LARGE:
            return self._nearly_target(found, gram, across, own)
        if not found.alpha > 0:
            return None
        design = self._design
        largest = extremes(gram)[1], extremes(own)[1]
        own.reshape(-1)[:: design.dof + 1] += found.alpha / found.beta
        if not factorise(own):
            return None
        grown = growth(own, largest[1] + found.alpha / found.beta)
        solve_rows(own, across)
        products = within = (gram - across @ across.T) / found.alpha
        lost = rounding_of(*largest, grown) / found.alpha
        if design.n_folds > 1:
            pairs = design.n_folds * (design.n_folds - 1)
            between = self._between_folds(found, own) / (found.beta * pairs)
            products, within = products - between, within + between
            lost += 2.0 * grown / (found.beta * pairs)
        return Products(products, self._size(within), lost)

    def _size(self, gram: Floats) -> float:
        """Return what is the smallest for cells: a squared distance, or of cosines a norm."""
        if self._code == COSINE:
            return extremes(gram)[0]
        return size_of_distances(gram, gram)

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
    ) -> Products | None:
        """Products where the covariance is nearly, or wholly, the target."""
        design = self._design
        full = np.tril(own) + np.tril(own, -1).T
        deviations = design.folds @ full
        between = _block_sum(deviations @ design.folds.T, design)
        largest, grown = (extremes(gram)[1], extremes(own)[1]), 1.0
        if found.beta > 0:
            full.reshape(-1)[:: design.dof + 1] += found.alpha / found.beta
            if not factorise(full):
                return None
            grown = growth(full, largest[1] + found.alpha / found.beta)
            solve_rows(full, across)
            solve_rows(full, deviations)
            gram = gram - across @ across.T
            between = between - _block_sum(deviations @ deviations.T, design)
        products = within = gram / found.alpha
        lost = rounding_of(*largest, grown) / found.alpha
        if design.n_folds > 1:
            pairs = design.n_folds * (design.n_folds - 1)
            between /= found.alpha * pairs
            lost += 2.0 * largest[1] * grown / (found.alpha * pairs)
            products, within = products - between, within + between
        return Products(products, self._size(within), lost)

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

    def _find_uneven(self) -> NDArray[np.bool_]:
        """Find the centres (n_centers,) around voxels whose folds differ too much in size."""
        slabs = range(0, len(self._patterns), _SLAB)
        uneven = [find_shared(self._patterns[start : start + _SLAB])[1] for start in slabs]
        return centers_around(np.concatenate(uneven), self._spheres)

    def _means(self, voxels: slice) -> Floats:
        """Patterns of the conditions (n_chosen, n_means): means over folds."""
        folds = np.asarray(self._patterns[voxels], dtype=np.float64)
        if self._code != COSINE:
            folds = without_shared(folds)
        return np.asarray(folds.mean(axis=1))

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


def n_rows(n_means: int, dof: int) -> int:
    """Count the rows whose products are summed."""
    return _EXTRA + n_means + dof


def _block_sum(products: Floats, design: ImageDesign) -> Floats:
    """Sum the products of contrasts with the same number, for each pair of conditions."""
    n, n_contrasts = design.n_conditions, design.n_folds - 1
    return np.asarray(np.einsum("kulu->kl", products.reshape(n, n_contrasts, n, n_contrasts)))
