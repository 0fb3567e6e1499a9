"""From products through the inverse covariance to the cells of an RDM."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.codes import CORRELATION, COSINE, EUCLIDEAN, SQUARES_PER_VOXEL
from bids_rsa.core.noise.kernels import products_to_distances

Floats = NDArray[np.float64]


def follows_from_products(code: int | None, n_folds: int) -> bool:
    """Tell whether a dissimilarity needs no more than products of patterns.

    Correlation needs the whitened patterns' means, and what is not the unbiased estimator needs
    the whitened patterns of each fold.
    """
    return code is not None and code != CORRELATION and (code != COSINE or n_folds == 1)


def write_cells(gram: Floats, code: int, n_voxels: int, out: Floats) -> None:
    """Write an RDM (n_cells,), all NaN where a cell is undefined."""
    if code == COSINE:
        norms = np.sqrt(np.diag(gram))
        with np.errstate(invalid="ignore", divide="ignore"):
            cosines = gram / norms[:, None] / norms
        out[:] = 1.0 - cosines[np.triu_indices(len(gram), 1)]
    else:
        products_to_distances(gram, out)
        if code == SQUARES_PER_VOXEL:
            out /= n_voxels
        elif code == EUCLIDEAN:
            out[:] = np.sign(out) * np.sqrt(np.abs(out))
    if not np.isfinite(out).all():
        out[:] = np.nan
