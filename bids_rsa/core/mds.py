"""Items in few dimensions, from the dissimilarities between them."""

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def classical_mds(rdm: ArrayLike, n_components: int = 2) -> Floats:
    """Arrange items so that their distances approximate an RDM (Torgerson 1952).

    Distances below 0, as cross-validation gives them, are taken as they are: their squares keep
    the sign, so that noise about 0 stays noise about 0.

    Parameters
    ----------
    rdm : (n, n) or (n * (n - 1) / 2,) array_like
        No NaN.
    n_components : int
        Number of dimensions.

    Returns
    -------
    points : (n, n_components) float64
        Centred; the first axis has the largest spread. Signs are fixed by the item farthest out.

    Raises
    ------
    ValueError
        An RDM that is not square and symmetric, or has NaN.

    Examples
    --------
    >>> from bids_rsa.plotting import classical_mds
    >>> abs(classical_mds([3, 4, 5]).round(2)).shape  # a right triangle
    (3, 2)
    """
    square = square_rdm(rdm)
    if np.isnan(square).any():
        raise ValueError("the RDM has cells without a value, which cannot be arranged")
    signed = np.sign(square) * square**2
    centre = np.eye(len(square)) - 1 / len(square)
    values, vectors = np.linalg.eigh(-0.5 * centre @ signed @ centre)
    order = np.argsort(-values)[:n_components]
    points = vectors[:, order] * np.sqrt(np.maximum(values[order], 0))
    if points.shape[1] < n_components:
        points = np.pad(points, ((0, 0), (0, n_components - points.shape[1])))
    farthest = np.abs(points).argmax(axis=0)
    signs = np.sign(points[farthest, np.arange(n_components)])
    return np.asarray(points * np.where(signs == 0, 1, signs), dtype=np.float64)


def square_rdm(rdm: ArrayLike) -> Floats:
    """Bring an RDM to its square form."""
    cells = np.asarray(rdm, dtype=np.float64)
    if cells.ndim == 1:
        return np.asarray(scipy.spatial.distance.squareform(cells, checks=False), dtype=np.float64)
    if cells.ndim != 2 or cells.shape[0] != cells.shape[1]:
        raise ValueError(f"an RDM is square or condensed, not of shape {cells.shape}")
    if not np.allclose(cells, cells.T, equal_nan=True):
        raise ValueError("the RDM is not symmetric")
    return cells
