"""The parameters of dissimilarities: checked once, and taken for the voxels of a patch."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.table import PER_VOXEL, Metric, find_dissimilarity


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
    for key in PER_VOXEL:
        if params.get(key) is not None:
            _check_per_voxel(key, params[key], n_voxels)
    if "p" in known.parameters and params.get("p") is not None:
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


def select_voxels(params: Mapping[str, Any], voxels: NDArray[Any]) -> dict[str, Any]:
    """Return the parameters for some of the voxels."""
    selected = dict(params)
    for key in PER_VOXEL:
        if params.get(key) is not None:
            selected[key] = np.asarray(params[key])[voxels]
    if params.get("VI") is not None:
        matrix = np.asarray(params["VI"])
        selected["VI"] = matrix[voxels][:, voxels]
    return selected
