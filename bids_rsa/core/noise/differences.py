"""Squared distances of patterns that are far from most others, but near to each other.

Where some conditions share a large pattern that others lack, no common pattern can be subtracted
from all. Pairs of such patterns are subtracted first, and only then multiplied by the inverse root.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.engine.jit import kernel

Floats = NDArray[np.float64]

# A pair is near if its squared distance is less than this share of the patterns' squared norms.
# Differences of patterns keep 10 digits even so, differences of products have lost 3.
NEAR_FOR_DIFFERENCES = 2.0**-20
NEAR_FOR_PRODUCTS = 2.0**-10


@kernel
def some_lie_near(gram: Floats, share: float) -> bool:
    """Tell whether two patterns are so near for their norms that their distance loses digits.

    Parameters
    ----------
    gram : (n_items, n_items) float64
        Products of the patterns, summed over folds.
    share : float
        Of the squared norms: ``NEAR_FOR_DIFFERENCES`` or ``NEAR_FOR_PRODUCTS``.
    """
    for i in range(len(gram)):
        for j in range(i):
            both = gram[i, i] + gram[j, j]
            if both - 2.0 * gram[i, j] < share * both:
                return True
    return False


def squares_of_differences(folds: Floats, decorrelate: Callable[[Floats], Floats]) -> Floats:
    """Compute squared distances of pairs (n_pairs,), or the unbiased ones over pairs of folds.

    Parameters
    ----------
    folds : (n_folds, n_items, n_voxels) float64
    decorrelate : callable
        Multiplies differences (n_folds, n_pairs, n_voxels) by a root of the inverse covariance.
    """
    n_folds, n_items = folds.shape[:2]
    cells = [np.empty(0)]
    for item in range(n_items - 1):  # few pairs at a time
        differences = decorrelate(folds[:, item, None] - folds[:, item + 1 :])
        if n_folds == 1:
            cells.append((differences[0] ** 2).sum(axis=1))
            continue
        before = np.cumsum(differences[:-1], axis=0)
        products = (before * differences[1:]).sum(axis=(0, 2))
        cells.append(products * (2.0 / (n_folds * (n_folds - 1))))
    return np.concatenate(cells)
