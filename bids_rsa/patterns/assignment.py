"""Which item and which fold each image of a series belongs to."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.folds import cell_counts
from bids_rsa.errors import ContentError, OptionError


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


def assign(n_images: int, y: Any, n_folds: Any) -> Assignment:
    """Find the item and the fold of each image.

    Parameters
    ----------
    n_images : int
    y : array_like or None
        The item of each image; None: each image is an item.
    n_folds : int, None, scikit-learn splitter or iterable of (train, test)
        1: no folds; k: the test sets of StratifiedKFold(k); None: the smallest count of an item;
        a splitter, or what its ``split`` returns: the test sets.

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
        raise ContentError("y contains NaN or infinite values; each image needs an item.")
    try:
        items, item_of = np.unique(labels, return_inverse=True)
    except TypeError as error:  # None among names, for example
        raise ContentError(f"y contains labels that cannot be sorted: {error}.") from error
    return items, item_of.ravel()


def _fold_of(items: NDArray[Any], item_of: NDArray[np.intp], n_folds: Any) -> NDArray[np.intp]:
    """Find the fold of each image, -1 for images in no test set."""
    if n_folds is None:
        n_folds = int(np.bincount(item_of).min())
    if isinstance(n_folds, int | np.integer) and not isinstance(n_folds, bool) and n_folds > 0:
        return _stratified(items, item_of, int(n_folds))
    if hasattr(n_folds, "split") and not isinstance(n_folds, str):
        return _from_test_sets(_split(n_folds, item_of), len(item_of), repr(n_folds))
    if isinstance(n_folds, Iterable) and not isinstance(n_folds, str):
        return _from_test_sets(_pairs(n_folds), len(item_of), "n_folds")
    raise OptionError(
        f"n_folds is {n_folds!r}; a whole number above 0, None, a scikit-learn splitter, or a list "
        "of (train, test) indices is expected."
    )


def _stratified(items: NDArray[Any], item_of: NDArray[np.intp], n_folds: int) -> NDArray[np.intp]:
    """Take the test sets of StratifiedKFold; one fold contains all images."""
    counts = np.bincount(item_of)
    fewest, most = counts.min(), counts.max()
    if n_folds == 1:
        return np.zeros(len(item_of), dtype=np.intp)
    if n_folds > most:
        raise ContentError(
            f"n_folds is {n_folds}, but item {items[counts.argmin()]!s} has only {fewest} images, "
            f"so it is missing from fold {n_folds - 1} (from 0); every fold needs every item.",
            f"Use at most {fewest} folds.",
        )
    if (counts % n_folds).any():
        each = f"each item has {most}" if fewest == most else f"an item has {fewest} to {most}"
        warnings.warn(
            f"{n_folds} folds do not divide the images of every item evenly ({each} images), so "
            "the means of folds are averages of unequal numbers of images.",
            stacklevel=6,  # the call of rsa_nifti
        )
    from sklearn.model_selection import StratifiedKFold

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # raised as an error by assign
        tests = _split(StratifiedKFold(n_folds), item_of)
    return _from_test_sets(tests, len(item_of), f"StratifiedKFold({n_folds})")


def _split(splitter: Any, item_of: NDArray[np.intp]) -> list[Any]:
    """List the test sets of a scikit-learn splitter."""
    try:
        return [test for _, test in splitter.split(np.zeros((len(item_of), 1)), item_of)]
    except ValueError as error:
        name = type(splitter).__name__
        raise OptionError(
            f"{splitter!r} cannot split the {len(item_of)} images: {error}",
            f"If it needs groups, such as the run of each image, split first: "
            f"n_folds=list({name}(...).split(y, y, groups=runs)).",
        ) from error


def _pairs(given: Iterable[Any]) -> list[Any]:
    """List the test sets of a list of (train, test)."""
    tests = []
    for number, pair in enumerate(given):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise OptionError(
                f"n_folds[{number}] is {pair!r}; a pair (train, test) of indices is expected.",
                "If n_folds contains the run of each image, use "
                "sklearn.model_selection.PredefinedSplit(runs).",
            )
        tests.append(pair[1])
    return tests


def _indices(test: Any, n_images: int, fold: int) -> NDArray[np.intp]:
    """Check one test set, given as indices or as a boolean mask."""
    chosen = np.asarray(test)
    if chosen.dtype == bool and chosen.shape == (n_images,):
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not len(chosen):
        raise OptionError(
            f"The test set of fold {fold} (from 0) is {test!r}; indices of images are expected."
        )
    if chosen.min() < 0 or chosen.max() >= n_images:
        raise OptionError(
            f"The test set of fold {fold} (from 0) contains indices {chosen.min()} to "
            f"{chosen.max()}, but the {n_images} images are numbered 0 to {n_images - 1}."
        )
    return chosen.astype(np.intp)


def _from_test_sets(tests: list[Any], n_images: int, name: str) -> NDArray[np.intp]:
    """Give each image the number of the test set it belongs to."""
    fold_of = np.full(n_images, -1, dtype=np.intp)
    for fold, test in enumerate(_indices(test, n_images, fold) for fold, test in enumerate(tests)):
        taken = test[fold_of[test] >= 0]
        if len(taken):
            raise OptionError(
                f"The test sets of {name} overlap: image {taken[0]} is in fold "
                f"{fold_of[taken[0]]} and in fold {fold}.",
                "Use a splitter with disjoint test sets, such as KFold, without repeats.",
            )
        fold_of[test] = fold
    if len(tests) < 2:
        raise OptionError(f"{name} makes {len(tests)} folds; at least two are needed.")
    return fold_of
