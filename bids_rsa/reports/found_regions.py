"""The tables of regions that are in the output folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.outputs.derivatives import read_sidecar

TABLES = "*_seg-*_scores.tsv"
# a row for each participant, region and model: too long for a page
LONG = "_desc-participants_"


@dataclass(frozen=True)
class FoundTable:
    """A finished table of regions."""

    path: Path
    sidecar: dict[str, Any]

    @property
    def stem(self) -> str:
        """The file's name without its ending."""
        return self.path.name.removesuffix("_scores.tsv")


def region_tables(folder: Path) -> list[FoundTable]:
    """Find the finished tables of regions below a folder, in the order of their names."""
    found = []
    for path in sorted(folder.rglob(TABLES)):
        sidecar = read_sidecar(path.with_suffix(".json"))
        if sidecar is not None and LONG not in path.name:
            found.append(FoundTable(path, sidecar))
    return found


def region_tests(folder: Path) -> list[dict[str, Any]]:
    """Give the sidecars of the tables of group tests below a folder, without differences."""
    tables = [one for one in region_tables(folder) if "_meas-" in one.path.name]
    return [one.sidecar for one in tables if "_desc-differences_" not in one.path.name]


def region_scores(tables: Sequence[FoundTable]) -> list[dict[str, Any]]:
    """Give the sidecars of tables as those of scores: one for each comparison and model."""
    return [
        {
            **one.sidecar,
            "Comparison": comparison,
            "Model": model,
            **_cells(one.sidecar, comparison, model),
        }
        for one in tables
        for comparison in one.sidecar.get("Comparisons", ())
        for model in one.sidecar.get("Models", ())
    ]


def _cells(sidecar: dict[str, Any], comparison: str, model: Any) -> dict[str, Any]:
    """Give the number of cells that a comparison with a model used, as maps say it."""
    numbers = sidecar.get("CellsCompared", {}).get("Number", {}).get(comparison, {})
    name = model.get("Name") if isinstance(model, dict) else None
    return {"CellsUsed": numbers[name]} if name in numbers else {}
