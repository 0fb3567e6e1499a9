"""RDMs of several sets of patterns at the same centres, block by block: nothing is stored."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.block_threads import SharedBlocks, over_threads
from bids_rsa.core.dissimilarity.fold_source import FoldRowSource
from bids_rsa.core.dissimilarity.sources import RowSource
from bids_rsa.core.dissimilarity.table import DEFAULT_DISSIMILARITY, Metric
from bids_rsa.core.limits import longest_piece
from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.searchlight import plain_source, searchlight

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_PER_VOXEL = ("V", "w")
# bytes of RDMs of all sets that are held at a time; in step, for each thread
BLOCK_BYTES = 2**27
STEP_BYTES = 2**23


class Surroundings(Protocol):
    """What is asked of a space: the patches of some centres, and a range that holds them all."""

    def neighborhood(
        self,
        patch_mask: Mask,
        center_mask: Mask,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Neighborhood:
        """Find the patches of the centres, of locations inside ``patch_mask``."""

    def reach(self, center_mask: Mask, radius_mm: float) -> slice:
        """Give a range of locations that holds the patches of all these centres."""


@dataclass(frozen=True, eq=False)
class PatternSet:
    """Patterns of one subject or one half of the runs, and what makes RDMs of them.

    Attributes
    ----------
    patterns : (n_patch_locations, n_folds, n_conditions)
        In the order of ``np.flatnonzero(patch_mask)``; may be a memory map.
    patch_mask : (n_locations,) bool
    params : mapping
        The dissimilarity's parameters; ``V`` and ``w`` have one entry per row of ``patterns``.
    min_voxels : int
    ignore_nan : bool
    noise : NoiseModel or None
    patch_size : int or None
        Only the nearest so many locations.
    space : Surroundings or None
        Where its own locations lie, with the same centres as those of the others; None: where
        theirs do.
    """

    patterns: NDArray[np.floating[Any]]
    patch_mask: Mask
    dissimilarity: Metric = DEFAULT_DISSIMILARITY
    params: Mapping[str, Any] = field(default_factory=dict)
    min_voxels: int = 1
    ignore_nan: bool = False
    noise: NoiseModel | None = None
    patch_size: int | None = None
    space: Surroundings | None = None


def rdms_side_by_side(
    sets: Sequence[PatternSet],
    center_mask: Mask,
    space: Surroundings,
    radius_mm: float,
    take: Callable[[NDArray[np.intp], Floats], None],
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Compute the RDMs of all sets at each centre, and hand them on in blocks of centres.

    Parameters
    ----------
    sets : sequence of PatternSet
        Of one space, with the same conditions.
    center_mask : (n_locations,) bool
    space : Surroundings
        Where the locations lie.
    radius_mm : float
    take : callable
        Called with the numbers of the centres (n,), in the order of
        ``np.flatnonzero(center_mask)``, and their RDMs (n_sets, n, n_cells), which are overwritten
        later; NaN where undefined. Several threads may call it, with each centre once.
    n_threads : int
        Changes nothing in the result.
    on_progress : callable
        Called with the number of newly finished centres.
    """
    n_conditions = sets[0].patterns.shape[2]
    n_cells = n_conditions * (n_conditions - 1) // 2
    if all(one.noise is None and one.space is None for one in sets):
        found = _in_step(sets, center_mask, space, radius_mm, n_threads)
        if found is not None:
            _run_in_step(*found, n_cells, take, n_threads, on_progress)
            return
    step = max(16, BLOCK_BYTES // (8 * n_cells * len(sets)))
    n_centers = int(np.count_nonzero(center_mask))
    room = np.empty((len(sets), min(step, n_centers), n_cells))
    for numbers, chosen in _blocks(center_mask, step):
        rdms = room[:, : len(numbers)]
        for one, out in zip(sets, rdms, strict=True):
            _fill(one, chosen, one.space or space, radius_mm, n_threads, out)
        take(numbers, rdms)
        if on_progress is not None:
            on_progress(len(numbers))


def _in_step(
    sets: Sequence[PatternSet],
    center_mask: Mask,
    space: Surroundings,
    radius_mm: float,
    n_threads: int,
) -> tuple[list[RowSource | FoldRowSource], list[CenterBlock]] | None:
    """Find what fills the same blocks for all sets; None where they have no such blocks.

    Sums along rows of a grid need no copy of the patterns, so that those of all sets can be at
    hand at once.
    """
    n_conditions = sets[0].patterns.shape[2]
    n_bytes = 8 * max(n_conditions * (n_conditions - 1) // 2, 1) * len(sets)
    sources: list[RowSource | FoldRowSource] = []
    blocks: list[list[CenterBlock]] = []
    neighborhood: Neighborhood | None = None
    for number, one in enumerate(sets):
        if neighborhood is None or not _same_patches(one, sets[number - 1]):
            if not one.patch_mask.any():
                return None
            neighborhood = space.neighborhood(
                one.patch_mask, center_mask, radius_mm, n_threads, one.patch_size
            )
        params = {name: value for name, value in one.params.items() if value is not None}
        source = plain_source(
            one.patterns, neighborhood, one.dissimilarity, params, one.ignore_nan, one.min_voxels
        )
        if params or not isinstance(source, RowSource | FoldRowSource):
            return None
        source.share_room(sources[0] if sources else source)
        sources.append(source)
        length = longest_piece(n_bytes // 8, source.max_length)
        blocks.append(list(neighborhood.blocks(max(1, STEP_BYTES // n_bytes), length)))
    return (sources, blocks[0]) if all(_same(blocks[0], other) for other in blocks) else None


def _same_patches(one: PatternSet, other: PatternSet) -> bool:
    """Tell whether two sets have the same patches."""
    return one.patch_size == other.patch_size and np.array_equal(one.patch_mask, other.patch_mask)


def _same(blocks: Sequence[CenterBlock], others: Sequence[CenterBlock]) -> bool:
    """Tell whether two sets have the same blocks."""
    return len(blocks) == len(others) and all(
        np.array_equal(a.centers, b.centers) and np.array_equal(a.segments, b.segments)
        for a, b in zip(blocks, others, strict=True)
    )


def _run_in_step(
    sources: Sequence[RowSource | FoldRowSource],
    blocks: Sequence[CenterBlock],
    n_cells: int,
    take: Callable[[NDArray[np.intp], Floats], None],
    n_threads: int,
    on_progress: Callable[[int], None] | None,
) -> None:
    """Fill one small block for all sets, hand it on while it is in the cache, and so on."""
    longest = max((len(block.centers) for block in blocks), default=0)

    def run(blocks: SharedBlocks[CenterBlock]) -> None:
        room = np.empty(len(sources) * longest * n_cells)
        for block in blocks:
            n = len(block.centers)
            rdms = room[: len(sources) * n * n_cells].reshape(len(sources), n, n_cells)
            for source, out in zip(sources, rdms, strict=True):
                source.fill(block, out)
            take(block.centers, rdms)
            blocks.finish(n)

    with over_threads(run, blocks, n_threads, on_progress) as shared:
        run(shared)


def _blocks(center_mask: Mask, step: int) -> Iterator[tuple[NDArray[np.intp], Mask]]:
    """Cut the centres into blocks of neighbours."""
    places = np.flatnonzero(center_mask)
    for start in range(0, len(places), step):
        chosen = np.zeros(center_mask.shape, dtype=bool)
        chosen[places[start : start + step]] = True
        yield np.arange(start, min(start + step, len(places))), chosen


def _fill(
    one: PatternSet,
    centers: Mask,
    space: Surroundings,
    radius_mm: float,
    n_threads: int,
    out: Floats,
) -> None:
    """Write the RDMs of one set; only the range of locations that patches reach is used."""
    own = _within(one, space.reach(centers, radius_mm))
    if not own.patch_mask.any():
        out[:] = np.nan
        return
    # a centre need not lie in a set's own mask
    neighborhood = space.neighborhood(own.patch_mask, centers, radius_mm, n_threads, own.patch_size)
    writer = RdmWriter(rdms=out)
    searchlight(
        own.patterns,
        neighborhood,
        [writer],
        dissimilarity=own.dissimilarity,
        params=own.params,
        ignore_nan=own.ignore_nan,
        min_voxels=own.min_voxels,
        noise=own.noise,
        n_threads=n_threads,
    )


def _within(one: PatternSet, reach: slice) -> PatternSet:
    """Keep the locations in a range."""
    start = int(np.count_nonzero(one.patch_mask[: reach.start]))
    stop = start + int(np.count_nonzero(one.patch_mask[reach]))
    mask = np.zeros_like(one.patch_mask)
    mask[reach] = one.patch_mask[reach]
    params = {
        name: np.asarray(value)[start:stop] if name in _PER_VOXEL else value
        for name, value in one.params.items()
    }
    patterns = np.ascontiguousarray(one.patterns[start:stop])
    noise = None if one.noise is None else one.noise.of_voxels(slice(start, stop))
    return replace(one, patterns=patterns, patch_mask=mask, params=params, noise=noise)
