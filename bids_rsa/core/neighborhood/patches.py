"""Patches given as lists of locations: regions, discs on a surface, or one patch of everything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.neighborhood.protocol import CenterBlock

Integers = NDArray[np.int64]

_PATCHES_AT_A_TIME = 2048


@dataclass(frozen=True)
class Patches:
    """A neighborhood of lists in compressed rows; its centres are the patches in their order.

    Attributes
    ----------
    starts : (n_patches + 1,) int64
        Where each patch starts among the rows.
    rows : (total,) int32 or int64
        Rows of the patterns, patch after patch; each at most once in a patch.
    n_locations : int
        Number of rows of the patterns.

    Raises
    ------
    ValueError
        Starts that do not cut the rows into patches, or rows that there are not.
    """

    starts: Integers
    rows: NDArray[Any]
    n_locations: int

    def __post_init__(self) -> None:
        starts, rows = self.starts, self.rows
        if starts.ndim != 1 or not len(starts) or starts[0] != 0 or starts[-1] != len(rows):
            raise ValueError(f"starts must run from 0 to the number of rows, {len(rows)}")
        if (np.diff(starts) < 0).any():
            raise ValueError("starts must not descend")
        if len(rows) and not (rows.min() >= 0 and rows.max() < self.n_locations):
            raise ValueError(
                f"rows must be those of {self.n_locations} patterns, not {rows.min()} to "
                f"{rows.max()}"
            )

    @classmethod
    def of_lists(cls, patches: Sequence[ArrayLike], n_locations: int) -> Patches:
        """Make patches of lists of rows.

        Parameters
        ----------
        patches : sequence of (n_members,) array_like of int
        n_locations : int
        """
        lists = [np.asarray(patch, dtype=np.int64).ravel() for patch in patches]
        starts = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        return cls(starts, np.concatenate([np.empty(0, np.int64), *lists]), n_locations)

    @classmethod
    def whole(cls, n_locations: int) -> Patches:
        """Make one patch of all locations."""
        return cls(np.array([0, n_locations]), np.arange(n_locations), n_locations)

    def sums(self, values: ArrayLike) -> NDArray[np.float64]:
        """Add up the values (n_locations,) of each patch, (n_patches,)."""
        given, sums = np.asarray(values, dtype=np.float64), np.zeros(self.n_centers)
        # some patches at a time: the values of all would take twice the memory of the rows
        for start in range(0, self.n_centers, _PATCHES_AT_A_TIME):
            bounds = self.starts[start : start + _PATCHES_AT_A_TIME + 1]
            filled = np.diff(bounds) > 0
            if filled.any():
                some = given[self.rows[bounds[0] : bounds[-1]]]
                own = sums[start : start + len(filled)]
                own[filled] = np.add.reduceat(some, bounds[:-1][filled] - bounds[0])
        return sums

    @property
    def n_centers(self) -> int:
        """Number of patches."""
        return len(self.starts) - 1

    def blocks(self, n_centers: int, max_length: int) -> Iterator[CenterBlock]:
        """Cut the patches into blocks of so many."""
        for start in range(0, self.n_centers, n_centers):
            stop = min(start + n_centers, self.n_centers)
            yield CenterBlock(
                start, stop, np.arange(start, stop), np.array([[0, stop - start]], dtype=np.int64)
            )

    def members(self, block: CenterBlock) -> tuple[Integers, NDArray[Any]]:
        """Return the patches of a block: starts and members."""
        starts = self.starts[block.start : block.stop + 1]
        return starts - starts[0], self.rows[starts[0] : starts[-1]]


def joined_patches(*parts: Patches, same_locations: bool = False) -> Patches:
    """Put patches behind each other.

    Parameters
    ----------
    *parts : Patches
    same_locations : bool
        All parts hold rows of the same patterns. Otherwise each part has locations of its own, as
        two hemispheres have.

    Returns
    -------
    Patches
        The centres of the first part come first, and so do its own rows of the patterns.
    """
    n_rows = [0 if same_locations else part.n_locations for part in parts]
    rows_before = np.cumsum([0, *n_rows]).tolist()
    total_before = np.cumsum([0, *(len(part.rows) for part in parts)]).tolist()
    starts = [part.starts[:-1] + n for part, n in zip(parts, total_before[:-1], strict=True)]
    rows = [
        part.rows + part.rows.dtype.type(n) for part, n in zip(parts, rows_before[:-1], strict=True)
    ]
    return Patches(
        np.concatenate([*starts, total_before[-1:]]).astype(np.int64),
        np.concatenate(rows),
        parts[0].n_locations if same_locations else rows_before[-1],
    )
