"""The table of dissimilarities, and the parameters each takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Metric = str | Callable[..., float]


@dataclass(frozen=True)
class Dissimilarity:
    """One way to measure how different two patterns are.

    Attributes
    ----------
    name : str
        As scipy's ``pdist`` knows it.
    aliases : tuple of str
        scipy's other names.
    parameters : tuple of str
        Keyword arguments it takes; ``w`` and ``V`` have one entry per voxel.
    min_voxels : int
        Undefined on patches with fewer.
    unbiased : bool
        Cross-validated, its mean is 0 where nothing differs (``mahalanobis``: with a given matrix).
    sums_voxels : bool
        A sum over voxels (perhaps inside a root): it grows with the patch, and is scaled up for
        missing voxels.
    """

    name: str
    aliases: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ("w",)
    min_voxels: int = 1
    unbiased: bool = False
    sums_voxels: bool = False


DISSIMILARITIES: dict[str, Dissimilarity] = {
    d.name: d
    for d in (
        Dissimilarity("braycurtis"),
        Dissimilarity("canberra", sums_voxels=True),
        Dissimilarity("chebyshev", ("chebychev", "cheby", "cheb", "ch")),
        Dissimilarity("cityblock", ("cblock", "cb", "c"), sums_voxels=True),
        Dissimilarity("correlation", ("co",), min_voxels=3),
        Dissimilarity("cosine", ("cos",), min_voxels=2),
        Dissimilarity("dice"),
        Dissimilarity("euclidean", ("euclid", "eu", "e"), unbiased=True, sums_voxels=True),
        Dissimilarity("hamming", ("hamm", "ha", "h")),
        Dissimilarity("jaccard", ("jacc", "ja", "j")),
        Dissimilarity("jensenshannon", ("js",), parameters=()),
        Dissimilarity("mahalanobis", ("mahal", "mah"), parameters=("VI",), unbiased=True),
        Dissimilarity("matching"),
        Dissimilarity("minkowski", ("mi", "m", "pnorm"), parameters=("w", "p"), sums_voxels=True),
        Dissimilarity("rogerstanimoto"),
        Dissimilarity("russellrao"),
        Dissimilarity("seuclidean", ("se", "s"), parameters=("V",), sums_voxels=True),
        Dissimilarity("sokalsneath"),
        Dissimilarity("sqeuclidean", ("sqe", "sqeuclid"), unbiased=True, sums_voxels=True),
        Dissimilarity("yule"),
    )
}
_BY_ALIAS = {alias: d for d in DISSIMILARITIES.values() for alias in (d.name, *d.aliases)}
# parameters with one entry per voxel
_PER_VOXEL = ("w", "V")


def find_dissimilarity(metric: Metric) -> Dissimilarity:
    """Look a metric up; a callable is a dissimilarity of its own that takes any parameter.

    Raises
    ------
    ValueError
        An unknown name; the message lists the known ones.
    """
    if callable(metric):
        return Dissimilarity(getattr(metric, "__name__", "callable"))
    try:
        return _BY_ALIAS[str(metric).lower()]
    except KeyError:
        known = ", ".join(DISSIMILARITIES)
        raise ValueError(f"unknown dissimilarity '{metric}'; known: {known}") from None


def check_params(metric: Metric, params: Mapping[str, Any], n_voxels: int) -> None:
    """Check a metric's parameters once, at the door.

    Raises
    ------
    ValueError
        A parameter that the metric doesn't take, or with another length than the voxels.
    """
    known = find_dissimilarity(metric)
    unknown = [] if callable(metric) else sorted(set(params) - set(known.parameters))
    if unknown:
        takes = ", ".join(known.parameters) or "no parameters"
        raise ValueError(f"{known.name} takes {takes}; given: {', '.join(unknown)}")
    for key in _PER_VOXEL:
        if params.get(key) is not None:
            _check_per_voxel(key, params[key], n_voxels)
    if known.name == "minkowski" and params.get("p") is not None:
        _check_power(params["p"])
    if params.get("VI") is not None and np.shape(params["VI"]) != (n_voxels, n_voxels):
        raise ValueError(
            f"VI must be ({n_voxels}, {n_voxels}) for {n_voxels} voxels, "
            f"not of shape {np.shape(params['VI'])}"
        )


def _check_per_voxel(key: str, values: Any, n_voxels: int) -> None:
    """Check a parameter with one entry per voxel."""
    if np.shape(values) != (n_voxels,):
        raise ValueError(
            f"{key} needs one entry per voxel, ({n_voxels},), not shape {np.shape(values)}"
        )
    entries = np.asarray(values)
    if entries.dtype.kind not in "biuf" or (entries < 0).any():
        raise ValueError(f"{key} needs numbers that are not negative")


def _check_power(p: Any) -> None:
    """Check minkowski's power; scipy's ``pdist`` computes something for any."""
    if isinstance(p, bool) or not isinstance(p, int | float | np.number) or not p > 0:
        raise ValueError(f"p needs a number above 0; given: {p!r}")


def is_unbiased(metric: Metric, params: Mapping[str, Any]) -> bool:
    """Tell whether the cross-validated metric is the unbiased estimator (or its signed root)."""
    known = find_dissimilarity(metric)
    return known.unbiased and (known.name != "mahalanobis" or params.get("VI") is not None)


def select_voxels(params: Mapping[str, Any], voxels: NDArray[Any]) -> dict[str, Any]:
    """Return the parameters for some of the voxels."""
    selected = dict(params)
    for key in _PER_VOXEL:
        if params.get(key) is not None:
            selected[key] = np.asarray(params[key])[voxels]
    if params.get("VI") is not None:
        matrix = np.asarray(params["VI"])
        selected["VI"] = matrix[voxels][:, voxels]
    return selected
