"""Reliability of RDMs: how well those of two halves of the data agree."""

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.blocks import CompleteRdms
from bids_rsa.core.comparison.plans import compare
from bids_rsa.core.comparison.table import RELIABILITY_OF_RANKS, find_comparison

Floats = NDArray[np.float64]


def split_half_reliability(
    first: Floats, second: Floats, comparison: str = RELIABILITY_OF_RANKS
) -> Floats:
    """Compare the RDMs of two halves at each centre.

    Parameters
    ----------
    first, second : (n_centers, n_cells) float64
        Condensed RDMs; cells that one of them lacks (NaN) are left out.
    comparison : str
        `RELIABILITY_OF_RANKS` or `RELIABILITY_OF_VALUES` of the table of comparisons.

    Returns
    -------
    (n_centers,) float64
        NaN where undefined.
    """
    found = np.full(len(first), np.nan)
    whole = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    pair = [CompleteRdms(np.ascontiguousarray(rdms[whole])) for rdms in (first, second)]
    n = first.shape[1]
    if whole.any():
        ranked = find_comparison(comparison).ranked
        (a, squares_a), (b, squares_b) = (
            one.ranks() if ranked else one.centered()[:2] for one in pair
        )
        products = np.einsum("rc,rc->r", a.astype(np.float64), b.astype(np.float64))
        known = (squares_a > 0) & (squares_b > 0)
        norms = np.full(len(a), (n**3 - n) / 12.0) if ranked else np.sqrt(squares_a * squares_b)
        found[whole] = np.clip(products / np.where(known, norms, np.nan), -1, 1)
    for center in np.flatnonzero(~whole):
        if np.isfinite(first[center] + second[center]).any():
            second_cells = np.where(np.isfinite(first[center]), second[center], np.nan)
            found[center] = compare(first[center], second_cells, comparison)[0]
    return found
