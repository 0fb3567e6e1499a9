"""How many digits sums of products leave, and what they are worth."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.noise.kernels import extremes, smallest_distance

Floats = NDArray[np.float64]

# last digits that rounding may cost: beyond this, RDMs are computed by the definition
_MOST = 2.0**18


class Products(NamedTuple):
    """Products of conditions through the inverse covariance.

    Attributes
    ----------
    gram : (n_conditions, n_conditions) float64
    size : float
        The smallest that a cell of the RDM would be if nothing cancelled.
    rounding : float
        Of a product, in units of the last digit.
    """

    gram: Floats
    size: float
    rounding: float

    @property
    def are_rough(self) -> bool:
        """Whether rounding may show in an RDM."""
        return not self.rounding <= _MOST * self.size


def size_of_distances(first: Floats, second: Floats) -> float:
    """Return the root of the smallest product of squared distances in both matrices."""
    return math.sqrt(smallest_distance(first, second))


def growth(factor: Floats, largest: float) -> float:
    """Return how many times rounding grows where a matrix is solved for, from its pivots."""
    return 1.0 + largest / extremes(factor)[0] ** 2


def rounding_of(pattern: float, contrast: float, grown: float) -> float:
    """Bound the rounding of what is left of products of patterns, in units of the last digit.

    Parameters
    ----------
    pattern, contrast : float
        Largest squared norms: products of rows are rounded in proportion to their norms.
    grown : float
        See `growth`.
    """
    mixed = math.sqrt(grown * pattern / contrast) * (pattern + contrast) if contrast > 0 else 0.0
    return 2.0 * (pattern * grown + mixed)
