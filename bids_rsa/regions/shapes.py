"""Regions that are single masks, and spheres in mm."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.core.neighborhood.sphere_offsets import sphere_around
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.regions.atlas import LabelImage
from bids_rsa.regions.region import Placement, Region, RegionSet
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.images import grid_of, image_name, open_image, read_volume
from bids_rsa.spaces.masks import inside_of

SPHERE = re.compile(r"^(?P<name>.+?):(?P<center>[^:]+):(?P<radius>[^:]+)$")
VERTEX = re.compile(r"^[LR]\d+$")


@dataclass(frozen=True, eq=False)
class MaskRegions:
    """Regions that may overlap: one mask each, all on grids or all of surfaces.

    Attributes
    ----------
    masks : tuple of RegionSet
        Each with one region.
    regions : tuple of Region
    warnings : tuple of str
    """

    masks: tuple[RegionSet, ...]
    regions: tuple[Region, ...]
    warnings: tuple[str, ...] = ()

    @property
    def on_surface(self) -> bool:
        """Whether the masks are of vertices; see `RegionSet`."""
        return self.masks[0].on_surface

    def place(self, where: Any) -> Placement:
        """Find the locations of each mask; see `RegionSet`."""
        placed = [mask.place(where) for mask in self.masks]
        return Placement(
            [one.members[0] for one in placed],
            np.array([one.in_view[0] for one in placed]),
            tuple(note for one in placed for note in one.notes),
        )


def mask_regions(masks: Sequence[str | SpatialImage], regions: tuple[Region, ...]) -> MaskRegions:
    """Read masks: inside where above 0.5.

    Raises
    ------
    ContentError
        A mask is empty, or is not 3D.
    """
    read, warnings = [], []
    for mask, region in zip(masks, regions, strict=True):
        image = mask if isinstance(mask, SpatialImage) else open_image(mask)
        inside, warning = inside_of(read_volume(image), f"mask {image_name(mask)}")
        name = f"of the region {region.name} ({image_name(mask)})"
        read.append(LabelImage(inside.astype(np.int32), grid_of(image), (replace(region),), name))
        warnings += [warning] * bool(warning)
    return MaskRegions(tuple(read), regions, tuple(warnings))


@dataclass(frozen=True)
class Sphere:
    """A sphere: its centre in mm of the images' space or a vertex (``L1234``), its radius in mm."""

    name: str
    center_mm: tuple[float, float, float]
    radius_mm: float
    vertex: str = ""


def parse_sphere(text: str) -> Sphere:
    """Read ``NAME:x,y,z:R``, or ``NAME:L1234:R`` with a vertex.

    Raises
    ------
    OptionError
        Anything else.
    """
    match = SPHERE.match(text)
    try:
        if match is None:
            raise ValueError
        vertex = match["center"] if VERTEX.match(match["center"]) else ""
        center = [0.0] * 3 if vertex else [float(part) for part in match["center"].split(",")]
        radius = float(match["radius"].removesuffix("mm"))
        if len(center) != 3 or not np.isfinite([*center, radius]).all() or radius <= 0:
            raise ValueError
    except ValueError:
        raise OptionError(
            f"--roi-sphere {text}: NAME:x,y,z:R is expected, with the centre and the radius in mm, "
            "or NAME:L1234:R with a vertex of the left or right (R) hemisphere.",
            "For example FFA:40,-52,-18:8.",
        ) from None
    return Sphere(match["name"], (center[0], center[1], center[2]), radius, vertex)


@dataclass(frozen=True, eq=False)
class SphereRegions:
    """Regions that are spheres: voxels whose centres are at most the radius from the centre."""

    on_surface: ClassVar[bool] = False
    spheres: tuple[Sphere, ...]
    regions: tuple[Region, ...]
    warnings: tuple[str, ...] = ()

    def place(self, grid: Grid) -> Placement:
        """Find the voxels of each sphere on a grid; see `RegionSet`."""
        members, in_view = [], []
        for sphere in self.spheres:
            voxels = sphere_around(sphere.center_mm, grid.affine, sphere.radius_mm)
            seen: NDArray[np.bool_] = np.asarray(
                ((voxels >= 0) & (voxels < np.array(grid.shape))).all(axis=1)
            )
            flat = np.ravel_multi_index(tuple(voxels[seen].T), grid.shape)
            members.append(np.sort(flat).astype(np.int64))
            in_view.append(float(seen.mean()) if len(voxels) else 0.0)
        if not any(map(len, members)):
            names = ", ".join(sphere.name for sphere in self.spheres)
            raise ContentError(
                f"No sphere contains a voxel of the images: {names}.\n  images: {grid.describe()}",
                "Coordinates are mm in the space of the images.",
            )
        return Placement(members, np.array(in_view, dtype=np.float64))
