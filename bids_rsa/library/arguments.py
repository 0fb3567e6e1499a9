"""Arguments that several functions of the library have: their checks and conversions."""

from __future__ import annotations

import logging
import os
import warnings
from typing import Any

import joblib
import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import DEFAULT_COMPARISON
from bids_rsa.core.dissimilarity.table import PER_VOXEL
from bids_rsa.errors import OptionError
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.masks import load_mask
from bids_rsa.spaces.volume import IMPLAUSIBLE_RADIUS_MM

LOGGER = logging.getLogger(__name__)

Image = str | os.PathLike[str] | SpatialImage


def radius_mm_of(spatial_radius: Any) -> float | None:
    """Check the radius and convert it from metres to mm."""
    if spatial_radius is None:
        return None
    if isinstance(spatial_radius, bool) or not isinstance(spatial_radius, (int, float, np.number)):
        raise TypeError(
            f"spatial_radius is {spatial_radius!r}; a number of metres or None is expected."
        )
    radius_mm = float(spatial_radius) * 1000
    if not 0 < radius_mm < np.inf:
        raise OptionError(
            f"spatial_radius is {spatial_radius}; a number of metres above 0 is expected.",
            "10 mm are 0.01.",
        )
    return radius_mm


def check_extent(spatial_radius: Any, extent_mm: float) -> None:
    """Refuse a radius in millimetres; warn of one with which every patch is the whole image."""
    if spatial_radius is None or not 0 < extent_mm <= float(spatial_radius) * 1000:
        return
    found = (
        f"spatial_radius is {spatial_radius:g} metres ({float(spatial_radius) * 1000:g} mm), but "
        f"the voxels to use are within {extent_mm:.4g} mm: every patch contains all of them, and "
        "the map is one constant."
    )
    if float(spatial_radius) * 1000 >= IMPLAUSIBLE_RADIUS_MM:
        advice = f"{spatial_radius:g} mm are {float(spatial_radius) / 1000:g}"
        raise OptionError(found, f"{advice}; None gives one patch of all voxels.")
    warnings.warn(f"{found} spatial_radius=None gives its value.", stacklevel=4)


def check_one_name(rsa_metric: Any) -> None:
    """Refuse anything but the name of one comparison."""
    if not isinstance(rsa_metric, str):
        raise TypeError(
            f"rsa_metric is {rsa_metric!r}; one name, such as '{DEFAULT_COMPARISON}', is expected."
        )


def n_threads_of(n_jobs: Any) -> int:
    """Turn n_jobs into a number of threads: -1 is all CPUs that this process may use."""
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int | np.integer) or n_jobs == 0:
        raise OptionError(f"n_jobs is {n_jobs!r}; a number of CPUs, or -1 for all, is expected.")
    return int(n_jobs) if n_jobs > 0 else max(1, joblib.cpu_count() + 1 + int(n_jobs))


def one_mask(mask: Image, grid: Grid, kind: str) -> NDArray[np.bool_]:
    """Bring one mask to the grid, and log how."""
    if not isinstance(mask, SpatialImage | str | os.PathLike):
        raise TypeError(
            f"The {kind} is a {type(mask).__name__}; a path or a nibabel image is expected."
        )
    loaded = load_mask(mask, grid, kind)
    if loaded.note:
        LOGGER.info(loaded.note)
    if loaded.warning:
        LOGGER.warning(loaded.warning)
    return loaded.voxels


def patch_params(
    params: dict[str, Any], patch_mask: NDArray[np.bool_], radius_mm: float | None
) -> dict[str, Any]:
    """Cut parameters that have one entry for each voxel of the grid down to the patch mask."""
    chosen = dict(params or {})
    for name in PER_VOXEL:
        if chosen.get(name) is None:
            chosen.pop(name, None)
            continue
        values = np.asarray(chosen[name], dtype=np.float64)
        if values.shape not in ((patch_mask.size,), patch_mask.shape):
            raise OptionError(
                f"The parameter {name} has shape {values.shape}; one entry for each voxel of the "
                f"3D grid is expected: ({patch_mask.size},) or {patch_mask.shape}."
            )
        chosen[name] = values.reshape(patch_mask.shape)[patch_mask]
    if chosen.get("VI") is not None:
        chosen["VI"] = _patch_vi(chosen["VI"], patch_mask, radius_mm)
    return chosen


def _patch_vi(vi: Any, patch_mask: NDArray[np.bool_], radius_mm: float | None) -> NDArray[Any]:
    """Check an inverse covariance matrix; cut it down to the patch mask."""
    if radius_mm is not None:
        raise OptionError(
            "The parameter VI covers one fixed set of voxels, but patches differ.",
            "VI requires spatial_radius=None.",
        )
    matrix, n_patch = np.asarray(vi, dtype=np.float64), int(patch_mask.sum())
    if matrix.shape == (n_patch, n_patch):
        return matrix
    if matrix.shape == (patch_mask.size, patch_mask.size):
        inside = np.flatnonzero(patch_mask)
        return matrix[np.ix_(inside, inside)]
    raise OptionError(
        f"The parameter VI has shape {matrix.shape}; ({n_patch}, {n_patch}) is expected, a row "
        "for each voxel inside the masks."
    )
