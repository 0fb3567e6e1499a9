"""Centres of a grid whose sums along rows would lose digits, and what computes them instead."""

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.care import centers_around, centers_of_other_scale, find_shared
from bids_rsa.core.dissimilarity.codes import PRODUCTS
from bids_rsa.core.dissimilarity.compiled import folds_that_lack
from bids_rsa.core.dissimilarity.missing import MissingVoxels
from bids_rsa.core.dissimilarity.pair_source import PairSource
from bids_rsa.core.dissimilarity.table import Dissimilarity
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Patterns = NDArray[np.floating[Any]]


class CarefulSource(Protocol):
    """A source that fills single centres."""

    def fill_some(self, block: CenterBlock, chosen: NDArray[np.intp], rdms: Floats) -> object:
        """Write the RDMs of some centres of a block."""


class CarefulCenters:
    """The centres of a grid whose sums along rows would lose digits.

    Parameters
    ----------
    chosen : (n_centers,) bool
        In the order of the neighborhood.
    source : CarefulSource
        What computes them.
    """

    def __init__(self, chosen: NDArray[np.bool_], source: CarefulSource) -> None:
        self._chosen = chosen if chosen.any() else np.zeros(0, np.bool_)
        self._source = source

    def fill(self, block: CenterBlock, rdms: Floats) -> None:
        """Write the RDMs of those of a block again."""
        some = np.flatnonzero(self._chosen[block.start : block.stop])
        if len(some):
            self._source.fill_some(block, some, rdms)


def careful_centers(
    patterns: Patterns, spheres: SphereRows, known: Dissimilarity, min_voxels: int
) -> tuple[CarefulCenters, Floats]:
    """Find these centres, and for distances across folds what to subtract.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
    spheres : SphereRows
    known : Dissimilarity
        A function of inner products; across folds, an unbiased distance.
    min_voxels : int
        Smaller patches are undefined.

    Returns
    -------
    centers : CarefulCenters
        Of distances that are not divided by the number of voxels.
    shared : (n_voxels * n_folds,) float64
        See `care.find_shared`; empty for one fold.
    """
    assert known.gram_code is not None
    chosen = centers_of_other_scale(patterns, spheres, known.gram_code not in PRODUCTS)
    if patterns.shape[1] == 1:
        single = MissingVoxels(known.gram_code, known.min_voxels)
        pairs = PairSource(patterns, spheres, single, min_voxels, False)
        return CarefulCenters(chosen, pairs), np.empty(0)
    distances = folds_that_lack(replace(known, per_voxel=False), {}, None, patterns)
    assert distances is not None
    chosen |= centers_around(distances.uneven, spheres)
    pairs = PairSource(patterns, spheres, distances, min_voxels, False)
    return CarefulCenters(chosen, pairs), distances.shared


def careful_weighted_centers(
    patterns: Patterns, weighted: Floats, spheres: SphereRows, source: CarefulSource
) -> CarefulCenters:
    """Find these centres for distances of weighted patterns, which a source of its own computes.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
        Without weights.
    weighted : (n_voxels, n_folds, n_conditions) float64
        See `weighted.weighted_patterns`.
    spheres : SphereRows
    source : CarefulSource
    """
    chosen = centers_of_other_scale(weighted, spheres, together=True)
    chosen |= centers_around(find_shared(patterns)[1], spheres)
    return CarefulCenters(chosen, source)
