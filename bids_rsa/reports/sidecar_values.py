"""What the sidecars of several maps say together: one value, several, or a range."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Sidecar = Mapping[str, Any]


def number(value: float) -> str:
    """Write a number for a reader: whole ones in full, others with six digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def distinct(sidecars: Iterable[Sidecar], key: str) -> list[Any]:
    """List the different values of a key, in the order they occur; without those that lack it."""
    found: list[Any] = []
    for sidecar in sidecars:
        value = sidecar.get(key)
        if value is not None and value not in found:
            found.append(value)
    return found


def joined(words: Sequence[str]) -> str:
    """Join words as in a sentence."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


# what a map's locations are called, several and one
_ONE_OF = {"voxels": "voxel", "vertices": "vertex", "grayordinates": "grayordinate"}


def locations_of(sidecars: Iterable[Sidecar]) -> str:
    """Name what patches consist of and what numbers of voxels count: voxels, vertices ..."""
    return " or ".join(distinct(sidecars, "Locations")) or "voxels"


def location_of(sidecars: Iterable[Sidecar]) -> str:
    """Name one of the `locations_of` maps."""
    names = distinct(sidecars, "Locations") or ["voxels"]
    return " or ".join(_ONE_OF.get(name, name) for name in names)


def span(values: Iterable[float]) -> str:
    """Write one number, or the smallest and the largest of several."""
    known = sorted(set(values))
    if not known:
        return "an unknown number of"
    low, high = number(known[0]), number(known[-1])
    return low if low == high else f"{low} to {high}"


def counts(sidecars: Iterable[Sidecar], key: str) -> list[float]:
    """Gather the numbers of a table by condition, such as ImagesPerCondition."""
    tables = [sidecar.get(key) for sidecar in sidecars]
    return [n for table in tables if isinstance(table, Mapping) for n in table.values()]


def versions(sidecars: Iterable[Sidecar]) -> dict[str, str]:
    """Read the versions of the programs; several of one program are joined."""
    found: dict[str, list[str]] = {}
    for text in distinct(sidecars, "SoftwareVersions"):
        for part in str(text).split(", "):
            name, _, version = part.rpartition(" ")
            if name and version not in found.setdefault(name, []):
                found[name].append(version)
    return {name: joined(numbers) for name, numbers in found.items()}
