"""What a page is made from, as one hash: the maps and the tables of regions."""

from collections.abc import Sequence
from pathlib import Path

from bids_rsa.reports.collect import FoundMap
from bids_rsa.reports.found_regions import region_tables
from bids_rsa.reports.found_tests import FOLDER, FoundTest
from bids_rsa.reports.page_state import fingerprint


def participant_made_from(output_dir: Path, subject: str, maps: Sequence[FoundMap]) -> str:
    """Hash what a participant's page is made from."""
    tables = region_tables(output_dir / f"sub-{subject}")
    hashes = {one.stem: one.sidecar.get("SettingsHash") for one in maps}
    return fingerprint(hashes | {one.stem: one.sidecar.get("SettingsHash") for one in tables})


def group_made_from(output_dir: Path, tests: Sequence[FoundTest]) -> str:
    """Hash what the group's page is made from."""
    tables = region_tables(output_dir / FOLDER)
    hashes = {one.path.name: one.sidecar.get("SettingsHash") for test in tests for one in test.maps}
    return fingerprint(hashes | {one.path.name: one.sidecar.get("SettingsHash") for one in tables})
