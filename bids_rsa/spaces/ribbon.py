"""Voxels searched along the cortex: patches of voxels between surfaces, centres on the vertices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.neighborhood.patches import Patches, joined_patches
from bids_rsa.errors import ContentError
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.map_files import is_gifti
from bids_rsa.spaces.space import Floats, FoundMask, Mask, Smoother
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.spaces.volume import VolumeSpace

if TYPE_CHECKING:
    from bids_rsa.core.neighborhood.ribbon import Cortex, RibbonVoxels

RULE = "voxel center between white and pial surface, vertex distance <= radius"
LINES_RULE = "voxel on a line from white to pial vertex (6 depths), vertex distance <= radius"
RULES = (RULE, LINES_RULE)
# as rsatoolbox and AnatSearchlight do
_DEPTHS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# of the vertices of a hemisphere. Of a real brain 99 % are in the brain mask, and after a shift by
# 25 mm along any axis at most 83 % of one of the hemispheres
_LEAST_INSIDE = 0.85


@dataclass(frozen=True, eq=False)
class RibbonPart:
    """White and pial surface of a hemisphere, and which vertices are cortex."""

    white_mm: Floats
    pial_mm: Floats
    triangles: NDArray[np.int32]
    inside: Mask

    @property
    def cortex(self) -> Cortex:
        """The surfaces as the core takes them."""
        # compiled code takes half a second to import: not for checking headers
        from bids_rsa.core.neighborhood.ribbon import Cortex

        return Cortex(self.white_mm, self.pial_mm, self.triangles, self.inside)


@dataclass(frozen=True, eq=False)
class RibbonSpace:
    """The voxels of a grid, with the vertices of the cortex as centres.

    Parameters
    ----------
    volume : VolumeSpace
        Where the patterns are.
    surface : SurfaceSpace
        Where centres and maps are: halfway between white and pial surface.
    ribbons : tuple of RibbonPart
        Of its hemispheres, in the space of the voxels.
    on_lines : bool
        Voxels are those that the lines between the vertices of white and pial surface hit.
    """

    volume: VolumeSpace
    surface: SurfaceSpace
    ribbons: tuple[RibbonPart, ...]
    on_lines: bool = False

    @property
    def n_locations(self) -> int:
        """Number of voxels of the grid."""
        return self.volume.n_locations

    @property
    def words(self) -> tuple[str, str]:
        """What its locations are called."""
        return self.volume.words

    @property
    def size_unit(self) -> str:
        """Unit of `sizes`."""
        return self.volume.size_unit

    @property
    def outside(self) -> float:
        """What maps contain where there is no centre."""
        return self.surface.outside

    @property
    def layout(self) -> Grid:
        """The grid of the images."""
        return self.volume.layout

    @property
    def centers(self) -> SurfaceSpace:
        """The surface that centres and maps are on."""
        return self.surface

    def center_mask(self) -> Mask:
        """Find the vertices that may be centres: those of the cortex."""
        return np.concatenate([part.inside for part in self.ribbons])

    def sizes(self) -> Floats:
        """Volume of each voxel in mm3."""
        return self.volume.sizes()

    def structure_of(self, location: int) -> tuple[str, int | None]:
        """Name no structure: locations are voxels."""
        return self.volume.structure_of(location)

    def places_mm(self, locations: NDArray[Any]) -> Floats:
        """Centres (n, 3) of some voxels in mm."""
        return self.volume.places_mm(locations)

    def neighborhood(
        self,
        patch_mask: Mask,
        center_mask: Mask,
        radius_mm: float,
        n_threads: int = 1,
        patch_size: int | None = None,
    ) -> Patches:
        """Gather the voxels between the surfaces around each centre (n_vertices of both,)."""
        from bids_rsa.core.neighborhood.ribbon import ribbon_patches

        mask, found = patch_mask.reshape(self.volume.shape), []
        slices = self.surface.part_slices().values()
        for part, between, own in zip(self.ribbons, self._between, slices, strict=True):
            found.append(
                ribbon_patches(
                    part.cortex,
                    between,
                    mask,
                    np.flatnonzero(center_mask[own]),
                    radius_mm,
                    max_voxels=patch_size,
                    n_threads=n_threads,
                )
            )
        return joined_patches(*found, same_locations=True)

    @cached_property
    def _between(self) -> list[RibbonVoxels]:
        """The voxels between the surfaces of each hemisphere."""
        return [self.voxels_of(part) for part in self.ribbons]

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Vertices of both hemispheres, and a voxel that belongs to each; several of one vertex."""
        firsts = [own.start for own in self.surface.part_slices().values()]
        vertices = [one.vertices + n for one, n in zip(self._between, firsts, strict=True)]
        return np.concatenate(vertices), np.concatenate([one.voxels for one in self._between])

    def voxels_at(self, vertices: NDArray[Any]) -> NDArray[np.int64]:
        """List the voxels that belong to some vertices, each once, ascending."""
        owners, voxels = self._pairs
        chosen = np.zeros(self.surface.n_locations, dtype=bool)
        chosen[vertices] = True
        return np.unique(voxels[chosen[owners]])

    def in_grid(self) -> Mask:
        """Tell which vertices are cortex and are inside the grid, halfway between the surfaces."""
        inverse = np.linalg.inv(self.volume.affine)
        places = self.surface.places_mm(np.arange(self.surface.n_locations))
        places = places @ inverse[:3, :3].T + inverse[:3, 3]
        return np.asarray(self.center_mask() & _inside_grid(places, self.volume.shape))

    def voxels_of(self, part: RibbonPart) -> RibbonVoxels:
        """Find the voxels between the surfaces of a hemisphere."""
        from bids_rsa.core.neighborhood.ribbon import ribbon_voxels, voxels_on_lines

        if self.on_lines:
            return voxels_on_lines(part.cortex, self.volume.affine, self.volume.shape, _DEPTHS)
        return ribbon_voxels(part.cortex, self.volume.affine, self.volume.shape)

    def reach(self, center_mask: Mask, radius_mm: float) -> slice:
        """Give all voxels."""
        return slice(0, self.n_locations)

    def adjacency(self, inside: Mask, connectivity: int = 6) -> Adjacency:
        """Connect neighbouring voxels; see `Space.adjacency`."""
        return self.volume.adjacency(inside, connectivity)

    def smoother(self, mask: Mask, fwhm_mm: float) -> Smoother:
        """Prepare smoothing of voxels; see `Space.smoother`."""
        return self.volume.smoother(mask, fwhm_mm)

    def load_mask(self, paths: Sequence[str], kind: str) -> FoundMask:
        """Read masks of voxels; see `Space.load_mask`."""
        return self.volume.load_mask(paths, kind)

    def load_center_mask(self, paths: Sequence[str], kind: str) -> FoundMask:
        """Read masks of vertices, or of voxels: a vertex has the value of the voxel it is in."""
        if is_gifti(paths[0]):
            return self.surface.load_mask(paths, kind)
        found = self.volume.load_mask(paths, kind)
        inverse, there = np.linalg.inv(self.volume.affine), self.in_grid()
        places = self.surface.places_mm(np.flatnonzero(there)) @ inverse[:3, :3].T + inverse[:3, 3]
        volume = found.inside.reshape(self.volume.shape)
        inside = np.zeros(self.surface.n_locations, dtype=bool)
        inside[there] = volume[tuple(np.rint(places).astype(np.intp).T)]
        return FoundMask(inside, found.notes, found.warnings)

    def image(
        self,
        values: NDArray[Any],
        part: str = "",
        names: Sequence[str] = (),
        is_mask: bool = False,
    ) -> Any:
        """Make an image of voxels; maps of centres are those of `centers`."""
        return self.volume.image(values, part, names, is_mask)

    def check_radius(self, radius_mm: float, name: str) -> None:
        """Refuse radii as on the surface; see `Space.check_radius`."""
        if np.isfinite(radius_mm):
            self.surface.check_radius(radius_mm, "the surfaces")

    def check_position(self, brain: Mask, name: str) -> None:
        """Refuse surfaces that are elsewhere than the brain.

        Parameters
        ----------
        brain : ndarray of bool, shape (n_voxels,)
            The brain mask; all voxels where there is none.
        name : str
            What the voxels are of, for messages.

        Raises
        ------
        ContentError
            Too few vertices of the cortex of a hemisphere are inside.
        """
        inside = brain.reshape(self.volume.shape)
        inverse = np.linalg.inv(self.volume.affine)
        for part, one in zip(self.ribbons, self.surface.parts, strict=True):
            places = one.coordinates_mm[part.inside] @ inverse[:3, :3].T + inverse[:3, 3]
            there = _inside_grid(places, self.volume.shape)
            there[there] = inside[tuple(np.rint(places[there]).astype(np.intp).T)]
            if there.mean() < _LEAST_INSIDE:
                where = "the brain mask" if not inside.all() else "the images"
                raise ContentError(
                    f"Only {there.mean():.0%} of the vertices of hemi-{one.hemisphere} are inside "
                    f"{where} ({name}): surfaces and images are not in one space, or the images "
                    "cover only a part of the cortex.",
                    "Give white and pial surface in the space of the images and in scanner "
                    "coordinates (fMRIPrep's, or FreeSurfer's after mris_convert --to-scanner). "
                    "For images of a part of the brain, name the vertices in it with "
                    "--cortex-mask.",
                )

    def spatial_keys(self, beside: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Name the surface and the distance; see `Space.spatial_keys`."""
        return self.surface.spatial_keys({}, path)


def _inside_grid(places: Floats, shape: Sequence[int]) -> Mask:
    """Tell which places (n, 3), in voxel indices, are inside a grid."""
    return np.asarray(((places >= -0.5) & (places < np.array(shape) - 0.5)).all(axis=1))
