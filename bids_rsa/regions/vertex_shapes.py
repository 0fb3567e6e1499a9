"""Regions of surfaces and grayordinates that are single masks, and discs around a vertex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.regions.label_files import by_structure, keys_of_cifti
from bids_rsa.regions.region import Placement, Region
from bids_rsa.regions.shapes import MaskRegions, Sphere
from bids_rsa.regions.vertex_atlas import VertexLabels
from bids_rsa.spaces.gifti import read_maps
from bids_rsa.spaces.hemispheres import hemisphere_named
from bids_rsa.spaces.map_files import is_gifti
from bids_rsa.spaces.masks import inside_of
from bids_rsa.spaces.read_errors import reading
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.spaces.vertex_layout import layout_of
from bids_rsa.tables import refuse_special

FREESURFER_LABEL = ".label"


def vertex_masks(
    paths: Sequence[str], names: Sequence[str], regions: tuple[Region, ...]
) -> MaskRegions:
    """Read masks: inside where above 0.5; files of one name are the hemispheres of one region.

    Parameters
    ----------
    paths : sequence of str
        GIFTI maps or labels, FreeSurfer's labels (``lh.V1.label``), CIFTI maps or labels.
    names : sequence of str
        The region that each file is of.
    regions : tuple of Region
        Of the different names, in their order.

    Raises
    ------
    ContentError
        An empty mask, a file of an unknown hemisphere, or two of one.
    """
    masks, warnings = [], []
    for region in regions:
        own = [path for path, name in zip(paths, names, strict=True) if name == region.name]
        mask, warning = _mask(own, replace(region))
        masks.append(mask)
        warnings += warning
    return MaskRegions(tuple(masks), regions, tuple(warnings))


def _mask(paths: Sequence[str], region: Region) -> tuple[VertexLabels, list[str]]:
    """Read the files of one mask."""
    name = f"of the region {region.name} ({', '.join(p.rpartition('/')[2] for p in paths)})"
    by_side: dict[str, NDArray[np.int64]] = {}
    warnings: list[str] = []
    for path in paths:
        if not is_gifti(path) and not path.endswith(FREESURFER_LABEL):
            values, layout = keys_of_cifti(path)
            inside, warning = inside_of(values, f"mask {path}")
            sides, voxels = by_structure(inside.astype(np.int64), layout)
            labels = VertexLabels(
                sides, (region,), name, voxels, shape=layout.shape, affine=layout.affine
            )
            return labels, [warning] * bool(warning)
        side, inside, warning = _of_hemisphere(path)
        if side in by_side:
            raise ContentError(f"--rois: two masks of the region {region.name} are of hemi-{side}.")
        by_side[side] = inside.astype(np.int64)
        warnings += [warning] * bool(warning)
    listed = any(path.endswith(FREESURFER_LABEL) for path in paths)
    return VertexLabels(by_side, (region,), name, is_listed=listed), warnings


def _of_hemisphere(path: str) -> tuple[str, NDArray[np.bool_], str]:
    """Read a mask of one hemisphere: which, the vertices inside, and a warning."""
    if not path.endswith(FREESURFER_LABEL):
        maps = read_maps(path)
        inside, warning = inside_of(maps.values[:, 0], f"mask {path}")
        return layout_of(maps).hemispheres[0][0], inside, warning
    side = hemisphere_named(path)
    with reading(path):
        refuse_special(path)
        members = np.atleast_1d(nib.freesurfer.read_label(path))
    if side is None or not members.size:
        raise ContentError(
            f"{path} is of an unknown hemisphere, or names no vertex.", "Name it lh. or rh."
        )
    # the file does not say how many vertices there are
    inside = np.zeros(int(members.max()) + 1, dtype=bool)
    inside[members] = True
    return side, inside, ""


@dataclass(frozen=True, eq=False)
class VertexDiscs:
    """Regions around the location nearest to a place: discs along the surface, spheres below it.

    Attributes
    ----------
    spheres : tuple of Sphere
        With a centre in mm, or a vertex (``L1234``).
    regions : tuple of Region
    warnings : tuple of str
    """

    on_surface: ClassVar[bool] = True
    spheres: tuple[Sphere, ...]
    regions: tuple[Region, ...]
    warnings: tuple[str, ...] = ()

    def place(self, where: Any) -> Placement:
        """Find the locations around each centre; see `RegionSet`.

        Parameters
        ----------
        where : SurfaceSpace or GrayordinateSpace

        Raises
        ------
        ContentError
            A vertex that there is not, or a place farther than the radius from every location.
        """
        space = replace(where, coarse=None) if isinstance(where, SurfaceSpace) else where
        everything = np.ones(space.n_locations, dtype=bool)
        places = space.places_mm(np.arange(space.n_locations))
        members, notes = [], []
        for sphere in self.spheres:
            center, distance = _center(space, sphere, places)
            chosen = np.zeros_like(everything)
            chosen[center] = True
            found = space.neighborhood(everything, chosen, sphere.radius_mm)
            members.append(np.sort(found.rows).astype(np.int64))
            structure, vertex = space.structure_of(center)
            at = f"{structure}, vertex {vertex}" if vertex is not None else structure
            notes.append(f"{sphere.name}: the centre is {at}, {distance:.1f} mm from that given.")
        return Placement(members, np.ones(len(members)), tuple(notes))


def _center(space: Any, sphere: Sphere, places: NDArray[np.float64]) -> tuple[int, float]:
    """Find the location that a disc is around, and how far from the place given."""
    if sphere.vertex:
        side, number = sphere.vertex[0], int(sphere.vertex[1:])
        parts = {part.hemisphere: part for part in space.parts}
        here = np.flatnonzero(parts[side].vertices == number) if side in parts else np.empty(0, int)
        if not len(here):
            raise ContentError(
                f"--roi-sphere {sphere.name}: the images have no vertex {number} in hemi-{side}.",
                "Vertices are counted from 0 on the mesh of the images; grayordinates have only "
                "those of the cortex.",
            )
        return int(space.part_slices()[side].start + here[0]), 0.0
    distances = np.linalg.norm(places - sphere.center_mm, axis=1)
    nearest = int(distances.argmin())
    if distances[nearest] > sphere.radius_mm:
        raise ContentError(
            f"--roi-sphere {sphere.name}: the location of the images nearest to "
            f"{', '.join(f'{x:g}' for x in sphere.center_mm)} is {distances[nearest]:.1f} mm away, "
            f"more than the radius of {sphere.radius_mm:g} mm.",
            "Coordinates are mm in the space of the surfaces; a vertex can be given instead "
            "(NAME:L1234:8).",
        )
    return nearest, float(distances[nearest])
