"""--dry-run: what was found, as a table that a person can check and as a TSV."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from glob import escape
from pathlib import Path

from bids_rsa.app.bold_table import bold_tables
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.whole_files import remove_leftovers, replacing
from bids_rsa.patterns.readers import source_layout
from bids_rsa.records import Analysis, Discovery, MaskChoice, ModelRdm
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.space import Layout
from bids_rsa.words import few

COLUMNS = (
    "subject", "session", "task", "acquisition", "space", "resolution", "condition", "run",
    "images", "trials", "statistic", "source", "voxels", "voxel_size_mm", "brain_mask", "roi_mask",
    "models", "status",
)  # fmt: skip
NONE = "n/a"
Failures = Sequence[tuple[str, BidsRsaError]]


def plan_text(
    discovery: Discovery, models: Sequence[ModelRdm], failures: Failures | None = None
) -> str:
    """Lay out what was found: a line an analysis, then conditions x runs, then what is left out.

    Parameters
    ----------
    discovery : Discovery
    models : sequence of ModelRdm
    failures : sequence of (str, BidsRsaError), optional
        Participants that cannot run, also those found by later checks; the discovery's by default.

    Returns
    -------
    str
        Text with a line break at its end.
    """
    failures = discovery.failures if failures is None else failures
    failed = {subject for subject, _ in failures}
    analyses = [analysis for analysis in discovery.analyses if analysis.subject not in failed]
    parts = []
    if analyses:
        rows = [_overview(analysis) for analysis in analyses]
        header = ("analysis", "images", "runs", "conditions", "statistic", "producer", "grid",
                  "brain mask", "ROI mask")  # fmt: skip
        parts.append(_aligned([header, *rows]))
        parts.append(f"Models matched: {', '.join(f'{m.name} ({m.path})' for m in models)}\n")
        parts += _counts(analyses)
        parts += bold_tables(analyses, _aligned)
        parts += _notes(analyses)
    parts += [f"sub-{subject} cannot run: {error}\n" for subject, error in failures]
    if discovery.skipped:
        parts.append(f"Left out (--missing skip): {', '.join(discovery.skipped)}\n")
    parts.append(f"Found in {discovery.seconds:.2f} s.\n")
    return "\n".join(parts)


def plan_rows(
    discovery: Discovery, models: Sequence[ModelRdm], failures: Failures | None = None
) -> list[dict[str, str]]:
    """List a row for each analysis, condition and run, with the columns of `COLUMNS`."""
    failures = discovery.failures if failures is None else failures
    failed = dict(failures)
    names = " ".join(m.name for m in models)
    rows = []
    for analysis in discovery.analyses:
        voxels, size = _voxels(analysis)
        shared = {
            "subject": analysis.subject,
            "session": analysis.session or NONE,
            "task": analysis.task or NONE,
            "acquisition": analysis.acquisition or NONE,
            "space": analysis.space or NONE,
            "resolution": analysis.resolution or NONE,
            "voxels": voxels,
            "voxel_size_mm": size,
            "brain_mask": " ".join(analysis.brain_mask.paths) or NONE,
            "roi_mask": " ".join(analysis.roi_mask.paths) or NONE,
            "models": names,
            "status": failed[analysis.subject].message if analysis.subject in failed else "ok",
        }
        rows += [shared | cell for cell in _cells(analysis)]
    known = {analysis.subject for analysis in discovery.analyses}
    for subject, error in failures:
        if subject not in known:
            rows.append(
                dict.fromkeys(COLUMNS, NONE) | {"subject": subject, "status": error.message}
            )
    return [{column: row[column].replace("\n", " ") for column in COLUMNS} for row in rows]


def write_plan(rows: Sequence[dict[str, str]], path: str) -> None:
    """Write the rows as TSV.

    Raises
    ------
    OutputError, ReadWriteError
        The file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    remove_leftovers(Path(path).parent, with_subfolders=False, name=escape(Path(path).name))
    with replacing(path) as beside:
        Path(beside).write_text(text.getvalue(), encoding="utf-8")


def _cells(analysis: Analysis) -> list[dict[str, str]]:
    """Count images and trials of each condition and run."""
    cells = []
    for condition in analysis.conditions:
        for run in _runs(analysis):
            images = [i for i in analysis.images if i.condition == condition and i.run == run]
            trials = [i.n_trials for i in images]
            known = sum(n for n in trials if n is not None) if None not in trials else None
            cells.append(
                {
                    "condition": condition,
                    "run": run or NONE,
                    "images": str(len(images)),
                    "trials": f"{known:g}" if known is not None and images else NONE,
                    "statistic": _one(i.statistic for i in analysis.images),
                    "source": _one(i.source for i in analysis.images),
                }
            )
    return cells


def _one(values: object) -> str:
    """Join the different values of a field."""
    return " ".join(sorted(set(values)))  # type: ignore[call-overload]


def _runs(analysis: Analysis) -> list[str | None]:
    """List an analysis's runs in the order of its images."""
    return list(dict.fromkeys(image.run for image in analysis.images))


def _layout(analysis: Analysis) -> Layout | None:
    """Find where the first image's values are, by its header; None where it cannot be read."""
    first = analysis.images[0]
    try:
        return source_layout(first)
    except BidsRsaError:
        return None


def _voxels(analysis: Analysis) -> tuple[str, str]:
    """Write the numbers of voxels and their size; of surfaces, how many vertices there are."""
    layout = _layout(analysis)
    if layout is None:
        return NONE, NONE
    if not isinstance(layout, Grid):
        return str(layout.n_locations), NONE
    sizes = "x".join(f"{size:.4g}" for size in layout.voxel_sizes_mm)
    return "x".join(map(str, layout.shape)), sizes


def _extent(analysis: Analysis) -> str:
    """Describe the grid in few words, or count vertices."""
    layout = _layout(analysis)
    if layout is None:
        return "cannot be read"
    if not isinstance(layout, Grid):
        what = "vertices" if analysis.form == "surface" else "grayordinates"
        return f"{layout.n_locations:,} {what}"
    sizes = " x ".join(f"{s:.3g}" for s in layout.voxel_sizes_mm)
    return f"{' x '.join(map(str, layout.shape))}, {sizes} mm"


def _overview(analysis: Analysis) -> tuple[str, ...]:
    """Make the line of an analysis."""
    runs = _runs(analysis)
    return (
        analysis.label,
        str(len(analysis.images)),
        str(len(runs)) if runs != [None] else "none",
        str(len(analysis.conditions) - len(analysis.dropped)),
        _one(i.statistic for i in analysis.images),
        _one(i.source for i in analysis.images),
        _extent(analysis),
        _mask(analysis.brain_mask),
        _mask(analysis.roi_mask),
    )


def _mask(choice: MaskChoice) -> str:
    """Say which mask in few words."""
    if not choice.paths:
        return "none"
    names = sorted({re.sub(r"^sub-.*_(?=desc-)", "", Path(p).name) for p in choice.paths})
    count = f" ({len(choice.paths)} files)" if len(choice.paths) > 1 else ""
    return f"{', '.join(names)}{count}"


def _counts(analyses: Sequence[Analysis]) -> list[str]:
    """Lay out images by condition and run, each different table once."""
    tables: dict[str, list[str]] = {}
    for analysis in analyses:
        runs = _runs(analysis)
        header = ("condition", *(f"run {run}" if run else "no run" for run in runs))
        counts = Counter((image.condition, image.run) for image in analysis.images)
        rows = [(c, *(str(counts[c, r]) for r in runs)) for c in analysis.conditions]
        tables.setdefault(_aligned([header, *rows]), []).append(analysis.label)
    return [f"Images of {few(labels)}:\n{table}" for table, labels in tables.items()]


def _notes(analyses: Sequence[Analysis]) -> list[str]:
    """List the notes of analyses, each once."""
    notes: dict[str, list[str]] = {}
    for analysis in analyses:
        for note in analysis.notes:
            notes.setdefault(note, []).append(analysis.label)
    return [f"{few(labels)}: {note}\n" for note, labels in notes.items()]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows in columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return "".join(f"{line.rstrip()}\n" for line in lines)
