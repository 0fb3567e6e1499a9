"""RDMs of a fold and the mean of the others by products of images."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import without_shared
from bids_rsa.core.noise.grams import ImageGrams
from bids_rsa.core.noise.kernels import extremes
from bids_rsa.core.noise.lapack import factorise, solve_rows
from bids_rsa.core.noise.rounding import Products, growth, rounding_of, size_of_distances
from bids_rsa.core.noise.shrink import Shrunk

Floats = NDArray[np.float64]


class HeldOutGrams(ImageGrams):
    """RDMs of a fold and the mean of the others, whose images the noise is estimated from.

    Parameters
    ----------
    patterns : TwoFolds
    spheres, noise, known, min_voxels
        See `ImageGrams`; the noise is that of the other folds. Only distances follow from products
        of folds.
    """

    @property
    def _n_means(self) -> int:
        return 2 * self._design.n_conditions

    def _find_uneven(self) -> NDArray[np.bool_]:
        """Nothing is subtracted from the product of two folds."""
        return np.zeros(self._spheres.n_centers, dtype=bool)

    def _means(self, voxels: slice) -> Floats:
        """Patterns of the others, then of the fold, (n_chosen, n_means)."""
        folds = without_shared(np.asarray(self._patterns[voxels]))
        return folds.reshape(len(folds), -1)

    def _products(
        self, found: Shrunk, gram: Floats, across: Floats, own: Floats
    ) -> Products | None:
        """Products of both through the inverse covariance; None where there is none."""
        n = self._design.n_conditions
        if not found.alpha > 0:
            return None
        largest, grown = (extremes(gram)[1], extremes(own)[1]), 1.0
        if found.beta > 0:
            own.reshape(-1)[:: self._design.dof + 1] += found.alpha / found.beta
            if not factorise(own):
                return None
            grown = growth(own, largest[1] + found.alpha / found.beta)
            solve_rows(own, across)
            gram = gram - across @ across.T
        between = gram[:n, n:]
        size = size_of_distances(gram[:n, :n], gram[n:, n:])
        return Products(
            (between + between.T) / (2.0 * found.alpha),
            size / found.alpha,
            rounding_of(*largest, grown) / found.alpha,
        )
