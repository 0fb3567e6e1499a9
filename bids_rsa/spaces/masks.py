"""Masks: which voxels of an image are inside, brought to the grid of the images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.grid import Grid, reorder, resample_nearest
from bids_rsa.spaces.images import grid_of, image_name, open_image, read_volume

THRESHOLD = 0.5
# scaled integers and float32 miss whole numbers by less
_ROUNDING = 1e-4


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask on a given grid: its voxels, how it was brought there, what is odd about its values.

    ``note`` and ``warning`` are sentences, or empty.
    """

    voxels: NDArray[np.bool_]
    note: str = ""
    warning: str = ""


def load_mask(mask: str | os.PathLike[str] | SpatialImage, target: Grid, kind: str) -> Mask:
    """Read a mask and bring it to the images' grid.

    Parameters
    ----------
    mask : path or SpatialImage
        Inside where above 0.5; NaN is outside.
    target : Grid
        The grid of the images.
    kind : str
        What it is, for messages (``brain mask``).

    Raises
    ------
    ContentError
        If the mask is not 3D, contains no voxel, or none inside the images' grid.
    """
    image = mask if isinstance(mask, SpatialImage) else open_image(mask)
    name, source = f"{kind} {image_name(mask)}", grid_of(image)
    inside, warning = inside_of(read_volume(image), name)
    same = reorder(inside, source, target)
    if same is not None:
        note = "" if source.equals(target) else f"The {name} was reordered to the images."
        return Mask(same, note, warning)
    resampled = resample_nearest(inside, source, target)
    if not resampled.any():
        raise ContentError(
            f"The {name} shares no voxel with the images.\n"
            f"  mask: {source.describe()}\n  images: {target.describe()}",
            "Give a mask in the space of the images.",
        )
    return Mask(
        resampled,
        f"The {name} was resampled to the images' grid (nearest neighbour); "
        f"{source.differences(target)} differ.",
        warning,
    )


def inside_of(
    values: NDArray[Any], name: str, words: tuple[str, str] = ("voxel", "voxels")
) -> tuple[NDArray[np.bool_], str]:
    """Find the voxels inside a mask: those above 0.5.

    Parameters
    ----------
    values : ndarray
        NaN and infinite values are outside.
    name : str
        What the mask is called, for messages.
    words : (str, str)
        What one of its values is of, and several.

    Returns
    -------
    inside : ndarray of bool
    warning : str
        Counts, where the mask contains more than 0 (or NaN) and one positive value.

    Raises
    ------
    ContentError
        If no voxel is inside.
    """
    finite = np.isfinite(values)
    inside = finite & (values > THRESHOLD)
    there = values[finite]
    lowest, highest = (there.min(), there.max()) if there.size else (np.nan, np.nan)
    if not inside.any():
        raise ContentError(
            f"The {name} is empty: no {words[0]} is above {THRESHOLD:g}; its values run from "
            f"{lowest:.4g} to {highest:.4g}.",
            "Give a mask of zeros and ones.",
        )
    binary = (np.abs(there) <= _ROUNDING) | (np.abs(there - highest) <= _ROUNDING * highest)
    n_odd = int((~binary).sum())
    if not n_odd:
        return inside, ""
    several = words[1]
    return inside, (
        f"The {name} is not binary: {n_odd} of its {values.size} {several} contain other values "
        f"than 0 and {highest:.4g} (the lowest is {lowest:.4g}). The {inside.sum()} {several} "
        f"above {THRESHOLD:g} are taken as inside."
    )
