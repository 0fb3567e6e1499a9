"""An atlas of vertices and grayordinates, and where its regions are among the images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.regions.region import Placement, Region
from bids_rsa.spaces.grayordinate_layout import CORTEX, GrayordinateLayout
from bids_rsa.spaces.surface_files import SIDES
from bids_rsa.spaces.vertex_layout import VertexLayout

Keys = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VertexLabels:
    """The regions of label files.

    Attributes
    ----------
    by_side : dict of str to (n_vertices,) int64
        For each hemisphere 1 + the place among the regions, 0 outside of them.
    regions : tuple of Region
    name : str
        The file's, for messages.
    voxels : dict
        The same of voxels below the cortex, by structure and indices.
    warnings : tuple of str
    shape, affine : tuple of int, (4, 4) ndarray
        The grid that the indices are of.
    is_listed : bool
        Vertices were listed by a file that does not say how many there are.
    """

    on_surface: ClassVar[bool] = True
    by_side: dict[str, Keys]
    regions: tuple[Region, ...]
    name: str
    voxels: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    affine: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))
    is_listed: bool = False

    def place(self, where: Any) -> Placement:
        """Find the locations of each region; see `RegionSet`.

        Parameters
        ----------
        where : Space or Layout

        Raises
        ------
        ContentError
            The images are volumes, or of another mesh.
        """
        layout = getattr(where, "layout", where)
        if isinstance(layout, VertexLayout):
            found = [self._of_side(side, n, np.arange(n)) for side, n in layout.hemispheres]
        elif isinstance(layout, GrayordinateLayout):
            found = self._of_structures(layout)
        else:
            raise ContentError(
                f"The atlas {self.name} is of surfaces, and the images are volumes.",
                "Give a label image in the space of the images.",
            )
        places = np.concatenate(found)
        if not places.any():
            raise ContentError(f"The atlas {self.name} has no region where the images are.")
        members = [np.flatnonzero(places == k + 1) for k in range(len(self.regions))]
        own = np.bincount(np.concatenate([*self.by_side.values(), [*self.voxels.values()]])
                          .astype(np.int64), minlength=len(self.regions) + 1)[1:]  # fmt: skip
        seen = np.array([len(one) for one in members])
        return Placement(members, seen / np.maximum(own, 1), warnings=self._lacking(layout, places))

    def _lacking(self, layout: VertexLayout | GrayordinateLayout, places: Keys) -> tuple[str, ...]:
        """Name the hemispheres of the images that have no region."""
        return tuple(
            f"The atlas {self.name} has no region in the {SIDES[side]} hemisphere, although the "
            "images cover it."
            for side, own, _, _ in layout.cortices()
            if not places[own].any()
        )

    def _of_side(self, side: str, n_vertices: int, vertices: NDArray[Any]) -> Keys:
        """Give the regions of some vertices of a hemisphere."""
        if side not in self.by_side:
            return np.zeros(len(vertices), dtype=np.int64)
        own = self.by_side[side]
        if self.is_listed and len(own) <= n_vertices:
            own = np.concatenate([own, np.zeros(n_vertices - len(own), dtype=np.int64)])
        if len(own) != n_vertices:
            raise ContentError(
                f"The atlas {self.name} has {len(own):,} vertices in hemi-{side}, and the images "
                f"have {n_vertices:,}.",
                "Give an atlas on the mesh of the images.",
            )
        return own[vertices]

    def _of_structures(self, layout: GrayordinateLayout) -> list[Keys]:
        """Give the regions of grayordinates, structure by structure."""
        if self.voxels and layout.shape:
            self._refuse_other_grid(layout)
        found, start, counts = [], 0, dict(layout.mesh_vertices)
        for name, n in layout.structures:
            own = slice(start, start + n)
            if name in CORTEX:
                found.append(self._of_side(CORTEX[name], counts[name], layout.vertices[own]))
            else:
                ijk = map(tuple, layout.voxels[own].tolist())
                found.append(np.array([self.voxels.get((name, one), 0) for one in ijk], np.int64))
            start += n
        return found

    def _refuse_other_grid(self, layout: GrayordinateLayout) -> None:
        """Refuse voxels of another grid than that of the images."""
        if self.shape != layout.shape or not np.allclose(self.affine, layout.affine, atol=1e-3):
            grids = (
                f"{shape}, affine {np.round(affine, 3).tolist()}"
                for shape, affine in ((self.shape, self.affine), (layout.shape, layout.affine))
            )
            raise ContentError(
                f"The voxels of the atlas {self.name} are on another grid than those of the images:"
                f"\n  atlas: {next(grids)}\n  images: {next(grids)}",
                "Give an atlas on the grid of the images.",
            )
