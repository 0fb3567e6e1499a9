"""Where a searchlight's RDMs come from: sums along grid rows where they do, else patch by patch."""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core import _packing, _rows
from bids_rsa.core._distances import PairDistances, pair_distances
from bids_rsa.core._missing import MissingVoxels, missing_voxels
from bids_rsa.core._patch import correlate_patch
from bids_rsa.core._tiles import LANES, N_MOMENTS, N_X, N_Y
from bids_rsa.core.dissimilarity import Metric, find_dissimilarity, patch_rdm, select_voxels
from bids_rsa.core.neighborhood import Block, Layout
from bids_rsa.core.pair_source import PairSource

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


@dataclass(frozen=True)
class _Segment:
    """A piece of a grid row: where it lies, and how its columns are packed."""

    start: int
    length: int
    used: Integers
    bounds: Integers
    n_blocks: int


class RowSource:
    """RDMs from sums along grid rows; see `_rows`.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
    layout : Layout
    metric : str
        One of `ROW_METRICS`.
    min_voxels : int
        Smaller patches are undefined.
    """

    def __init__(self, patterns: Patterns, layout: Layout, metric: str, min_voxels: int) -> None:
        self._patterns, self._layout = patterns, layout
        self._metric, self._min_voxels = metric, min_voxels
        _, n_folds, n_items = patterns.shape
        self._n_rows = _rows.padded_rows(n_items)
        packed_folds = n_folds + 1 if n_folds > 1 else 1
        per_position = self._n_rows * len(layout.starts) * packed_folds
        margin = len(layout.columns.group_at) + 2 * LANES
        self.max_length = max(_WORKSPACE // 8 // per_position - margin, _MIN_LENGTH)
        self._n_work = per_position * (min(self.max_length, layout.row_length) + margin)
        self._local = threading.local()

    def fill(self, block: Block, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        sizes = np.zeros(len(rdms), dtype=np.int32)
        if not hasattr(self._local, "work"):
            self._local.work = np.empty(self._n_work)
        for a, b in block.segments:
            positions = self._layout.positions[block.start + a : block.start + b]
            segment = self._segment(int(positions[0]), int(positions[-1]))
            if not len(segment.used):
                rdms[a:b] = np.nan
            elif self._metric in ("correlation", "cosine"):
                self._correlate(segment, positions, rdms[a:b], sizes[a:b])
            else:
                self._measure(segment, positions, rdms[a:b], sizes[a:b])
        return sizes

    def _segment(self, start: int, last: int) -> _Segment:
        """Find the columns that a piece of a row needs."""
        columns, length = self._layout.columns, last - start + 1
        used = np.empty(len(columns.lengths), dtype=np.int64)
        bounds = np.empty(len(columns.first), dtype=np.int64)
        n_used = _packing.used_columns(
            self._layout.rows, start, length, self._layout.starts, columns.lengths, columns.first,
            used, bounds,
        )  # fmt: skip
        # whole vectors of centres, and of the positions that their windows reach
        n_centers = -(-length // LANES) * LANES
        n_blocks = -(-(n_centers + len(columns.group_at) - 1) // LANES)
        return _Segment(start, length, used[:n_used], bounds, n_blocks)

    def _place(
        self, segment: _Segment
    ) -> tuple[Patterns, NDArray[np.int32], int, int, Integers, Integers, Integers]:
        """Return the arguments by which every packing kernel finds its voxels."""
        layout = self._layout
        lengths = layout.columns.lengths
        return (
            self._patterns, layout.rows, segment.start, segment.length, layout.starts, lengths,
            segment.used,
        )  # fmt: skip

    def _room(self, segment: _Segment, n_folds: int, offset: int = 0) -> Floats:
        """Cut room for packed patterns out of the thread's workspace."""
        shape = (segment.n_blocks, self._n_rows, len(segment.used) * n_folds, LANES)
        work: Floats = self._local.work
        return work[offset : offset + math.prod(shape)].reshape(shape)

    def _snapshots(self, segment: _Segment, n_sums: int) -> Floats:
        """Room for the snapshots of a tile."""
        return np.empty((len(segment.bounds) - 1, n_sums, segment.n_blocks * LANES))

    def _moments(
        self, segment: _Segment, packed: Floats, first: int, n_rows: int
    ) -> tuple[Floats, Floats]:
        """Add up some packed rows, and their squares: (n_rows, n_positions) each."""
        group_at = self._layout.columns.group_at
        n_positions = (segment.n_blocks * LANES - len(group_at) + 1) // LANES * LANES
        sums, squared = np.empty((2, n_rows, n_positions))
        snapshots = self._snapshots(segment, 2 * N_MOMENTS)
        _rows.sum_moments(packed, first, segment.bounds, group_at, snapshots, sums, squared)
        return sums, squared

    def _correlate(
        self, segment: _Segment, positions: Integers, rdms: Floats, sizes: NDArray[np.int32]
    ) -> None:
        """Correlation or cosine distances of one segment."""
        n = self._patterns.shape[2]
        shift, scale = np.empty((2, n))
        place = self._place(segment)
        _packing.sample(*place, shift, scale)
        if self._metric == "cosine":
            shift[:] = 0.0
        packed = self._room(segment, 1)
        _packing.pack(*place, shift, scale, packed)
        sums, squared = self._moments(segment, packed, 0, n + 2)
        if self._metric == "cosine":
            sums[:n] = 0.0
        means, inverses = np.empty((2, n, sums.shape[1]))
        suspects = np.zeros(sums.shape[1], dtype=np.bool_)
        _rows.norms_of(sums, squared, sums[n], shift * scale, means, inverses, suspects)
        at = positions - segment.start
        _rows.correlations(
            packed, segment.bounds, self._layout.columns.group_at,
            self._snapshots(segment, N_X * N_Y), means, inverses, at, rdms,
        )  # fmt: skip
        norms = squared[:n] if self._metric == "cosine" else squared[:0]
        if self._metric == "correlation" and suspects.any():
            for k in np.flatnonzero(suspects[at]):
                correlate_patch(
                    self._patterns, self._layout.rows, positions[k], self._layout.shifts, rdms[k]
                )
        _rows.mark_undefined(sums[n], sums[n + 1], norms, at, self._min_voxels, sizes, rdms)

    def _measure(
        self, segment: _Segment, positions: Integers, rdms: Floats, sizes: NDArray[np.int32]
    ) -> None:
        """(Squared) Euclidean distances of one segment, cross-validated where there are folds."""
        _, n_folds, n = self._patterns.shape
        shift, scale = np.empty((2, n))
        place = self._place(segment)
        _packing.sample(*place, shift, scale)
        shift[:], scale[:] = 0.0, scale.min()
        at, rooted = positions - segment.start, self._metric == "euclidean"
        group_at, snapshots = self._layout.columns.group_at, self._snapshots(segment, N_X * N_Y)
        total = self._room(segment, 1)
        if n_folds == 1:
            _packing.pack(*place, shift, scale, total)
            _rows.distances(
                total, n, segment.bounds, group_at, snapshots, 1 / scale[0], rooted, at, rdms
            )
        else:
            folds = self._room(segment, n_folds, total.size)
            _packing.pack_folds(*place, scale[0], folds, total)
            _rows.fold_distances(
                folds, total, n, n_folds, segment.bounds, segment.bounds * n_folds, group_at,
                snapshots, 1 / scale[0], rooted, at, rdms,
            )  # fmt: skip
        sums, squared = self._moments(segment, total, n, 2)
        _rows.mark_undefined(sums[0], sums[1], squared[:0], at, self._min_voxels, sizes, rdms)


ROW_METRICS = ("correlation", "cosine", "sqeuclidean", "euclidean")


def choose_source(patterns: Patterns, layout: Layout, rule: PatchRule) -> RdmSource:
    """Choose the fastest way to the RDMs that the rule asks for."""
    if callable(rule.metric):
        return PatchSource(patterns, layout, rule)
    name = find_dissimilarity(rule.metric).name
    simple = not rule.params and not (rule.ignore_nan and _lacks_voxels(patterns))
    if simple and name in ROW_METRICS and (patterns.shape[1] == 1 or name in ROW_METRICS[2:]):
        return RowSource(np.ascontiguousarray(patterns), layout, name, rule.min_voxels)
    distances = _pair_distances(rule, len(patterns))
    if distances is None or patterns.shape[1] > 1:
        return PatchSource(patterns, layout, rule)
    return PairSource(patterns, layout, distances, rule.min_voxels, rule.ignore_nan)


def _lacks_voxels(patterns: Patterns) -> bool:
    """Tell whether a value is missing, looking at a slab at a time."""
    slab = 2**12
    return not all(np.isfinite(patterns[k : k + slab]).all() for k in range(0, len(patterns), slab))


def _pair_distances(rule: PatchRule, n_voxels: int) -> PairDistances | MissingVoxels | None:
    """Compiled distances between pairs of patterns, where there are some for the metric."""
    known = find_dissimilarity(rule.metric)
    if known.name in ROW_METRICS and not rule.params:
        return missing_voxels(known.name, known.min_voxels)
    return pair_distances(known.name, rule.params, n_voxels)
