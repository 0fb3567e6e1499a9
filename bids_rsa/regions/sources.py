"""Sets of regions read from where they were found, once for all participants who share them."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from bids_rsa.errors import OptionError
from bids_rsa.records import RegionSource
from bids_rsa.regions.atlas import label_image
from bids_rsa.regions.label_files import (
    CIFTI_LABELS,
    cifti_labels,
    gifti_labels,
    is_surface_atlas,
)
from bids_rsa.regions.region import Region, RegionSet, make_regions
from bids_rsa.regions.shapes import SphereRegions, mask_regions, parse_sphere
from bids_rsa.regions.tables import read_region_table
from bids_rsa.regions.vertex_shapes import VertexDiscs, vertex_masks
from bids_rsa.spaces.images import open_image
from bids_rsa.words import listing


def read_source(source: RegionSource) -> RegionSet:
    """Read a set of regions; a file that has not changed since is not read again.

    Raises
    ------
    BidsRsaError
        A missing or damaged file, a table that names no regions, an image that is no atlas.
    """
    stamps = tuple(Path(path).stat().st_mtime_ns for path in source.files if Path(path).exists())
    return _read(source, stamps)


@lru_cache(maxsize=4)
def _read(source: RegionSource, stamps: tuple[int, ...]) -> RegionSet:
    """Read a set of regions."""
    if source.spheres:
        spheres = tuple(map(parse_sphere, source.spheres))
        names = [sphere.name for sphere in spheres]
        kind = VertexDiscs if source.on_surface else SphereRegions
        return kind(spheres, make_regions(range(1, len(names) + 1), names))
    if source.names:
        names = list(dict.fromkeys(source.names))
        regions = make_regions(range(1, len(names) + 1), names)
        if source.on_surface:
            return vertex_masks(source.paths, source.names, regions)
        return mask_regions(source.paths, regions)
    names_of = read_region_table(Path(source.table)) if source.table else None
    if is_surface_atlas(source.paths[0]):
        if source.paths[0].endswith(CIFTI_LABELS):
            return cifti_labels(source.paths[0], names_of)
        return gifti_labels(source.paths, names_of)
    image = open_image(source.paths[0])
    return label_image(image, names_of, source.threshold, Path(source.paths[0]).name)


def choose_regions(
    sources: Sequence[RegionSource], wanted: Sequence[str]
) -> list[tuple[RegionSource, tuple[Region, ...]]]:
    """Choose regions by name; sets of which none is wanted are left out.

    Parameters
    ----------
    sources : sequence of RegionSource
    wanted : sequence of str
        Names, or labels as they are in file names; all regions where it is empty.

    Raises
    ------
    OptionError
        A name that no region has.
    """
    found = [(source, read_source(source).regions) for source in sources]
    if not wanted:
        return found
    known = [name for _, regions in found for one in regions for name in (one.name, one.label)]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        near = get_close_matches(unknown[0], known, 3)
        names = [one.name for _, regions in found for one in regions if one.present]
        hint = f"Did you mean {', '.join(dict.fromkeys(near))}? " if near else ""
        raise OptionError(
            f"--roi {unknown[0]}: no region is named so.", f"{hint}There are: {listing(names)}."
        )
    chosen = [
        (source, tuple(one for one in regions if one.name in wanted or one.label in wanted))
        for source, regions in found
    ]
    return [(source, regions) for source, regions in chosen if regions]
