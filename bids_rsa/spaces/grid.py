"""Grids: where the voxels of an image are, and how two of them agree."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from bids_rsa.errors import ContentError

AFFINE_TOLERANCE_MM = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of an image are.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along the three axes.
    affine : ndarray, shape (4, 4)
        From voxel indices to mm.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @property
    def n_locations(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def voxel_sizes_mm(self) -> NDArray[np.float64]:
        """Lengths of the three voxel edges in mm."""
        return np.asarray(np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0)))

    def extent_mm(self, inside: NDArray[np.bool_] | None = None) -> float:
        """Longest diagonal in mm between centres of the box around all voxels, or those inside."""
        low, high = np.zeros(3), np.array(self.shape) - 1.0
        if inside is not None:
            found = np.argwhere(inside)
            low, high = found.min(axis=0), found.max(axis=0)
        signs = np.array(list(itertools.product((1, -1), repeat=3)))
        return float(np.linalg.norm((signs * (high - low)) @ self.affine[:3, :3].T, axis=1).max())

    def equals(self, other: Grid) -> bool:
        """Tell whether shapes are equal and affines differ by no more than the tolerance."""
        return self.shape == other.shape and _close(self.affine, other.affine)

    def holds_same_voxels(self, other: Grid) -> bool:
        """Tell whether both contain the same voxels, in whatever orientation."""
        return self.equals(other) or _turn(self, other) is not None

    def describe(self) -> str:
        """Shape, voxel size and affine for a message."""
        sizes = " x ".join(f"{size:.4g}" for size in self.voxel_sizes_mm)
        rows = "; ".join(" ".join(f"{x:.6g}" for x in row) for row in self.affine[:3])
        return f"shape {' x '.join(map(str, self.shape))}, voxels {sizes} mm, affine [{rows}]"

    def differences(self, other: Grid) -> str:
        """Say in words in what this grid differs from another."""
        found = []
        if self.shape != other.shape:
            found.append("the shapes")
        if not _close(self.voxel_sizes_mm, other.voxel_sizes_mm):
            found.append("the voxel sizes")
        elif not _close(self.affine[:3, :3], other.affine[:3, :3]):
            found.append("the orientations of the axes")
        shift = np.abs(self.affine[:3, 3] - other.affine[:3, 3]).max()
        if shift > AFFINE_TOLERANCE_MM:
            found.append(f"the origins (by up to {shift:.4g} mm)")
        return " and ".join(found) or "nothing"

    def refuse_other(self, source: Grid, name: str, first: str) -> None:
        """Refuse a file with other voxels; errors as in `on_grid`."""
        on_grid(np.broadcast_to(np.False_, source.shape), source, self, name, first)

    def bring(self, values: NDArray[Any], source: Grid, name: str, first: str) -> NDArray[Any]:
        """Bring a volume to this grid, flat; errors as in `on_grid`."""
        return np.ascontiguousarray(on_grid(values, source, self, name, first)).ravel()


def _close(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Compare two arrays in mm."""
    return bool(np.abs(a - b).max() <= AFFINE_TOLERANCE_MM)


def reorder(data: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any] | None:
    """Bring a volume into another orientation of the same voxels.

    Returns
    -------
    data : ndarray, shape target.shape, or None
        None when the two grids do not contain the same voxels.
    """
    if source.equals(target):
        return data
    turn = _turn(source, target)
    return None if turn is None else np.asarray(np.flip(data.transpose(turn[0]), turn[1]))


def _turn(source: Grid, target: Grid) -> tuple[list[int], tuple[int, ...]] | None:
    """Find the source axis of each target axis, and the target axes that run the other way.

    None when the two grids do not contain the same voxels.
    """
    step = np.linalg.solve(target.affine, source.affine)
    turn = np.rint(step[:3, :3]).astype(int)
    if not (np.abs(turn).sum(axis=0) == 1).all() or not (np.abs(turn).sum(axis=1) == 1).all():
        return None
    axes = np.abs(turn).argmax(axis=1).tolist()
    flipped = [axis for axis in range(3) if turn[axis, axes[axis]] < 0]
    whole = np.eye(4)
    whole[:3, :3] = turn
    whole[flipped, 3] = [target.shape[axis] - 1 for axis in flipped]
    shape = tuple(source.shape[axis] for axis in axes)
    if shape != target.shape or not _close(target.affine @ whole, source.affine):
        return None
    return axes, tuple(flipped)


def on_grid(data: NDArray[Any], source: Grid, target: Grid, name: str, first: str) -> NDArray[Any]:
    """Bring a volume to the grid of its group, reordering where the voxels are the same.

    Raises
    ------
    ContentError
        If the voxels are not the same; the message shows both grids.
    """
    reordered = reorder(data, source, target)
    if reordered is None:
        raise ContentError(
            f"Images of one analysis are on different grids: {source.differences(target)} differ.\n"
            f"  {first}: {target.describe()}\n  {name}: {source.describe()}",
            "Resample the images to one grid first.",
        )
    return reordered


def resample_nearest(volume: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """Take for each target voxel the value of the nearest source voxel; outside is 0 (False).

    Parameters
    ----------
    volume : (X, Y, Z) ndarray of bool or int32
        A mask, or labels.
    source, target : Grid

    Returns
    -------
    ndarray, shape target.shape
        Of the volume's own type.
    """
    step = np.linalg.solve(source.affine, target.affine)
    resampled = scipy.ndimage.affine_transform(
        volume.astype(np.uint8) if volume.dtype == bool else volume,
        step[:3, :3],
        offset=step[:3, 3],
        output_shape=target.shape,
        order=0,
        mode="grid-constant",
    )
    return np.asarray(resampled, dtype=volume.dtype)
