"""The tables and pictures of regions that are in the output folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.reports.collect import entities_label, read_rows
from bids_rsa.reports.found_regions import region_tables
from bids_rsa.reports.parts import embed

MOST_PICTURES = 40


def tables_content(folder: Path) -> list[dict[str, Any]]:
    """Give the tables as a page shows them, with few digits."""
    content = []
    for one in region_tables(folder):
        columns, rows = read_rows(one.path)
        content.append(
            {
                "title": f"Regions, {entities_label(one.stem)}",
                "columns": columns,
                "rows": [[short(cell) for cell in row] for row in rows],
                "numbers": number_columns(columns, rows),
            }
        )
    return content


def group_pictures(folder: Path) -> list[Any]:
    """Embed the pictures of the group's regions: scores of models, and mean RDMs."""
    paths = sorted(folder.rglob("figures/*_seg-*_scores.png"))
    paths += sorted(folder.rglob("figures/*_seg-*_rdm.png"))
    pictures = [embed(path, _words(path)) for path in paths[:MOST_PICTURES]]
    return [one for one in pictures if one]


def _words(path: Path) -> str:
    """Say what a picture shows."""
    kind = "Scores of the models" if path.stem.endswith("_scores") else "Mean RDM and arrangement"
    return f"{kind}, {entities_label(path.stem)}"


def _is_number(cell: str) -> bool:
    """Whether a cell contains a number, or none where there could be one."""
    if cell == "n/a":
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True


def number_columns(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """List the columns that contain numbers, in some rows perhaps n/a."""
    return [
        place
        for place in range(len(columns))
        if all(_is_number(row[place]) for row in rows) and any(row[place] != "n/a" for row in rows)
    ]


def short(cell: str) -> str:
    """Write a number with four digits; whole numbers and words stay as they are."""
    if not _is_number(cell) or cell == "n/a" or cell.lstrip("-").isdigit():
        return cell
    return f"{float(cell):.4g}"
