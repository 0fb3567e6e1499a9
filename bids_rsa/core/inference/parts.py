"""Maxima of the statistics that need neighbours, apart for locations that share no measure."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet, cluster_maxima
from bids_rsa.core.inference.tfce_maxima import tfce_maxima

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def name_of_part(statistic: str, k: int) -> str:
    """Name the maxima over one part of the locations; the first has the statistic's own name."""
    return statistic if k == 0 else f"{statistic}_{k + 1}"


def masks_of_parts(adjacency: Adjacency) -> list[BoolArray]:
    """List which locations each part holds; one part of all where all share a measure."""
    return [own for own, _ in adjacency.parts] or [np.ones(adjacency.n_locations, dtype=bool)]


def clusters_of_parts(clusters: ClusterSet, parts: Sequence[BoolArray]) -> list[BoolArray]:
    """List which clusters (n_clusters,) lie in each part."""
    numbers = np.arange(1, len(clusters.sizes) + 1)
    return [np.isin(numbers, clusters.labels[own]) for own in parts]


def spatial_maxima(
    maps: FloatArray,
    two_sided: bool,
    adjacency: Adjacency,
    cluster_threshold: float | None,
    enhance: bool = True,
) -> dict[str, FloatArray]:
    """Compute the maxima of TFCE, cluster size and cluster mass in each of some maps.

    Parameters
    ----------
    maps : (n_maps, n_locations) float64
    two_sided : bool
    adjacency : Adjacency
    cluster_threshold : float or None
        None leaves clusters out.
    enhance : bool
        Whether TFCE is computed.

    Returns
    -------
    dict of str to (n_maps,) float64
        ``tfce``, ``cluster_size`` and ``cluster_mass``, for each part of the locations; those of
        further parts are named by `name_of_part`.
    """
    if not adjacency.parts:
        return _maxima(maps, two_sided, adjacency, cluster_threshold, enhance)
    found: dict[str, FloatArray] = {}
    for k, (own, part) in enumerate(adjacency.parts):
        values = np.ascontiguousarray(maps[:, own])
        maxima = _maxima(values, two_sided, part, cluster_threshold, enhance)
        found |= {name_of_part(name, k): one for name, one in maxima.items()}
    return found


def _maxima(
    maps: FloatArray,
    two_sided: bool,
    adjacency: Adjacency,
    cluster_threshold: float | None,
    enhance: bool,
) -> dict[str, FloatArray]:
    """Maxima over locations that share a measure."""
    found: dict[str, FloatArray] = {}
    if enhance:
        found["tfce"] = tfce_maxima(maps, two_sided, adjacency)
    if cluster_threshold is not None:
        sizes, masses = cluster_maxima(maps, two_sided, cluster_threshold, adjacency)
        found |= {"cluster_size": sizes, "cluster_mass": masses}
    return found


def corrected_by_part(
    values: FloatArray,
    name: str,
    maxima: Mapping[str, FloatArray],
    chosen: Sequence[BoolArray],
    correct: Callable[[FloatArray, FloatArray], FloatArray],
) -> FloatArray:
    """Correct the values of each part by its own maxima, times the number of parts (Bonferroni).

    Parameters
    ----------
    values : (n,) float64
        Of locations or clusters.
    name : str
        Of the statistic.
    maxima : mapping
        As `spatial_maxima` gives them.
    chosen : sequence of (n,) bool
        Which values each part has.
    correct : callable
        Takes values and maxima, and returns p.
    """
    found = np.ones(len(values))
    for k, own in enumerate(chosen):
        alone = correct(values[own], maxima[name_of_part(name, k)])
        found[own] = np.minimum(1.0, len(chosen) * alone)
    return found
