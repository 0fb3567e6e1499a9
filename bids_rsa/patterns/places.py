"""The space that the images of an analysis are in."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.errors import ContentError
from bids_rsa.patterns.readers import open_source, source_grid, source_layout
from bids_rsa.records import Analysis, ConditionImage, HemisphereSurfaces
from bids_rsa.spaces.grayordinate_layout import CORTEX, GrayordinateLayout
from bids_rsa.spaces.grayordinates import GrayordinateSpace
from bids_rsa.spaces.ribbon import RibbonPart, RibbonSpace
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.spaces.surface_checks import refuse_swapped
from bids_rsa.spaces.surface_files import cortex_within, load_cortex, load_middle, read_surface
from bids_rsa.spaces.surface_part import SurfacePart, coarser_part
from bids_rsa.spaces.volume import VolumeSpace

# what a space that is saved may be made of
SPACES = (
    VolumeSpace, SurfaceSpace, SurfacePart, GrayordinateSpace, GrayordinateLayout, RibbonSpace,
    RibbonPart,
)  # fmt: skip


def space_of(analysis: Analysis, first: ConditionImage) -> Space:
    """Find the space of an analysis by its first image, and read the surfaces that it needs.

    Raises
    ------
    ContentError
        Surfaces that do not fit the images, or of swapped hemispheres.
    """
    if first.form == "volume":
        grid = source_grid(first)
        template = open_source(first.path, first.reader, first.reference).image
        volume = VolumeSpace(grid.shape, grid.affine, template)
        if not analysis.ribbon:
            return volume
        return ribbon_space(volume, analysis.surfaces, analysis.on_lines)
    return surface_space(source_layout(first), analysis.surfaces, analysis.label, first.path)


def ribbon_space(
    volume: VolumeSpace, surfaces: Sequence[HemisphereSurfaces], on_lines: bool = False
) -> RibbonSpace:
    """Read the white and pial surfaces that voxels are searched between.

    Raises
    ------
    ContentError
        Surfaces of other meshes or of swapped hemispheres, or masks of other vertices.
    """
    parts, ribbons = [], []
    for choice in surfaces:
        middle = load_middle(choice)
        white, pial = (read_surface(path).coordinates_mm for path in choice.surfaces)
        cortex = load_cortex(choice, len(white))
        inside = np.ones(len(white), dtype=bool) if cortex is None else cortex
        parts.append(SurfacePart.of_mesh(middle, choice.hemisphere))
        ribbons.append(RibbonPart(white, pial, middle.triangles, inside))
    refuse_swapped(parts)
    origins = "; ".join(dict.fromkeys(one.origin for one in surfaces))
    return RibbonSpace(volume, SurfaceSpace(tuple(parts), origins), tuple(ribbons), on_lines)


def surface_space(
    layout: Any, surfaces: Sequence[HemisphereSurfaces], label: str, path: str
) -> Space:
    """Read the surfaces that the values of a file are on.

    Parameters
    ----------
    layout : VertexLayout or GrayordinateLayout
        Of the file.
    surfaces : sequence of HemisphereSurfaces
        Of its hemispheres, in their order.
    label, path : str
        What the values are of, and the file, for messages.

    Raises
    ------
    ContentError
        Surfaces that do not fit the file, or of swapped hemispheres.
    """
    origins = "; ".join(dict.fromkeys(one.origin for one in surfaces))
    if isinstance(layout, GrayordinateLayout):
        return GrayordinateSpace(layout, _cortex_parts(surfaces, layout), origins)
    parts = tuple(SurfacePart.of_mesh(load_middle(one), one.hemisphere) for one in surfaces)
    refuse_swapped(parts)
    space = SurfaceSpace(parts, origins, "", *_coarse(parts, surfaces, origins))
    if not space.layout.equals(layout):
        raise ContentError(
            f"{label}: the surfaces and the images have other vertices.\n"
            f"  surfaces: {space.layout.describe()}\n  {path}: {layout.describe()}",
            "Left and right may have been swapped, or --surface is of another mesh.",
        )
    return space


def _coarse(
    parts: Sequence[SurfacePart], surfaces: Sequence[HemisphereSurfaces], origins: str
) -> tuple[SurfaceSpace | None, tuple[NDArray[np.int64], ...]]:
    """Make the coarser mesh that centres are on, where one was asked for, and name its vertices."""
    if not all(one.coarse for one in surfaces):
        return None, ()
    coarse, of_coarse = [], []
    for part, one in zip(parts, surfaces, strict=True):
        mesh = read_surface(one.coarse)
        vertices = np.arange(len(mesh.coordinates_mm), dtype=np.int64)
        if one.fine_sphere:
            # takes a fifth of a second to import: only where it is needed
            from bids_rsa.core.neighborhood.spherical import nearest_on_sphere

            sphere = read_surface(one.fine_sphere)
            vertices = nearest_on_sphere(sphere.coordinates_mm, mesh.coordinates_mm)
        coarse.append(coarser_part(part, mesh.triangles, vertices, one.coarse))
        of_coarse.append(vertices)
    nearest = bool(surfaces[0].fine_sphere)
    which = "those nearest to a coarser mesh" if nearest else "its first vertices"
    return SurfaceSpace(tuple(coarse), f"{origins}; centres are {which}"), tuple(of_coarse)


def _cortex_parts(
    surfaces: Sequence[HemisphereSurfaces], layout: GrayordinateLayout
) -> tuple[SurfacePart, ...]:
    """Read the meshes of the hemispheres, in the order of the file."""
    vertices, start = {}, 0
    for name, count in layout.structures:
        if name in CORTEX:
            vertices[CORTEX[name]] = layout.vertices[start : start + count]
        start += count
    parts = tuple(
        SurfacePart.of_mesh(load_middle(one), one.hemisphere, vertices[one.hemisphere])
        for one in surfaces
    )
    refuse_swapped(parts)
    return parts


def cortex_of(analysis: Analysis, space: Space) -> NDArray[np.bool_]:
    """Read which locations are cortex; all of a hemisphere without a mask, and all voxels."""
    inside = np.ones(space.n_locations, dtype=bool)
    if isinstance(space, SurfaceSpace | GrayordinateSpace):
        inside = cortex_within(space.layout, analysis.surfaces)
    if analysis.cortex_only and isinstance(space, GrayordinateSpace):
        for _, own, part in space.structures():
            inside[own] &= isinstance(part, SurfacePart)
    return inside
