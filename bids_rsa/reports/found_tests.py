"""The group tests that lie in the output folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.reports.collect import FoundMap, entities_label, find_statmaps
from bids_rsa.reports.page_state import fingerprint

FOLDER = "group"


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
    def title(self) -> str:
        """The test in words."""
        analysis = self.folder.name.removeprefix("analysis-")
        of = f", analysis {analysis}" if analysis != self.folder.name else ""
        return f"{entities_label(self.name)}{of}"


def find_tests(output_dir: Path) -> list[FoundTest]:
    """Sort the group's maps by test."""
    tests: dict[tuple[Path, str], list[FoundMap]] = {}
    for one in find_statmaps(output_dir / FOLDER):
        before, _, after = one.stem.partition("_stat-")
        name = f"{before}_{after.partition('_')[2]}".removesuffix("_statmap")
        tests.setdefault((one.path.parent, name), []).append(one)
    return [FoundTest(folder, name, tuple(maps)) for (folder, name), maps in tests.items()]


def group_made_from(tests: Sequence[FoundTest]) -> str:
    """Hash what the group's page is made from."""
    return fingerprint(
        {str(one.path.name): one.sidecar.get("SettingsHash") for test in tests for one in test.maps}
    )
