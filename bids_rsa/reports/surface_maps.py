"""What maps of surfaces and grayordinates are painted on: hemispheres, and slices of voxels."""

from collections.abc import Sequence

import numpy as np

from bids_rsa.records import HemisphereSurfaces
from bids_rsa.reports.grayordinate_voxels import GrayordinateMosaic, is_mni_below, with_voxels
from bids_rsa.reports.participant_pictures import MNI_TEMPLATE
from bids_rsa.reports.surface_view import DrawnHemisphere, SurfaceMosaic, lay_out_hemispheres
from bids_rsa.spaces.gifti import Mesh
from bids_rsa.spaces.grayordinates import GrayordinateSpace
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace
from bids_rsa.spaces.surface_files import load_view
from bids_rsa.words import few


def surface_mosaic(
    space: Space, surfaces: Sequence[HemisphereSurfaces], label: str | None
) -> SurfaceMosaic | GrayordinateMosaic:
    """Lay out the hemispheres of a space, and slices of the voxels that grayordinates have.

    Parameters
    ----------
    space : SurfaceSpace or GrayordinateSpace
    surfaces : sequence of HemisphereSurfaces
        See `drawn_hemispheres`.
    label : str or None
        The label of the space.
    """
    hemispheres = lay_out_hemispheres(drawn_hemispheres(space, surfaces))
    if isinstance(space, GrayordinateSpace) and space.has_voxels:
        return with_voxels(hemispheres, space.grayordinates, label)
    return hemispheres


def drawn_hemispheres(
    space: Space, surfaces: Sequence[HemisphereSurfaces]
) -> list[DrawnHemisphere]:
    """Read the hemispheres of a space as they are drawn, inflated where such a surface was found.

    Parameters
    ----------
    space : SurfaceSpace or GrayordinateSpace
    surfaces : sequence of HemisphereSurfaces
        Of its parts, in their order.
    """
    if not isinstance(space, SurfaceSpace | GrayordinateSpace):
        raise TypeError(f"a {type(space).__name__} has no surface")
    drawn = []
    for part, choice in zip(space.parts, surfaces, strict=True):
        middle = Mesh(part.coordinates_mm, part.triangles, choice.hemisphere, "")
        view = load_view(choice, middle)
        locations = np.full(len(part.coordinates_mm), -1, dtype=np.int64)
        own = space.part_slices()[part.hemisphere]
        locations[part.vertices] = np.arange(own.start, own.stop)
        drawn.append(
            DrawnHemisphere(
                part.hemisphere, view.coordinates_mm, view.triangles, middle.coordinates_mm,
                locations,
            )
        )  # fmt: skip
    return drawn


def drawn_on(space: Space, surfaces: Sequence[HemisphereSurfaces], label: str | None) -> str:
    """Say what a picture shows maps on; parameters as of `surface_mosaic`."""
    views = [one.view.rpartition("/")[2] for one in surfaces if one.view]
    said = f"Drawn on {few(views)}" if views else "Drawn on the surface that distances are along"
    if isinstance(space, GrayordinateSpace) and space.has_voxels:
        behind = f" of {MNI_TEMPLATE}" if is_mni_below(label) else ""
        return f"{said}; voxels below the cortex are drawn on slices{behind}."
    return f"{said}."
