"""Tables for the terminal: what will be written, and what is really there at the end."""

import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.outputs.analysis_job import AnalysisJob
from bids_rsa.outputs.derivatives import read_sidecar

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class SummaryRow:
    """What is there for one analysis."""

    label: str
    n_maps: int
    n_centers: int
    n_undefined: int
    n_regions: int
    seconds: float | None
    folder: str


def summarize(job: AnalysisJob, output_dir: Path, seconds: float | None) -> SummaryRow:
    """Count what is there, from the files themselves."""
    planned = job.planned
    maps = [file for file in planned if file.model and (output_dir / file.path).is_file()]
    sidecars = [read_sidecar(output_dir / file.sidecar) or {} for file in maps]
    return SummaryRow(
        label=job.analysis.label,
        n_maps=sum(file.part in ("", job.analysis.parts[0]) for file in maps),
        n_centers=max((s.get("CentersEvaluated", 0) for s in sidecars), default=0),
        n_undefined=max((s.get("CentersUndefined", 0) for s in sidecars), default=0),
        n_regions=sum(len(plan.regions) for plan in job.regions),
        seconds=seconds,
        folder=str((output_dir / job.all_planned[0].path).parent),
    )


def end_table(rows: Sequence[SummaryRow]) -> str:
    """Write the table that a run ends with."""
    regions = any(row.n_regions for row in rows)
    cells = [
        (
            row.label,
            str(row.n_maps),
            str(row.n_centers),
            str(row.n_undefined),
            *([str(row.n_regions)] if regions else []),
            "there before" if row.seconds is None else f"{row.seconds:.1f} s",
            row.folder,
        )
        for row in rows
    ]
    header = ("analysis", "maps", "centres", "undefined", *(("regions",) if regions else ()))
    return text_table((*header, "time", "where"), cells)


def show(text: str) -> None:
    """Print what is there at the end; where that fails, the results are there all the same."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        LOGGER.warning("Standard output cannot be written: %s.", error.strerror)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns: numbers to the right, the rest to the left."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [bool(rows) and all(cell.isdigit() for cell in column[1:]) for column in columns]
    lines = []
    for row in (header, *rows):
        parts = [
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines) + "\n"


def label_lines(labels: Iterable[str]) -> str:
    """List participants' labels, one a line, for a script to read."""
    return "".join(f"{label}\n" for label in sorted(labels))
