"""Two files become one record: the same map of the left and of the right hemisphere."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from bids_rsa.discovery.grouping import analysis_key
from bids_rsa.entities import Pairs, in_order
from bids_rsa.errors import ContentError
from bids_rsa.records import GIFTI, ConditionImage
from bids_rsa.spaces.map_files import maps_header
from bids_rsa.spaces.surface_files import DENSITIES, density_label, density_vertices
from bids_rsa.words import listing

# grayordinates of the Human Connectome Project
_GRAYORDINATES = {91282: "91k", 170494: "170k"}


def join_hemispheres(images: Iterable[ConditionImage]) -> list[ConditionImage]:
    """Make one record of the maps of both hemispheres; those of one alone keep their ``hemi-``.

    Raises
    ------
    ContentError
        An analysis with both hemispheres, one of which lacks a map that the other has.
    """
    joined: list[ConditionImage] = []
    sides: dict[Any, dict[Any, dict[str, ConditionImage]]] = {}
    for image in images:
        if image.reader != GIFTI:
            joined.append(image)
            continue
        own = replace(image, others=_without_hemisphere(image.others))
        key = (image.run, image.condition, image.statistic, image.volume)
        of_analysis = sides.setdefault(analysis_key(own), {})
        of_analysis.setdefault(key, {})[dict(image.others)["hemi"]] = image
    for maps in sides.values():
        joined += _join(list(maps.values()))
    return joined


def _without_hemisphere(others: Pairs) -> Pairs:
    """Leave hemi- out."""
    return tuple(pair for pair in others if pair[0] != "hemi")


def _join(maps: Sequence[dict[str, ConditionImage]]) -> list[ConditionImage]:
    """Join the maps of one analysis."""
    if all(len(sides) == 1 for sides in maps) and len({next(iter(s)) for s in maps}) == 1:
        return [next(iter(sides.values())) for sides in maps]
    alone = [next(iter(sides.items())) for sides in maps if len(sides) == 1]
    if alone:
        lacking = [
            f"hemi-{'R' if side == 'L' else 'L'} of {one.condition}"
            + (f" in run {one.run}" if one.run else "")
            for side, one in alone
        ]
        raise ContentError(
            f"sub-{alone[0][1].subject}: there are maps of both hemispheres, but none of "
            f"{listing(lacking)} (there is {alone[0][1].path}).",
            "Add the missing files, or choose a hemisphere with --bids-filter-file: "
            '{"statmap": {"hemi": "L"}}.',
        )
    return [
        replace(sides["L"], right=sides["R"], others=_without_hemisphere(sides["L"].others))
        for sides in maps
    ]


def refuse_mixed_densities(analyses: Iterable[Sequence[ConditionImage]]) -> None:
    """Refuse runs that no analysis has together because they are on meshes of other densities.

    Raises
    ------
    ContentError
        Names a file of each of two analyses that differ in den- only and have no run in common.
    """
    seen: dict[Any, ConditionImage] = {}
    runs: dict[Any, set[str | None]] = {}
    for images in analyses:
        fields, others = analysis_key(images[0])
        rest = (fields, tuple(pair for pair in others if pair[0] != "den"))
        own = {image.run for image in images}
        if None in own:
            continue
        first = seen.setdefault(rest, images[0])
        if runs.setdefault(rest, own).isdisjoint(own):
            raise ContentError(
                f"sub-{first.subject}: runs are on meshes of different densities, and no run is on "
                f"both: {first.layout_file} and {images[0].layout_file}.",
                "Resample all runs to one mesh, or choose one density with --space SPACE:den-X "
                "or --bids-filter-file.",
            )


def with_density(others: Pairs, image: ConditionImage, of_centers: str | None = None) -> Pairs:
    """Write the density as BIDS does (den-10k), where the mesh or the grayordinates are known.

    It is that of the centres, where they are on a separate mesh.
    """
    if of_centers is not None:
        n_centers = density_vertices(of_centers.removeprefix("den-")) or 0
        kept = (pair for pair in others if pair[0] != "den")
        return in_order((*kept, ("den", density_label(n_centers))))
    n_locations = maps_header(image.layout_file).layout.n_locations
    label = _GRAYORDINATES.get(n_locations)
    if image.form == "surface" and n_locations in DENSITIES:
        label = density_label(n_locations)
    if label is None or (image.space in (None, "fsnative") and "den" not in dict(others)):
        return others
    return in_order((*(pair for pair in others if pair[0] != "den"), ("den", label)))
