"""The space that the images of an analysis lie in."""

from bids_rsa.patterns.readers import open_source, source_grid
from bids_rsa.records import Analysis, ConditionImage
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfacePart, SurfaceSpace
from bids_rsa.spaces.volume import VolumeSpace

# what a space that is saved may be made of
SPACES = (VolumeSpace, SurfaceSpace, SurfacePart)


def space_of(analysis: Analysis, first: ConditionImage) -> Space:
    """Find the space of an analysis by its first image."""
    grid = source_grid(first)
    template = open_source(first.path, first.reader, first.reference).image
    return VolumeSpace(grid.shape, grid.affine, template)
