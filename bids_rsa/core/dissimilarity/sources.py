"""Where a searchlight's RDMs come from: sums along grid rows where they do, else patch by patch."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity import rows as _rows
from bids_rsa.core.dissimilarity.codes import COSINE, EUCLIDEAN, PRODUCTS
from bids_rsa.core.dissimilarity.compiled import compiled_distances
from bids_rsa.core.dissimilarity.packing import Lines, neighborhood_of, room_for_lines, voxels_of
from bids_rsa.core.dissimilarity.pair_source import PairSource
from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.patch import correlate_patch
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.dissimilarity.row_correlations import correlations
from bids_rsa.core.dissimilarity.row_distances import distances
from bids_rsa.core.dissimilarity.table import Dissimilarity, Metric, find_dissimilarity
from bids_rsa.core.engine.vectors import LANES
from bids_rsa.core.neighborhood.spheres import Block, Layout

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Patterns = NDArray[np.floating[Any]]

# bytes of packed patterns in each thread
_WORKSPACE = 32 * 2**20
_MIN_LENGTH = 16


class RdmSource(Protocol):
    """What fills blocks of RDMs; safe to share between threads.

    Attributes
    ----------
    max_length : int
        Longest piece of a grid row that it takes.
    """

    @property
    def max_length(self) -> int:
        """Longest piece of a grid row."""

    def fill(self, block: Block, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs (n_centers, n_cells) of a block; return the patch sizes."""


@dataclass(frozen=True)
class PatchRule:
    """How the RDM of a patch is computed."""

    metric: Metric
    params: Mapping[str, Any]
    ignore_nan: bool
    min_voxels: int

    def rdm(self, patterns: Patterns, rows: NDArray[Any]) -> Floats:
        """RDM (n_cells,) of the patch with these rows; all NaN where undefined."""
        n_items = patterns.shape[2]
        if len(rows) < max(self.min_voxels, 1):
            return np.full(n_items * (n_items - 1) // 2, np.nan)
        folds = np.ascontiguousarray(patterns[rows].transpose(1, 2, 0), dtype=np.float64)
        return patch_rdm(folds, self.metric, self.ignore_nan, select_voxels(self.params, rows))


@dataclass(frozen=True)
class PatchSource:
    """RDMs patch by patch, by the definition."""

    patterns: Patterns
    layout: Layout
    rule: PatchRule
    max_length: int = 2**30

    def fill(self, block: Block, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        sizes = np.empty(len(rdms), dtype=np.int32)
        for k, position in enumerate(self.layout.positions[block.start : block.stop]):
            rows = self.layout.patch(int(position))
            rdms[k], sizes[k] = self.rule.rdm(self.patterns, rows), len(rows)
        return sizes


class RowSource:
    """RDMs from sums along grid rows; see `_rows`.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
    layout : Layout
    known : Dissimilarity
        A function of inner products.
    min_voxels : int
        Smaller patches are undefined.
    """

    def __init__(
        self, patterns: Patterns, layout: Layout, known: Dissimilarity, min_voxels: int
    ) -> None:
        self._patterns, self._layout = patterns, layout
        self._code, self._min_voxels = known.gram_code, min_voxels
        self._voxels, self._near = voxels_of(patterns, layout), neighborhood_of(layout)
        longest, n_groups = self._near.longest, self._near.n_groups
        max_vectors = 3 if self._code in PRODUCTS else 2
        self._tiles = _rows.cut_into_tiles(
            patterns.shape[2], max_vectors, longest * n_groups * LANES * 8
        )
        n_folds = patterns.shape[1]
        per_position = self._near.n_columns * self._voxels.width * (1 + n_folds * (n_folds > 1))
        self.max_length = max(_WORKSPACE // 8 // per_position - longest, _MIN_LENGTH)
        self._local = threading.local()

    def fill(self, block: Block, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        positions = self._layout.positions[block.start : block.stop]
        sizes, suspects = np.empty(len(rdms), np.int32), np.zeros(len(rdms), np.uint8)
        work = _rows.Block(
            positions, block.segments.ravel(), rdms.reshape(-1), sizes, suspects,
            len(block.segments), self._min_voxels,
        )  # fmt: skip
        if not hasattr(self._local, "room"):
            self._local.room = self._make_room()
        lines, sums = self._local.room
        given = self._voxels, self._near, work, self._tiles
        if self._code in PRODUCTS:
            correlations(*given, lines, sums, self._code == COSINE)
        else:
            distances(*given, lines, sums, self._code == EUCLIDEAN)
        for k in np.flatnonzero(suspects):
            correlate_patch(
                self._patterns, self._layout.rows, positions[k], self._layout.shifts, rdms[k]
            )
        return sizes

    def _make_room(self) -> tuple[Lines, _rows.Sums]:
        """Make room for the longest piece of a row, which each thread keeps."""
        n_positions = min(self.max_length, self._layout.row_length) + self._near.longest
        return (
            room_for_lines(n_positions, self._voxels, self._near),
            _rows.room_for_sums(n_positions, self._voxels, self._near, self._tiles),
        )


def choose_source(patterns: Patterns, layout: Layout, rule: PatchRule) -> RdmSource:
    """Choose the fastest way to the RDMs that the rule asks for."""
    known, n_folds = find_dissimilarity(rule.metric), patterns.shape[1]
    simple = not rule.params and not (rule.ignore_nan and _lacks_voxels(patterns))
    of_sums = known.gram_code is not None and (n_folds == 1 or known.is_unbiased(rule.params))
    if simple and of_sums:
        return RowSource(np.ascontiguousarray(patterns), layout, known, rule.min_voxels)
    distances = compiled_distances(known, rule.params, len(patterns))
    if distances is None or n_folds > 1:
        return PatchSource(patterns, layout, rule)
    return PairSource(patterns, layout, distances, rule.min_voxels, rule.ignore_nan)


def _lacks_voxels(patterns: Patterns) -> bool:
    """Tell whether a value is missing, looking at a slab at a time."""
    slab = 2**12
    return not all(np.isfinite(patterns[k : k + slab]).all() for k in range(0, len(patterns), slab))
