"""How much a patch's covariance is shrunk, from sums that need no further matrix.

With Z (n_samples, n_voxels), the covariance is estimated as ``beta (Z'Z + c I)``. For `shrinkage`
and `full` the columns of Z have the sum of squares dof, so that Z'Z / dof is a correlation matrix.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class ProductSums(NamedTuple):
    """What is summed over a patch.

    Attributes
    ----------
    n_voxels : int
    trace : float
        Sum of all z^2.
    squares : float
        Sum of the squared entries of Z'Z, which is that of ZZ'.
    fourth_of_samples : float
        Sum over samples of (sum over voxels of z^2)^2.
    fourth_of_voxels : float
        Sum of all z^4.
    """

    n_voxels: int
    trace: float
    squares: float
    fourth_of_samples: float
    fourth_of_voxels: float


class Shrunk(NamedTuple):
    """The estimate beta (Z'Z + c I); alpha = beta c also where beta is 0."""

    intensity: float
    alpha: float
    beta: float


def shrink(method: str, n_samples: int, dof: float, sums: ProductSums) -> Shrunk:
    """Find the shrinkage of a patch; see `bids_rsa.core.noise.covariance.noise_covariance`."""
    if method == "full":
        return Shrunk(np.nan, 0.0, 1.0 / dof)
    if method == "shrinkage":
        return _towards_diagonal(n_samples, dof, sums)
    return _towards_identity(n_samples, dof, sums)


def _towards_diagonal(n: int, dof: float, sums: ProductSums) -> Shrunk:
    """Schäfer and Strimmer's intensity, from standardised samples."""
    signal = (sums.squares - sums.n_voxels * dof**2) / (n - 1) ** 2
    products = (sums.fourth_of_samples - sums.fourth_of_voxels) / (n - 1)
    intensity = 1.0
    if sums.n_voxels > 1 and signal > 0:
        intensity = min(max(n / dof**2 * (products - signal) / signal, 0.0), 1.0)
    return Shrunk(intensity, intensity, (1.0 - intensity) / dof)


def _towards_identity(n: int, dof: float, sums: ProductSums) -> Shrunk:
    """Ledoit and Wolf's intensity."""
    mean = sums.trace / (n * sums.n_voxels)
    distance = sums.squares / n**2 - sums.n_voxels * mean**2
    variance = (sums.fourth_of_samples / n - sums.squares / n**2) / n
    intensity = 1.0
    if sums.n_voxels > 1 and distance > 0:
        intensity = min(variance / distance, 1.0)
    return Shrunk(intensity, n / dof * intensity * mean, (1.0 - intensity) / dof)
