"""Maps on surfaces: which hemisphere each is of, and both hemispheres of a map as one record."""

from dataclasses import replace

from bids_rsa.entities import in_order
from bids_rsa.records import ConditionImage
from bids_rsa.spaces.map_files import maps_header


def with_hemisphere(image: ConditionImage) -> ConditionImage:
    """Give a GIFTI image its hemisphere: that of its name, else that of its metadata.

    Raises
    ------
    ContentError
        Neither says it.
    """
    if "hemi" in dict(image.others):
        return image
    ((side, _),) = maps_header(image.path).layout.hemispheres
    return replace(image, others=in_order((*image.others, ("hemi", side))))
