"""Which grayordinates the values of a file are of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.cifti2 import BrainModelAxis
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.spaces.fixed_layout import FixedLayout
from bids_rsa.spaces.hemispheres import Hemisphere

CORTEX: dict[str, Hemisphere] = {
    "CIFTI_STRUCTURE_CORTEX_LEFT": "L",
    "CIFTI_STRUCTURE_CORTEX_RIGHT": "R",
}


@dataclass(frozen=True, eq=False)
class GrayordinateLayout(FixedLayout):
    """Vertices of the cortex and voxels of structures below it, in the order of a CIFTI file.

    Parameters
    ----------
    structures : tuple of (str, int)
        CIFTI names, and how many grayordinates each has.
    vertices : ndarray, shape (n_grayordinates,), int32
        Of the meshes; -1 for voxels.
    voxels : ndarray, shape (n_grayordinates, 3), int32
        Indices; -1 for vertices.
    mesh_vertices : tuple of (str, int)
        How many vertices the mesh of each structure of the cortex has.
    shape : tuple of int
        Of the voxels' grid; empty without voxels.
    affine : ndarray, shape (4, 4)
        Voxel indices to mm.
    """

    _differ, _one = "have different grayordinates", "set of grayordinates"
    structures: tuple[tuple[str, int], ...]
    vertices: NDArray[np.int32]
    voxels: NDArray[np.int32]
    mesh_vertices: tuple[tuple[str, int], ...]
    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    @classmethod
    def of_axis(cls, axis: BrainModelAxis, name: str) -> GrayordinateLayout:
        """Take over an axis of nibabel.

        Raises
        ------
        ContentError
            Surfaces of other structures than the cortex, or vertices that do not ascend.
        """
        structures = []
        for structure, own, models in axis.iter_structures():
            structures.append((str(structure), len(models)))
            on_surface = bool(np.asarray(models.surface_mask).all())
            if on_surface and structure not in CORTEX:
                raise ContentError(
                    f"{name} has vertices of {structure}; of surfaces only the left and the right "
                    "cortex are known."
                )
            if on_surface and (np.diff(axis.vertex[own]) <= 0).any():
                raise ContentError(f"{name}: the vertices of {structure} do not ascend.")
        return cls(
            tuple(structures),
            np.asarray(axis.vertex, dtype=np.int32),
            np.asarray(axis.voxel, dtype=np.int32),
            tuple((str(key), int(count)) for key, count in axis.nvertices.items()),
            tuple(map(int, axis.volume_shape or ())),
            np.eye(4) if axis.affine is None else np.asarray(axis.affine, dtype=np.float64),
        )

    def axis(self) -> BrainModelAxis:
        """Make the axis of nibabel."""
        names = np.repeat([n for n, _ in self.structures], [count for _, count in self.structures])
        return BrainModelAxis(
            name=names,
            voxel=self.voxels,
            vertex=self.vertices,
            affine=self.affine if self.shape else None,
            volume_shape=self.shape or None,
            nvertices=dict(self.mesh_vertices),
        )

    @property
    def n_locations(self) -> int:
        """Number of grayordinates."""
        return len(self.vertices)

    def equals(self, other: Any) -> bool:
        """Tell whether both have the same grayordinates in the same order."""
        return self is other or (
            isinstance(other, GrayordinateLayout)
            and self.structures == other.structures
            and self.mesh_vertices == other.mesh_vertices
            and self.shape == other.shape
            and np.array_equal(self.vertices, other.vertices)
            and np.array_equal(self.voxels, other.voxels)
            and np.allclose(self.affine, other.affine, atol=1e-3)
        )

    def cortices(self) -> Iterator[tuple[Hemisphere, slice, int, NDArray[np.int32]]]:
        """Give the locations of each hemisphere, the size of its mesh, and their vertices."""
        start, n_vertices = 0, dict(self.mesh_vertices)
        for name, count in self.structures:
            own = slice(start, start + count)
            if name in CORTEX:
                yield CORTEX[name], own, n_vertices[name], self.vertices[own]
            start += count

    def describe(self) -> str:
        """Count grayordinates for a message."""
        named = (f"{n:,} of {name.removeprefix('CIFTI_STRUCTURE_')}" for name, n in self.structures)
        return f"{self.n_locations:,} grayordinates: {', '.join(named)}"

    def differences(self, other: Any) -> str:
        """Say in words in what this layout differs from another."""
        if not isinstance(other, GrayordinateLayout):
            return "the kinds of file"
        if self.structures != other.structures:
            return "the structures or their numbers of grayordinates"
        return "nothing" if self.equals(other) else "the vertices or voxels of the structures"
