"""What the patches of searchlights and regions were, as sentences of the methods text."""

from collections.abc import Iterator, Sequence
from typing import Any

from bids_rsa.reports.sidecar_values import Sidecar, distinct, joined, locations_of, number, span
from bids_rsa.spaces.ribbon import LINES_RULE
from bids_rsa.spaces.ribbon import RULES as RIBBON_RULES


def by_kind_of_patch(maps: Sequence[Sidecar]) -> list[list[Sidecar]]:
    """Sort maps by what their patches contain: voxels, vertices, grayordinates, or a ribbon."""
    kinds: dict[tuple[bool, bool, str], list[Sidecar]] = {}
    for one in maps:
        on_surface = "SurfaceGeometry" in one
        rule = one.get("SearchlightRule")
        ribbon = str(rule) if rule in RIBBON_RULES else ""
        kinds.setdefault((on_surface, on_surface and "Hemisphere" in one, ribbon), []).append(one)
    return list(kinds.values())


def searchlight_sentences(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say what a patch was, and where patches were, for maps of one kind of patch."""
    radii = distinct(maps, "SearchlightRadius")
    if not radii:
        return
    if distinct(maps, "SurfaceGeometry"):
        yield from _on_surfaces(maps)
        return
    brain = [mask["Voxels"] for mask in distinct(maps, "BrainMask")]
    roi = [mask["Voxels"] for mask in distinct(maps, "ROIMask") if mask.get("Files")]
    inside = f"brain mask ({span(brain)} voxels)" if any(brain) else "field of view"
    masked = " inside the mask" if any(brain) else ""
    centers = f", restricted to a region of interest ({span(roi)} voxels)" if roi else ""
    within = f"{joined([number(radius) for radius in radii])} mm from that of the central voxel"
    most = distinct(maps, "MaxPatchSize")
    nearest = (
        f"the up to {joined([number(n) for n in most])} nearest voxels" if most else "the voxels"
    )
    yield (
        f"A spherical searchlight [@kriegeskorte2006] was centred on every voxel inside the "
        f"{inside}{centers}. Each patch contained {nearest}{masked} whose centres were at most "
        f"{within}"
        f"{_sizes(maps, 'voxels')}."
    )
    evaluated = distinct(maps, "CentersEvaluated")
    if evaluated:
        smallest = joined([number(n) for n in distinct(maps, "MinVoxels")])
        yield (
            f"Patches with fewer than {smallest} voxels were left out; "
            f"{span(evaluated)} centres{_per_participant(evaluated)} remained."
        )
    undefined = distinct(maps, "CentersUndefined")
    if any(undefined):
        yield f"The score was undefined at {span(undefined)} of them."


def _on_surfaces(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say what a patch was on a surface."""
    radii = joined([number(radius) for radius in distinct(maps, "SearchlightRadius")])
    # only maps of a single hemisphere name it; grayordinates are vertices and voxels
    vertices = bool(distinct(maps, "Hemisphere"))
    many = "vertices" if vertices else "grayordinates"
    centre = "the vertices of the cortical surface" if vertices else "grayordinates"
    rules = [str(rule) for rule in distinct(maps, "SearchlightRule")]
    if any(rule in RIBBON_RULES for rule in rules):
        many, which = "voxels", "between white and pial surface"
        if LINES_RULE in rules:
            which = "on the lines between the vertices of white and pial surface (at six depths)"
        held = f"voxels {which} that belong to vertices at most {radii} mm"
    else:
        held = f"{many} at most {radii} mm"
    along = "along the surface" if vertices else "along the surface in the cortex"
    yield (
        f"Searchlights [@kriegeskorte2006] were centred on {centre}. Each patch contained the "
        f"{held} from its centre, {along}{_sizes(maps, many)}."
    )
    surfaces = dict.fromkeys(
        _surface(part) for text in distinct(maps, "SurfaceGeometry") for part in text.split("; ")
    )
    yield f"Distances were measured along {joined(list(surfaces))}."
    evaluated = distinct(maps, "CentersEvaluated")
    if evaluated:
        yield f"{span(evaluated)} centres{_per_participant(evaluated)} were evaluated."


def region_sentences(maps: Sequence[Sidecar]) -> Iterator[str]:
    """Say which regions there were."""
    sets = [one for one in maps if "RegionNames" in one and isinstance(one.get("Regions"), dict)]
    for name in dict.fromkeys(str(one["Regions"].get("Name", "")) for one in sets):
        own = [one for one in sets if one["Regions"].get("Name", "") == name]
        n = span(len(one["RegionNames"]) for one in own)
        yield (
            f"Each of the {n} regions of interest ({name}) was analysed as a single patch, which "
            f"contained all {locations_of(own)} of the region inside the images and the masks."
        )


def _surface(origin: str) -> str:
    """Say which surface it was, without the names of its files."""
    what = origin.partition(" (")[0]
    if what.startswith("template: "):
        return f"the template surface ({what.removeprefix('template: ')})"
    own = "the participant's own surface"
    return what.partition(":")[0] if what.startswith(own) else "the surface given by the user"


def _sizes(maps: Sequence[Sidecar], many: str) -> str:
    """Say in brackets how large patches were, behind a space."""
    sizes = distinct(maps, "PatchSize")
    if not sizes:
        return ""
    low, high = min(size["Min"] for size in sizes), max(size["Max"] for size in sizes)
    median = f", median {span(size['Median'] for size in sizes)}" if low != high else ""
    return f" ({span((low, high))} {many}{median})"


def _per_participant(values: Sequence[Any]) -> str:
    """Say that a number differs between participants."""
    return " (depending on participant and analysis)" if len(values) > 1 else ""
