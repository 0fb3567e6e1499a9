"""A region, its label in file names, and what all kinds of sets of regions share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.words import few

Integers = NDArray[np.int64]
# indices of no region: 0 everywhere, -1 where programs mark what they could not assign
BACKGROUND = (0, -1)


@dataclass(frozen=True)
class Region:
    """A region.

    Attributes
    ----------
    index : int
        Its value in the label image; for masks and spheres its place among them, from 1.
    name : str
        As its table or the user wrote it.
    label : str
        Letters and digits only, for file names; unique in its set.
    present : bool
        False for a row of the table whose index the image lacks.
    """

    index: int
    name: str
    label: str
    present: bool = True


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the regions of a set are on a grid.

    Attributes
    ----------
    members : list of (n_voxels,) int64
        Flat indices into the grid (last axis fastest), one array a region.
    in_view : (n_regions,) float64
        Share of each region that is inside the grid.
    notes : tuple of str
        How it was brought there, in sentences.
    warnings : tuple of str
        What it lacks there, in sentences.
    """

    members: list[Integers]
    in_view: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def refuse_negative(labels: Integers, name: str) -> None:
    """Refuse labels below -1, which are neither background nor regions.

    Parameters
    ----------
    labels : ndarray of int64
    name : str
        What contains them, as the subject of a sentence.

    Raises
    ------
    ContentError
        With some of them, and how often they occur.
    """
    negative = labels[labels < min(BACKGROUND)]
    if negative.size:
        examples = few([str(label) for label in np.unique(negative)])
        raise ContentError(
            f"{name} contains negative labels: {examples} ({negative.size:,} in all). Labels of "
            "regions are positive; 0 and -1 are background.",
            "Negative labels result if a file's data type is too small for them (int8 ends at 127, "
            "int16 at 32767); some programs mark background with them. Write the atlas again with "
            "positive labels and 0 as background.",
        )


class RegionSet(Protocol):
    """Regions as their files or options define them."""

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions, in the order of their rows."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about them, in sentences."""

    @property
    def on_surface(self) -> bool:
        """Whether they consist of vertices, perhaps with voxels below the cortex."""

    def place(self, where: Any, /) -> Placement:
        """Find the locations of each region on a grid; those of surfaces in a space of them.

        Raises
        ------
        ContentError
            No region shares a voxel with the grid.
        """


def make_regions(
    indices: Sequence[int], names: Sequence[str], present: Sequence[bool] | None = None
) -> tuple[Region, ...]:
    """Make regions, with a label for file names that no other of them has.

    Parameters
    ----------
    indices : sequence of int
    names : sequence of str
        Whatever characters they contain: only ASCII letters and digits go into labels.
    present : sequence of bool, optional
    """
    plain = ["".join(c for c in name if c.isascii() and c.isalnum()) for name in names]
    # file systems that ignore case would take two such names for one
    counts = Counter(label.lower() for label in plain)
    labels = [
        label if label and counts[label.lower()] == 1 else f"{label or 'region'}x{index}"
        for index, label in zip(indices, plain, strict=True)
    ]
    there = [True] * len(labels) if present is None else present
    return tuple(map(Region, map(int, indices), names, labels, map(bool, there)))
