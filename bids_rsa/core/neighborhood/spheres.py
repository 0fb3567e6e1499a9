"""Spheres on a grid as neighborhoods: columns of voxels along the rows of the grid."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bids_rsa.core.engine.jit import kernel
from bids_rsa.core.neighborhood.protocol import CenterBlock
from bids_rsa.core.neighborhood.sphere_offsets import sphere_offsets

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """A neighborhood as columns along the last axis, the longest first.

    Attributes
    ----------
    starts : (n_columns, 3) int64
        Offset of each column's first voxel from the centre.
    lengths : (n_columns,) int64
        Voxels in each column.
    first : (n_lengths + 1,) int64
        First column of each length, and the number of columns.
    group_at : (longest,) int64
        For each position of the window, the last group of columns that reaches it.
    """

    starts: Integers
    lengths: Integers
    first: Integers
    group_at: Integers


def columns_of(offsets: Integers) -> Columns:
    """Cut a neighborhood, which is convex, into columns along the last axis."""
    order = np.lexsort((offsets[:, 2], offsets[:, 1], offsets[:, 0]))
    ordered = offsets[order]
    new = np.any(np.diff(ordered[:, :2], axis=0) != 0, axis=1)
    begins = np.flatnonzero(np.concatenate([[True], new]))
    lengths = np.diff(np.append(begins, len(ordered)))
    longest_first = np.argsort(-lengths, kind="stable")
    starts, lengths = ordered[begins][longest_first], lengths[longest_first]
    first = np.flatnonzero(np.concatenate([[True], np.diff(lengths) != 0]))
    group_at = [int(np.sum(lengths[first] > k)) - 1 for k in range(lengths[0])]
    return Columns(
        np.ascontiguousarray(starts), lengths, np.append(first, len(lengths)), np.array(group_at)
    )


@kernel
def _gather_members(
    rows: NDArray[np.int32],
    positions: Integers,
    shifts: Integers,
    members: Integers,
    starts: Integers,
) -> None:
    """Write the rows of each centre's patch, patch after patch. O(voxels) a centre."""
    count = 0
    starts[0] = 0
    for c in range(positions.size):
        for shift in shifts:
            row = rows[positions[c] + shift]
            if row >= 0:
                members[count] = row
                count += 1
        starts[c + 1] = count


@kernel
def _find_breaks(
    positions: Integers, row_length: int, longest_gap: int, max_length: int, breaks: Integers
) -> int:
    """Write the first centre of each segment, and the number of centres; see `SphereRows.blocks`.

    Returns how many segments there are. O(centres).
    """
    count, row_end, first, piece_end = 0, 0, 0, 0
    for c, position in enumerate(positions):
        if position >= row_end or position - positions[c - 1] > longest_gap:
            row_end = (position // row_length + 1) * row_length
            first, piece_end = position, position + max_length
        elif position >= piece_end:
            piece_end = first + ((position - first) // max_length + 1) * max_length
        else:
            continue
        breaks[count] = c
        count += 1
    breaks[count] = positions.size
    return count


@dataclass(frozen=True)
class SphereRows:
    """Spheres on a padded grid whose rows run along the axis where that costs least.

    Every neighborhood is one set of shifts of the flat padded grid.

    Attributes
    ----------
    rows : (n_padded,) int32
        Row of each voxel in the patterns; -1 outside the mask.
    positions : (n_centers,) int64
        Centres in the flat padded grid, row by row.
    order : (n_centers,) int64
        Number of each of them among ``np.argwhere(center_mask)``.
    shifts : (n_offsets,) int64
        The neighborhood in the flat padded grid.
    starts : (n_columns,) int64
        First voxels of the columns in the flat padded grid.
    columns : Columns
    row_length : int
        Padded length of a row.
    plane_length : int
        Padded voxels of a plane, whose rows follow each other.
    n_locations : int
        Number of voxels in the mask, which are the rows of the patterns.
    """

    rows: NDArray[np.int32]
    positions: Integers
    order: Integers
    shifts: Integers
    starts: Integers
    columns: Columns
    row_length: int
    plane_length: int
    n_locations: int

    @property
    def n_centers(self) -> int:
        """Number of centres."""
        return len(self.positions)

    def centers_ijk(self) -> Integers:
        """Grid indices (n_centers, 3) of the centres, along the turned axes."""
        plane, within = np.divmod(self.positions, self.plane_length)
        return np.column_stack([plane, *np.divmod(within, self.row_length)])

    def members(self, block: CenterBlock) -> tuple[Integers, Integers]:
        """Return the patches of a block: starts and members."""
        positions = self.positions[block.start : block.stop]
        members = np.empty(len(positions) * len(self.shifts), dtype=np.int64)
        starts = np.empty(len(positions) + 1, dtype=np.int64)
        _gather_members(self.rows, positions, self.shifts, members, starts)
        return starts, members[: starts[-1]]

    def blocks(self, n_centers: int, max_length: int) -> Iterator[CenterBlock]:
        """Cut the centres into blocks of whole segments with about as many centres each.

        A segment is a piece of a grid row of at most ``max_length``, cut at fixed positions and
        where a gap is longer than the window; nothing depends on threads.
        """
        breaks = self._breaks(max_length)
        begin, last = 0, len(breaks) - 1
        while begin < last:
            end = min(int(np.searchsorted(breaks, breaks[begin] + n_centers)), last)
            start, stop = int(breaks[begin]), int(breaks[end])
            edges = breaks[begin : end + 1] - start
            segments = np.column_stack((edges[:-1], edges[1:]))
            yield CenterBlock(start, stop, self.order[start:stop], segments)
            begin = end

    def _breaks(self, max_length: int) -> Integers:
        """First centre of each segment, and the number of centres."""
        breaks = np.empty(len(self.positions) + 1, dtype=np.int64)
        longest_gap = len(self.columns.group_at)
        count = _find_breaks(self.positions, self.row_length, longest_gap, max_length, breaks)
        return breaks[: count + 1].copy()


def sphere_rows(
    patch_mask: Mask, center_mask: Mask, affine: ArrayLike, radius_mm: float
) -> SphereRows:
    """Choose the axis that rows run along, and lay the spheres out on a padded grid.

    Parameters
    ----------
    patch_mask, center_mask : (X, Y, Z) bool
        Voxels that patches use, and the centres (at least one). The numbers of the centres are
        their places in ``np.argwhere(center_mask)``.
    affine, radius_mm
        See `sphere_offsets`.

    Raises
    ------
    ValueError
        See `sphere_offsets`.
    """
    offsets = sphere_offsets(affine, radius_mm, patch_mask.shape)
    axes = min(((1, 2, 0), (0, 2, 1), (0, 1, 2)), key=lambda a: _cost(a, center_mask, offsets))
    turned = np.ascontiguousarray(offsets[:, axes])
    reach = np.abs(turned).max(axis=0)
    rows, order = (_padded_numbers(mask, axes, reach) for mask in (patch_mask, center_mask))
    row_length, plane_length = rows.shape[2], rows.shape[1] * rows.shape[2]
    strides = np.array([plane_length, row_length, 1], dtype=np.int64)
    columns, positions = columns_of(turned), np.flatnonzero(order >= 0)
    return SphereRows(
        rows.ravel(),
        positions,
        order.ravel()[positions].astype(np.int64),
        turned @ strides,
        columns.starts @ strides,
        columns,
        row_length,
        plane_length,
        int(np.count_nonzero(patch_mask)),
    )


def _padded_numbers(mask: Mask, axes: tuple[int, int, int], reach: Integers) -> NDArray[np.int32]:
    """Return the number of each voxel in a mask, turned and padded by the reach; -1 outside."""
    numbers = np.full(mask.shape, -1, dtype=np.int32)
    numbers[mask] = np.arange(np.count_nonzero(mask), dtype=np.int32)
    turned = numbers.transpose(axes)
    padded = np.full(turned.shape + 2 * reach, -1, dtype=np.int32)
    inside = tuple(slice(r, n - r) for r, n in zip(reach, padded.shape, strict=True))
    padded[inside] = turned
    return padded


def _cost(axes: tuple[int, int, int], center_mask: Mask, offsets: Integers) -> int:
    """Column positions that rows along the last of these axes need, gaps filled."""
    mask = center_mask.transpose(axes)
    used = mask.any(axis=2)
    spans = mask.shape[2] - mask[used].argmax(axis=1) - mask[used][:, ::-1].argmax(axis=1)
    turned = offsets[:, axes]
    n_columns = len(set(map(tuple, turned[:, :2].tolist())))
    window = int(np.ptp(turned[:, 2]))
    return int((spans + window).sum()) * n_columns
