"""Image series as library users hold them, and the patterns made of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.core.folds import FoldMeans
from bids_rsa.errors import ContentError
from bids_rsa.patterns.assignment import Assignment
from bids_rsa.spaces.grid import Grid, on_grid
from bids_rsa.spaces.images import grid_of, image_name, n_volumes, open_image, read_volume


@dataclass(frozen=True, eq=False)
class ImageSeries:
    """Images on one grid, read one by one.

    Parameters
    ----------
    grid : Grid
    template : SpatialImage
        Whose header the results take over.
    readers : tuple of callable
        One for each image; returns its values, (X, Y, Z).
    """

    grid: Grid
    template: SpatialImage
    readers: tuple[Callable[[], NDArray[Any]], ...]


def open_series(image: Any) -> ImageSeries:
    """Open a 4D image (a path or an object), or a list of 3D images and 4D runs.

    Raises
    ------
    ContentError
        A ValueError: wrong number of dimensions, different grids, damaged files.
    MissingFileError
        A FileNotFoundError.
    TypeError
        If it is no image.
    """
    if isinstance(image, list | tuple):
        return _from_list(image)
    opened = _as_image(image)
    if len(opened.shape) < 4:
        raise ContentError(
            f"{image_name(image)} has shape {opened.shape}; a 4D image with one volume for each "
            "item is expected.",
            "Several 3D images go into a list.",
        )
    readers = tuple(
        (lambda volume=volume: read_volume(opened, volume)) for volume in range(_count(opened))
    )
    return ImageSeries(grid_of(opened), opened, readers)


def _from_list(images: list[Any] | tuple[Any, ...]) -> ImageSeries:
    """Open 3D images and 4D runs, one after the other, in the first one's orientation."""
    if not images:
        raise ContentError("image is an empty list; give at least two 3D images, or 4D runs.")
    first = _as_image(images[0])
    grid, first_name = grid_of(first), image_name(images[0])
    # the file that is being read stays open, the others are not
    reopened = lru_cache(maxsize=1)(lambda index: _as_image(images[index]))

    def reader(index: int, volume: int) -> Callable[[], NDArray[Any]]:
        def read() -> NDArray[Any]:
            opened = reopened(index)
            values = read_volume(opened, volume)
            return on_grid(values, grid_of(opened), grid, image_name(images[index]), first_name)

        return read

    counts = [_count(_as_image(source)) for source in images]
    readers = [reader(index, volume) for index, n in enumerate(counts) for volume in range(n)]
    return ImageSeries(grid, first, tuple(readers))


def _count(image: SpatialImage) -> int:
    """Count the volumes of an image that has one axis of volumes at most."""
    if sum(n > 1 for n in image.shape[3:]) > 1:
        raise ContentError(
            f"{image_name(image)} has shape {image.shape}: beyond the three axes of space there is "
            "more than one, and the order of the volumes is not known.",
            "Reshape it to 4D, with one volume for each image.",
        )
    return n_volumes(image)


def _as_image(image: Any) -> SpatialImage:
    """Open a path; let an image pass."""
    if isinstance(image, SpatialImage):
        return image
    if isinstance(image, str | os.PathLike):
        return open_image(image)
    raise TypeError(
        f"image is a {type(image).__name__}; a path, a nibabel image, or a list of them is "
        "expected (an array has no affine, so wrap it: nibabel.Nifti1Image(array, affine))."
    )


def read_patterns(
    series: ImageSeries, assignment: Assignment, patch_mask: NDArray[np.bool_], ignore_nan: bool
) -> NDArray[np.floating]:
    """Read the series and average the images of each fold and item.

    Returns
    -------
    patterns : ndarray, shape (n_patch_voxels, n_folds, n_items)
    """
    means = FoldMeans(int(patch_mask.sum()), assignment.counts, ignore_nan)
    for read, fold, item in zip(
        series.readers, assignment.fold_of, assignment.item_of, strict=True
    ):
        if fold >= 0:
            means.add(read()[patch_mask], int(fold), int(item))
    return means.means()
