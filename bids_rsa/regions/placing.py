"""Regions in the space of the images: those of surfaces also among the voxels of a ribbon."""

from dataclasses import replace
from typing import Any

import numpy as np

from bids_rsa.errors import ContentError
from bids_rsa.regions.region import Placement, RegionSet
from bids_rsa.spaces.ribbon import RibbonSpace


def place_regions(found: RegionSet, where: Any) -> Placement:
    """Find the locations of each region.

    Parameters
    ----------
    found : RegionSet
    where : Space or Grid
        Of the images. In a ribbon a region of vertices is made of the voxels that belong to them.

    Raises
    ------
    ContentError
        Regions of another kind of space, or none of them in this one.
    """
    if not found.on_surface:
        return found.place(getattr(where, "layout", where))
    if not isinstance(where, RibbonSpace):
        return found.place(where)
    placed, there = found.place(where.surface), where.in_grid()
    members = [where.voxels_at(vertices) for vertices in placed.members]
    if not any(map(len, members)):
        raise ContentError("No region of the surfaces contains a voxel of the images.")
    shares = [there[own].mean() if len(own) else 0.0 for own in placed.members]
    return replace(placed, members=members, in_view=placed.in_view * np.array(shares))
