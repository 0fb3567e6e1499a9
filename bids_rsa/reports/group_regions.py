"""What the group's page shows of regions besides their tables and pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.reports.collect import entities_label, read_rows
from bids_rsa.reports.found_regions import FoundTable, region_scores, region_tables
from bids_rsa.reports.sidecar_values import Sidecar, number

Sidecars = list[dict[str, Any]]


def participants_regions(output_dir: Path, tests: Sequence[Sidecar]) -> Sidecars:
    """Read the sidecars of the scores of the participants whose regions were tested."""
    labels = dict.fromkeys(str(label) for one in tests for label in one.get("Participants", ()))
    return [one for label in labels for one in region_scores(region_tables(output_dir / label))]


def regions_summary(tables: Sequence[FoundTable]) -> list[tuple[str, str]]:
    """Say in a row for each table of tests how many scores are significant."""
    return [
        (f"Regions, {entities_label(one.stem)}", _significant(one))
        for one in tables
        if "Alpha" in one.sidecar
    ]


def _significant(table: FoundTable) -> str:
    """Count the rows whose corrected p is at most alpha."""
    columns, rows = read_rows(table.path)
    alpha, corrected = float(table.sidecar["Alpha"]), columns.index("p_fwe")
    known = [row[corrected] for row in rows if row[corrected] != "n/a"]
    found = sum(float(p) <= alpha for p in known)
    return f"{found} of {len(known)} tests are significant (p_fwe at most {number(alpha)})"
