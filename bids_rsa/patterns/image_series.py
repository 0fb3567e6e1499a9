"""Image series as library users hold them: items, folds, and the patterns made of them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.core.folds import FoldMeans, cell_counts
from bids_rsa.errors import ContentError, OptionError
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


@dataclass(frozen=True, eq=False)
class Assignment:
    """The item and the fold of each image; fold -1 is used nowhere."""

    items: NDArray[Any]
    item_of: NDArray[np.intp]
    fold_of: NDArray[np.intp]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Images of each fold and item, (n_folds, n_items)."""
        n_folds = int(self.fold_of.max(initial=0)) + 1
        return cell_counts(self.fold_of, self.item_of, n_folds, len(self.items))


def open_series(image: Any) -> ImageSeries:
    """Open a 4D image (a path or an object) or a list of 3D images.

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
        (lambda volume=volume: read_volume(opened, volume)) for volume in range(n_volumes(opened))
    )
    return ImageSeries(grid_of(opened), opened, readers)


def _from_list(images: list[Any] | tuple[Any, ...]) -> ImageSeries:
    """Open 3D images; all are brought to the first one's orientation."""
    if not images:
        raise ContentError("image is an empty list; give at least two 3D images.")
    first = _as_image(images[0])
    grid, first_name = grid_of(first), image_name(images[0])

    def reader(source: Any) -> Callable[[], NDArray[Any]]:
        def read() -> NDArray[Any]:
            opened = _as_image(source)
            values = read_volume(opened)
            return on_grid(values, grid_of(opened), grid, image_name(source), first_name)

        return read

    return ImageSeries(grid, first, tuple(reader(source) for source in images))


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


def assign(n_images: int, y: Any, n_folds: Any) -> Assignment:
    """Find the item and the fold of each image.

    Parameters
    ----------
    n_images : int
    y : array_like or None
        The item of each image; None: each image is an item.
    n_folds : int, None or scikit-learn splitter
        1: no folds; k: the test sets of StratifiedKFold(k); None: the smallest count of an item;
        a splitter: its test sets.

    Raises
    ------
    OptionError, ContentError
        Both are ValueErrors: folds without y, too few images, overlapping test sets, an item
        missing from a fold.

    Warns
    -----
    UserWarning
        If the images of an item cannot be spread evenly over the folds.
    """
    if y is None:
        if isinstance(n_folds, bool) or n_folds != 1:
            raise OptionError(
                f"n_folds is {n_folds!r}, but there is no y.",
                "Give y, the item of each image: only repeats of an item can be cross-validated.",
            )
        return Assignment(np.arange(n_images), np.arange(n_images), np.zeros(n_images, np.intp))
    items, item_of = _items(n_images, y)
    fold_of = _fold_of(items, item_of, n_folds)
    assignment = Assignment(items, item_of, fold_of)
    for fold, item in np.argwhere(assignment.counts == 0):
        raise ContentError(
            f"Item {items[item]!s} has no image in fold {fold} (from 0) of "
            f"{len(assignment.counts)}; every fold needs every item.",
            "Use fewer folds, or another splitter.",
        )
    return assignment


def _items(n_images: int, y: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Check y; return the sorted items and the index of each image's item."""
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (n_images,):
        raise ContentError(
            f"y has shape {labels.shape}, but there are {n_images} images: y names one item for "
            "each image."
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ContentError("y holds NaN or infinite values; each image needs an item.")
    try:
        items, item_of = np.unique(labels, return_inverse=True)
    except TypeError as error:  # None among names, for example
        raise ContentError(f"y holds labels that cannot be sorted: {error}.") from error
    return items, item_of.ravel()


def _fold_of(items: NDArray[Any], item_of: NDArray[np.intp], n_folds: Any) -> NDArray[np.intp]:
    """Find the fold of each image, -1 for images in no test set."""
    counts = np.bincount(item_of)
    if n_folds is None:
        n_folds = int(counts.min())
    if hasattr(n_folds, "split") and not isinstance(n_folds, str):
        return _test_sets(item_of, n_folds)
    if isinstance(n_folds, bool) or not isinstance(n_folds, int | np.integer) or n_folds < 1:
        raise OptionError(
            f"n_folds is {n_folds!r}; a whole number above 0, None, or a scikit-learn splitter is "
            "expected."
        )
    if n_folds == 1:
        return np.zeros(len(item_of), dtype=np.intp)
    if n_folds > counts.max():
        item = items[counts.argmin()]
        raise ContentError(
            f"n_folds is {n_folds}, but item {item!s} has only {counts.min()} images, so it is "
            f"missing from fold {n_folds - 1} (from 0); every fold needs every item.",
            f"Use at most {counts.min()} folds.",
        )
    if (counts % n_folds).any():
        warnings.warn(
            f"{n_folds} folds do not divide the images of every item evenly (an item has "
            f"{counts.min()} to {counts.max()} images), so folds rest on unequal numbers.",
            stacklevel=4,
        )
    from sklearn.model_selection import StratifiedKFold

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said here as an error
        return _test_sets(item_of, StratifiedKFold(int(n_folds)))


def _test_sets(item_of: NDArray[np.intp], splitter: Any) -> NDArray[np.intp]:
    """Give each image the number of the test set it belongs to."""
    fold_of = np.full(len(item_of), -1, dtype=np.intp)
    fold = -1
    for fold, (_, test) in enumerate(splitter.split(np.zeros((len(item_of), 1)), item_of)):
        taken = test[fold_of[test] >= 0]
        if len(taken):
            raise OptionError(
                f"The test sets of {splitter!r} overlap: image {taken[0]} is in fold "
                f"{fold_of[taken[0]]} and in fold {fold}.",
                "Use a splitter with disjoint test sets, such as KFold, without repeats.",
            )
        fold_of[test] = fold
    if fold < 1:
        raise OptionError(f"{splitter!r} makes {fold + 1} folds; at least two are needed.")
    return fold_of


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
