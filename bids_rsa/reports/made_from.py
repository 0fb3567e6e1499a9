"""What a page is made from, as one hash: maps, tables of regions, and which pictures there are."""

from collections.abc import Sequence
from pathlib import Path

from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.found_regions import region_tables
from bids_rsa.reports.found_tests import FOLDER, FoundTest
from bids_rsa.reports.page_state import fingerprint


def participant_made_from(output_dir: Path, subject: str, maps: Sequence[FoundMap]) -> str:
    """Hash what a participant's page is made from."""
    folder = output_dir / f"sub-{subject}"
    tables = region_tables(folder)
    hashes = _pictures(folder) | {one.stem: one.sidecar.get("SettingsHash") for one in maps}
    return fingerprint(hashes | {one.stem: one.sidecar.get("SettingsHash") for one in tables})


def group_made_from(output_dir: Path, tests: Sequence[FoundTest]) -> str:
    """Hash what the group's page is made from."""
    folder = output_dir / FOLDER
    tables = region_tables(folder)
    hashes = _pictures(folder) | {
        one.path.name: one.sidecar.get("SettingsHash") for test in tests for one in test.maps
    }
    return fingerprint(hashes | {one.path.name: one.sidecar.get("SettingsHash") for one in tables})


def _pictures(folder: Path) -> dict[str, str | None]:
    """List the pictures under a folder: runs with --no-figures draw none."""
    # names that begin with a dot are of files that are still being written
    return {path.name: None for path in folder.rglob("figures/[!.]*.png")}
