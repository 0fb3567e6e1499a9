"""Images to patterns: which fold an image belongs to, and the mean of each fold and condition."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096  # voxels turned at a time: a block of all conditions fits the cache


def center_conditions(patterns: NDArray[np.floating[Any]]) -> None:
    """Take the mean pattern over conditions away from each fold, in place.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64
        NaN is a missing value: the mean is that of the conditions that a voxel has.
    """
    for start in range(0, len(patterns), _BLOCK):
        block = patterns[start : start + _BLOCK]
        there = np.isfinite(block)
        sums = np.where(there, block, 0.0).sum(axis=2, dtype=np.float64, keepdims=True)
        with np.errstate(invalid="ignore"):
            block -= sums / there.sum(axis=2, keepdims=True)


def consecutive_groups(n_runs: int, n_folds: int) -> NDArray[np.intp]:
    """Group consecutive runs into folds as evenly as possible; earlier folds take the rest.

    Returns
    -------
    fold_of_run : (n_runs,)
        0-based and ascending.

    Raises
    ------
    ValueError
        If there are fewer runs than folds, or fewer than two folds.
    """
    if not 2 <= n_folds <= n_runs:
        raise ValueError(f"{n_runs} runs cannot make {n_folds} folds.")
    sizes = [len(part) for part in np.array_split(np.arange(n_runs), n_folds)]
    return np.repeat(np.arange(n_folds), sizes)


def cell_counts(
    fold_of: NDArray[np.intp], condition_of: NDArray[np.intp], n_folds: int, n_conditions: int
) -> NDArray[np.int64]:
    """Count the images of each fold and condition; images of fold -1 belong to none.

    Returns
    -------
    counts : (n_folds, n_conditions)
    """
    counts = np.zeros((n_folds, n_conditions), dtype=np.int64)
    used = fold_of >= 0
    np.add.at(counts, (fold_of[used], condition_of[used]), 1)
    return counts


class FoldMeans:
    """Running means over the images of each fold and condition, each image with equal weight.

    Images are added one by one, so that no more than one of them is held beside the sums.

    Parameters
    ----------
    n_voxels : int
        Length of each image.
    counts : (n_folds, n_conditions)
        Number of images that will be added for each mean; see `cell_counts`.
    ignore_nan : bool
        Average over the finite values only, NaN where there is none.
    """

    def __init__(self, n_voxels: int, counts: NDArray[np.int64], ignore_nan: bool = False) -> None:
        self._averages = bool(counts.max(initial=0) > 1)
        # a single float32 image stays exact as it is; a mean of several does not
        dtype = np.float64 if self._averages else np.float32
        # one line for each mean while images come in: adding to columns costs ten times as much
        self._sums: NDArray[np.floating] = np.zeros((*counts.shape, n_voxels), dtype=dtype)
        self._counts = counts
        self._ignore_nan = ignore_nan
        self._n_finite = (
            np.zeros(self._sums.shape, np.uint16) if ignore_nan and self._averages else None
        )

    def add(self, values: NDArray[np.floating], fold: int, condition: int) -> None:
        """Add one image, (n_voxels,) float32 or float64; its cost is one pass over it."""
        if values.dtype.itemsize > self._sums.dtype.itemsize:
            self._sums = self._sums.astype(np.float64)
        if self._ignore_nan:
            finite = np.isfinite(values)
            values = np.where(finite, values, 0 if self._averages else np.nan)
            if self._n_finite is not None:
                self._n_finite[fold, condition] += finite
        self._sums[fold, condition] += values

    def means(self, keep: NDArray[np.bool_] | None = None) -> NDArray[np.floating]:
        """Return the means of all voxels or of those to keep; the sums are given up.

        Returns
        -------
        patterns : (n_voxels, n_folds, n_conditions)
            C-contiguous; float32 where every mean is that of one float32 image.
        """
        n_voxels = self._sums.shape[-1]
        kept = np.arange(n_voxels) if keep is None else np.flatnonzero(keep)
        patterns = np.empty((len(kept), *self._counts.shape), self._sums.dtype)
        for start in range(0, len(kept), _BLOCK):
            rows = kept[start : start + _BLOCK]
            block = self._sums[..., rows].transpose(2, 0, 1)
            if self._averages:
                counts: NDArray[Any] = self._counts
                if self._n_finite is not None:
                    counts = self._n_finite[..., rows].transpose(2, 0, 1)
                with np.errstate(invalid="ignore", divide="ignore"):
                    block = block / counts
            patterns[start : start + _BLOCK] = block
        del self._sums, self._n_finite
        return patterns
