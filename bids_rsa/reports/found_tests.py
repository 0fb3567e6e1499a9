"""The group tests that are in the output folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.reports.collect import FoundMap, entities_label, find_statmaps

FOLDER = "group"
_NAMED_FIRST = ("meas", "desc", "contrast")


@dataclass(frozen=True)
class FoundTest:
    """The finished maps of a group test: its folder, and its name without stat-."""

    folder: Path
    name: str
    maps: tuple[FoundMap, ...]

    @property
    def sidecar(self) -> dict[str, Any]:
        """What the test says; the maps of its noise ceiling say less."""
        said = [one.sidecar for one in self.maps]
        return next((one for one in said if "VoxelsSignificant" in one), said[0])

    @property
    def several(self) -> str:
        """What was tested: voxels, vertices or grayordinates."""
        return str(self.sidecar.get("Locations", "voxels"))

    @property
    def geometry_file(self) -> Path:
        """The surfaces that it is drawn on, where it is on surfaces."""
        return self.folder / "figures" / f"{self.name}_surfaces.json"

    @property
    def title(self) -> str:
        """The test in words: model and comparison first."""
        parts = dict(part.split("-", 1) for part in self.name.split("_") if "-" in part)
        analysis = self.folder.name.removeprefix("analysis-")
        named = analysis == self.folder.name or "analysis" in parts
        analysis_words = "" if named else f"analysis {analysis}"
        desc, contrast = parts.get("desc", ""), parts.get("contrast", "")
        first = [f"contrast {contrast}"] if contrast else []
        if desc != contrast:
            first.insert(0, f"model {desc}")
        comparison = COMPARISONS.get(str(self.sidecar.get("Comparison", "")))
        first.append(comparison.title if comparison else parts.get("meas", ""))
        others = "_".join(f"{k}-{v}" for k, v in parts.items() if k not in _NAMED_FIRST)
        rest = ", ".join(one for one in (entities_label(others), analysis_words) if one)
        title = f"{', '.join(first)} ({rest})" if rest else ", ".join(first)
        return f"{title[0].upper()}{title[1:]}"


def find_tests(output_dir: Path) -> list[FoundTest]:
    """Sort the group's maps by test."""
    tests: dict[tuple[Path, str], list[FoundMap]] = {}
    for one in find_statmaps(output_dir / FOLDER):
        before, _, after = one.stem.partition("_stat-")
        name = f"{before}_{after.partition('_')[2]}".removesuffix("_statmap")
        tests.setdefault((one.path.parent, name), []).append(one)
    return [FoundTest(folder, name, tuple(maps)) for (folder, name), maps in tests.items()]
