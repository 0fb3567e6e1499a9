"""How much is computed at a time, and the memory that a thread needs for it; light to import."""

from collections.abc import Iterator
from typing import Any

# 8 MB of RDMs: each block costs 0.1 ms, in which its first calls find nothing in the cache
BLOCK_CELLS = 2**20
BLOCK_CENTERS = 4096
# of few centres, so that all threads have work up to the end
_MIN_BLOCKS = 16
# RDMs of a piece of a grid row, which is computed together (8 bytes a cell)
_PIECE_CELLS = 2**24
# bytes of packed patterns in each thread, for pieces of rows that are not shorter than this
WORKSPACE = 32 * 2**20
MIN_LENGTH = 16
# centres whose patches are listed at a time, where only some are computed
SOME_CENTERS = 64
# cells of RDMs that are measured at a time: their words, ties and ranks stay in a core's own cache
MEASURED_CELLS = 2**16
# the same where nothing of them is stored but scores: calls are fewer
_UNSTORED_CELLS = BLOCK_CELLS
# from so many models on, one matrix product of many RDMs with all of them is faster
MANY_MODELS = 64
# up to so many models, products with their ranks take less time than storing ranks
FEW_MODELS = 2
# RDMs of some centres are ranked, or multiplied, at a time; copies of these
_MEASURED = 24
# copies of what is measured at a time: ranks, in double precision as well, and products
_COPIES = 3


def centers_of_block(n_cells: int, n_centers: int) -> int:
    """Return how many of all centres are computed at a time, for RDMs with so many cells."""
    most = min(BLOCK_CENTERS, -(-n_centers // _MIN_BLOCKS))
    return max(1, min(BLOCK_CELLS // max(n_cells, 1), most))


def cells_at_a_time(n_models: int, stored: bool = True) -> int:
    """Return how many cells of RDMs are compared with so many models at a time.

    ``stored``: ranks, or other numbers, of all these cells are.
    """
    if n_models >= MANY_MODELS:
        return BLOCK_CELLS
    return MEASURED_CELLS if stored else _UNSTORED_CELLS


def longest_piece(n_cells: int, max_length: int) -> int:
    """Return the longest piece of a grid row: RDMs of all its centres are held at once."""
    return min(max_length, max(MIN_LENGTH, _PIECE_CELLS // max(n_cells, 1)))


def piece_in_workspace(values_per_position: int, longest: int) -> int:
    """Return the longest piece of a grid row whose packed patterns fit into the workspace."""
    return max(WORKSPACE // 8 // values_per_position - longest, MIN_LENGTH)


def values_of_voxel(n_folds: int, n_conditions: int) -> int:
    """Bound the values that are packed for a voxel: of folds, training and test patterns."""
    return (1 if n_folds == 1 else 2 * n_folds) * (n_conditions + 4)


def thread_bytes(
    n_conditions: int, n_folds: int, n_centers: int, columns: int, longest: int, *,
    weighted: bool = False, n_models: int = 1,
) -> int:  # fmt: skip
    """Bound the memory of a thread of a searchlight.

    Parameters
    ----------
    n_conditions, n_folds, n_centers : int
    columns, longest : int
        Columns of a sphere along grid rows, and the length of the longest; 0 where patches are
        lists.
    weighted : bool
        Voxels have weights: with their roots as one more condition, RDMs are held twice.
    n_models : int
    """
    n_cells = n_conditions * (n_conditions - 1) // 2
    at_once, workspace = centers_of_block(n_cells, n_centers), WORKSPACE
    if columns:
        per_position = columns * values_of_voxel(n_folds, n_conditions + weighted)
        length = longest_piece(n_cells, piece_in_workspace(per_position, longest))
        at_once += length
        workspace = max(WORKSPACE, (length + longest) * per_position * 8)
    held = min(at_once, n_centers) * n_cells
    if weighted:
        held += min(at_once, n_centers) * (n_cells + n_conditions)
    n_rdms = min(cells_at_a_time(n_models) // max(n_cells, 1), n_centers)
    measured = max(_MEASURED * n_cells, _COPIES * n_rdms * (n_cells + n_models))
    return workspace + 8 * (held + measured)


def runs_of(numbers: Any, longest: int) -> Iterator[slice]:
    """Slices of ascending numbers that follow each other, at most so many."""
    start = 0
    while start < len(numbers):
        end = start + 1
        while end < min(start + longest, len(numbers)) and numbers[end] == numbers[end - 1] + 1:
            end += 1
        yield slice(int(numbers[start]), int(numbers[end - 1]) + 1)
        start = end
