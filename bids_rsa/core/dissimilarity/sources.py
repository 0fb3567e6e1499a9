"""Where RDMs come from: sums along grid rows, inner products of patches, pairs, or scipy."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.dissimilarity.careful import (
    CarefulCenters,
    careful_centers,
    careful_weighted_centers,
)
from bids_rsa.core.dissimilarity.codes import CORRELATION, COSINE, EUCLIDEAN, PRODUCTS
from bids_rsa.core.dissimilarity.compiled import compiled_distances, folds_that_lack
from bids_rsa.core.dissimilarity.fold_source import FoldRowSource
from bids_rsa.core.dissimilarity.gram_source import GramSource
from bids_rsa.core.dissimilarity.packing import sphere_columns, voxels_of
from bids_rsa.core.dissimilarity.pair_source import PairSource
from bids_rsa.core.dissimilarity.params import select_voxels
from bids_rsa.core.dissimilarity.patch import correlate_patch
from bids_rsa.core.dissimilarity.protocol import RdmSource
from bids_rsa.core.dissimilarity.pushing import (
    Pushed,
    RowWork,
    cut_into_push_tiles,
    room_for_pushed,
)
from bids_rsa.core.dissimilarity.rdms import patch_rdm
from bids_rsa.core.dissimilarity.row_correlations import correlations
from bids_rsa.core.dissimilarity.row_distances import distances
from bids_rsa.core.dissimilarity.row_source import GridRowSource
from bids_rsa.core.dissimilarity.slabs import Slabs, room_for_slabs
from bids_rsa.core.dissimilarity.table import Dissimilarity, Metric, find_dissimilarity
from bids_rsa.core.dissimilarity.weighted import (
    WeightedCorrelations,
    weigh,
    weighted_patterns,
    with_roots,
)
from bids_rsa.core.limits import piece_in_workspace
from bids_rsa.core.neighborhood.protocol import CenterBlock, Neighborhood
from bids_rsa.core.neighborhood.spheres import SphereRows

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Patterns = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class PatchRule:
    """How the RDM of a patch is computed.

    ``may_copy``: the patterns may be copied into the order in which they are read.
    """

    metric: Metric
    params: Mapping[str, Any]
    ignore_nan: bool
    min_voxels: int
    may_copy: bool = False

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
    neighborhood: Neighborhood
    rule: PatchRule
    max_length: int = 2**30

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        return self.fill_some(block, np.arange(len(rdms)), rdms)

    def fill_some(
        self, block: CenterBlock, chosen: NDArray[np.intp], rdms: Floats
    ) -> NDArray[np.int32]:
        """Write the RDMs of some centres of a block; return the patch sizes of all."""
        starts, members = self.neighborhood.members(block)
        for k in chosen:
            rows = np.sort(members[starts[k] : starts[k + 1]])
            rdms[k] = self.rule.rdm(self.patterns, rows)
        return np.diff(starts).astype(np.int32)


class RowSource(GridRowSource):
    """RDMs from sums along grid rows; see `pushing`.

    Parameters
    ----------
    patterns : (n_voxels, n_folds, n_conditions) float32 or float64, C-contiguous
    spheres : SphereRows
    known : Dissimilarity
        A function of inner products.
    min_voxels : int
        Smaller patches are undefined.
    careful : CarefulCenters
        None: those of these patterns.
    may_copy : bool
        The patterns may be copied into the order in which they are read.
    """

    def __init__(
        self,
        patterns: Patterns,
        spheres: SphereRows,
        known: Dissimilarity,
        min_voxels: int,
        careful: CarefulCenters | None = None,
        may_copy: bool = False,
    ) -> None:
        super().__init__(spheres, min_voxels)
        self._patterns, self._code, self._per_voxel = patterns, known.gram_code, known.per_voxel
        shared = np.zeros(len(patterns) * patterns.shape[1])
        if careful is None:
            careful, shared = careful_centers(patterns, spheres, known, min_voxels)
        self._careful = careful
        self._voxels = voxels_of(patterns, spheres, shared, in_order=may_copy)
        self._near = sphere_columns(spheres, paired=True)
        longest = self._near.longest
        self._tiles = cut_into_push_tiles(
            patterns.shape[2], longest + self._near.n_own, squares=self._code not in PRODUCTS
        )
        n_folds = patterns.shape[1]
        per_position = self._near.n_columns * self._voxels.width * (1 + n_folds * (n_folds > 1))
        self.max_length = piece_in_workspace(per_position, longest)

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        centers = self._as_kernels_take_it(block, rdms)
        slabs, pushed = self._room()
        work = RowWork(self._voxels, self._near, centers, self._tiles, slabs, pushed)
        if self._code in PRODUCTS:
            correlations(work, self._code == COSINE)
        else:
            distances(work, self._code == EUCLIDEAN)
        self._careful.fill(block, rdms)
        if self._per_voxel:
            rdms /= np.maximum(centers.sizes, 1)[:, None]
        rows, shifts = self._spheres.rows, self._spheres.shifts
        for k in np.flatnonzero(centers.suspects):
            correlate_patch(self._patterns, rows, centers.positions[k], shifts, rdms[k])
        return centers.sizes

    def _room_sizes(self) -> tuple[int, ...]:
        """Return all that the room depends on."""
        near, voxels = self._near, self._voxels
        n_positions = min(self.max_length, self._spheres.row_length) + near.longest
        return (
            n_positions, near.longest, near.n_columns, near.n_groups, voxels.n_conditions,
            voxels.n_folds, self._tiles.room,
        )  # fmt: skip

    def _make_room(self) -> tuple[Slabs, Pushed]:
        """Make room for the longest piece of a row, which each thread keeps."""
        slabs = room_for_slabs(self._room_sizes()[0], self._voxels, self._near)
        return slabs, room_for_pushed(self._near, self._tiles, slabs)


class WholeOrLacking:
    """RDMs the fastest way where a patch lacks nothing, else by what takes missing voxels."""

    def __init__(self, whole: RdmSource, lacking: PairSource | PatchSource) -> None:
        self._whole, self._lacking = whole, lacking
        self.max_length = whole.max_length

    def fill(self, block: CenterBlock, rdms: Floats) -> NDArray[np.int32]:
        """Write the RDMs of a block; return the patch sizes."""
        sizes = self._whole.fill(block, rdms)
        # what lacks a value is undefined there
        chosen = np.flatnonzero(np.isnan(rdms).any(axis=1))
        if len(chosen):
            self._lacking.fill_some(block, chosen, rdms)
        return sizes


def choose_source(patterns: Patterns, neighborhood: Neighborhood, rule: PatchRule) -> RdmSource:
    """Choose the fastest way to the RDMs that the rule asks for."""
    return choose_source_of(find_dissimilarity(rule.metric), patterns, neighborhood, rule)


def choose_source_of(
    known: Dissimilarity, patterns: Patterns, neighborhood: Neighborhood, rule: PatchRule
) -> RdmSource:
    """Choose the fastest way for an entry that need not stand in the table."""
    n_folds = patterns.shape[1]
    weights = weigh(known, rule.params, n_folds)
    if weights is None and (known.gram_code is None or rule.params):
        return _of_pairs(patterns, neighborhood, known, rule)
    products, roots = (known, None) if weights is None else weights
    if (
        n_folds > 1
        and products.gram_code not in PRODUCTS
        and not isinstance(neighborhood, SphereRows)
    ):
        return _folds_of_lists(patterns, neighborhood, (products, roots), rule)
    if roots is not None:
        whole = _weighted(patterns, neighborhood, products, roots, rule)
    elif isinstance(neighborhood, SphereRows):
        whole = _along_rows(patterns, neighborhood, known, rule)
    else:
        whole = GramSource(patterns, neighborhood, known, rule.min_voxels)
    if not rule.ignore_nan or not _lacks_voxels(patterns):
        return whole
    if n_folds == 1:
        return WholeOrLacking(whole, _of_pairs(patterns, neighborhood, known, rule))
    lacking = folds_that_lack(products, rule.params, roots, patterns)
    if lacking is None:
        return WholeOrLacking(whole, PatchSource(patterns, neighborhood, rule))
    pairs = PairSource(patterns, neighborhood, lacking, rule.min_voxels, True)
    return WholeOrLacking(whole, pairs)


def _folds_of_lists(
    patterns: Patterns,
    neighborhood: Neighborhood,
    products: tuple[Dissimilarity, Floats | None],
    rule: PatchRule,
) -> PairSource | PatchSource:
    """Unbiased distances of patches that are lists, with and without missing voxels."""
    known, roots = products
    distances = folds_that_lack(known, rule.params, roots, patterns)
    if distances is None:
        return PatchSource(patterns, neighborhood, rule)
    return PairSource(patterns, neighborhood, distances, rule.min_voxels, rule.ignore_nan)


def _of_pairs(
    patterns: Patterns, neighborhood: Neighborhood, known: Dissimilarity, rule: PatchRule
) -> PairSource | PatchSource:
    """Choose compiled pairs of patterns where there are some, else scipy."""
    distances = compiled_distances(known, rule.params, len(patterns))
    if distances is None or patterns.shape[1] > 1:
        return PatchSource(patterns, neighborhood, rule)
    return PairSource(patterns, neighborhood, distances, rule.min_voxels, rule.ignore_nan)


def _along_rows(
    patterns: Patterns, spheres: SphereRows, known: Dissimilarity, rule: PatchRule
) -> "RowSource | FoldRowSource":
    """Sum along grid rows; folds that are left out in turn have a way of their own."""
    given = np.ascontiguousarray(patterns)
    if patterns.shape[1] > 1 and not known.is_unbiased(rule.params):
        return FoldRowSource(given, spheres, known, rule.min_voxels)
    return RowSource(given, spheres, known, rule.min_voxels, may_copy=rule.may_copy)


def _weighted(
    patterns: Patterns,
    neighborhood: Neighborhood,
    known: Dissimilarity,
    roots: Floats,
    rule: PatchRule,
) -> RdmSource:
    """Choose the fastest way with weights of voxels."""
    min_voxels = rule.min_voxels
    careful = GramSource(patterns, neighborhood, known, min_voxels, roots)
    of_products = known.gram_code in PRODUCTS
    if not isinstance(neighborhood, SphereRows):
        return careful
    if of_products and patterns.shape[1] > 1:
        given = np.ascontiguousarray(patterns)
        return FoldRowSource(given, neighborhood, known, min_voxels, roots)
    if known.gram_code == CORRELATION:
        lines, cosine = with_roots(patterns, roots), replace(known, gram_code=COSINE)
        cosines = RowSource(lines, neighborhood, cosine, min_voxels)
        return WeightedCorrelations(cosines, careful, patterns.shape[2])
    weighted = weighted_patterns(patterns, roots, known)
    pairs: GramSource | PairSource = careful
    if patterns.shape[1] > 1:
        distances = folds_that_lack(known, rule.params, roots, patterns)
        assert distances is not None
        pairs = PairSource(patterns, neighborhood, distances, min_voxels, False)
    centers = careful_weighted_centers(patterns, weighted, neighborhood, pairs)
    return RowSource(weighted, neighborhood, known, min_voxels, centers)


def _lacks_voxels(patterns: Patterns) -> bool:
    """Tell whether a value is missing, looking at a slab at a time."""
    slab = 2**12
    return not all(np.isfinite(patterns[k : k + slab]).all() for k in range(0, len(patterns), slab))
