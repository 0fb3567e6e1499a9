"""The relabelings of subjects: sign flips or row permutations, all of them when they are few."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from bids_rsa.core.inference._sums import SUBJECTS_PER_TABLE
from bids_rsa.core.inference.design import Design


@dataclass(frozen=True)
class Relabelings:
    """Draws that serve every voxel, model and statistic.

    Attributes
    ----------
    values : (n_draws, n_subjects) int8 or int32
        Signs (-1, 1) or the row that stands at each place.
    exchange : {"flip", "permute"}
        What the values are.
    exhaustive : bool
        Whether these are all distinct relabelings, the identity among them once.
    """

    values: npt.NDArray[Any]
    exchange: Literal["flip", "permute"]
    exhaustive: bool

    @property
    def n_draws(self) -> int:
        """Number of relabelings."""
        return len(self.values)

    def codes(self, start: int, stop: int) -> npt.NDArray[np.uint8]:
        """(stop - start, n_tables) flips of four subjects each as bits; no column without flips."""
        part = self.values[start:stop]
        if self.exchange != "flip":
            return np.empty((len(part), 0), np.uint8)
        n_tables = -(-part.shape[1] // SUBJECTS_PER_TABLE)
        flipped = np.zeros((len(part), n_tables * SUBJECTS_PER_TABLE), np.uint8)
        flipped[:, : part.shape[1]] = part < 0
        bits = flipped.reshape(len(part), n_tables, SUBJECTS_PER_TABLE)
        return np.ascontiguousarray(bits @ (1 << np.arange(SUBJECTS_PER_TABLE, dtype=np.uint8)))

    def weights(
        self, rows: npt.NDArray[np.float64], start: int, stop: int
    ) -> npt.NDArray[np.float64]:
        """(stop - start, n_rows, n_subjects) permuted contrast rows; empty for flips."""
        if self.exchange == "flip":
            return np.empty((0, *rows.shape))
        return np.ascontiguousarray(rows[:, self.values[start:stop]].transpose(1, 0, 2))


def n_distinct(design: Design) -> int:
    """Count the relabelings that differ in their effect on the design."""
    if design.exchange == "flip":
        return int(2**design.n_subjects)
    counts = np.bincount(design.row_labels)
    return math.factorial(design.n_subjects) // math.prod(math.factorial(int(c)) for c in counts)


def smallest_p(design: Design, relabelings: Relabelings, two_sided: bool) -> float:
    """Smallest p value that this design and these draws can give.

    Parameters
    ----------
    design : Design
        The test.
    relabelings : Relabelings
        The draws.
    two_sided : bool
        Two-sided tests count a relabeling together with its mirror image where it has one.

    Returns
    -------
    float
        1 / 2^n for n sign flips (2 / 2^n two-sided), and never below 1 / (draws + 1).
    """
    best = smallest_possible_p(design, two_sided)
    return best if relabelings.exhaustive else max(best, 1 / (relabelings.n_draws + 1))


def smallest_possible_p(design: Design, two_sided: bool) -> float:
    """Smallest p value that all distinct relabelings of a design can give."""
    mirrored = design.exchange == "flip" or _has_mirror_images(design)
    return (2 if two_sided and mirrored else 1) / n_distinct(design)


def draw_relabelings(design: Design, n_permutations: int, seed: int) -> Relabelings:
    """Draw relabelings uniformly, or list all when there are no more than asked for.

    Parameters
    ----------
    design : Design
        The test.
    n_permutations : int
        Number of random draws.
    seed : int
        Seed of numpy's PCG64.

    Returns
    -------
    Relabelings
        The identity stands first when the list is exhaustive.

    Raises
    ------
    ValueError
        Fewer than one permutation.
    """
    if n_permutations < 1:
        raise ValueError(f"at least one permutation is needed, {n_permutations} asked for")
    if n_distinct(design) <= n_permutations:
        return Relabelings(_all_relabelings(design), design.exchange, exhaustive=True)
    rng = np.random.default_rng(seed)
    shape = (n_permutations, design.n_subjects)
    if design.exchange == "flip":
        signs = (rng.integers(0, 2, shape) * 2 - 1).astype(np.int8)
        return Relabelings(signs, "flip", exhaustive=False)
    rows = np.tile(np.arange(design.n_subjects, dtype=np.int32), (n_permutations, 1))
    return Relabelings(rng.permuted(rows, axis=1), "permute", exhaustive=False)


def _has_mirror_images(design: Design) -> bool:
    """Whether some order of the rows turns X, demeaned, into -X and leaves Z as it is.

    Two equally large groups have one, or a variable as far below its mean as above.
    """
    x = design.tested - design.tested.mean()
    rows = np.column_stack([x, design.nuisance])
    mirrored = np.column_stack([-x, design.nuisance])
    # rounded, so that rows equal up to rounding are sorted alike
    scale = np.abs(rows).max(axis=0)
    ordered, turned = (
        np.array(sorted(np.round(one / scale, 9).tolist())) for one in (rows, mirrored)
    )
    return bool(np.allclose(ordered, turned, atol=1e-8))


def _all_relabelings(design: Design) -> npt.NDArray[Any]:
    """List every distinct relabeling, the identity first."""
    n = design.n_subjects
    if design.exchange == "flip":
        bits = (np.arange(2**n)[:, None] >> np.arange(n)[None, :]) & 1
        return (1 - 2 * bits).astype(np.int8)
    labels = design.row_labels
    some_row = np.unique(labels, return_index=True)[1]
    arrangements = np.array(list(_arrangements(tuple(labels.tolist()))), dtype=np.int64)
    identity = int(np.flatnonzero((arrangements == labels).all(axis=1))[0])
    arrangements[[0, identity]] = arrangements[[identity, 0]]
    return some_row[arrangements].astype(np.int32)


def _arrangements(labels: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Distinct orders of labels that may repeat, in lexicographic order (Knuth 7.2.1.2, L)."""
    a = sorted(labels)
    while True:
        yield tuple(a)
        j = len(a) - 2
        while j >= 0 and a[j] >= a[j + 1]:
            j -= 1
        if j < 0:
            return
        k = len(a) - 1
        while a[j] >= a[k]:
            k -= 1
        a[j], a[k] = a[k], a[j]
        a[j + 1 :] = a[:j:-1]
