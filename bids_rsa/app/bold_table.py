"""--dry-run with --from-bold: events, times, confounds and rank of each run, as tables."""

from collections.abc import Callable, Sequence

from bids_rsa.records import Analysis, BoldRun, natural_key
from bids_rsa.words import few

Layout = Callable[[Sequence[Sequence[str]]], str]
HEADER = (
    "run", "volumes", "TR (s)", "StartTime (s)", "confounds", "spikes (volume indices, from 0)",
    "high-pass", "columns", "rank", "dof",
)  # fmt: skip


def bold_tables(analyses: Sequence[Analysis], aligned: Layout) -> list[str]:
    """Lay out the runs that images will be estimated from, each different table once.

    Parameters
    ----------
    analyses : sequence of Analysis
    aligned : callable
        Lays out rows in columns.
    """
    events: dict[str, list[str]] = {}
    runs: dict[str, list[str]] = {}
    warnings: dict[str, list[str]] = {}
    for analysis in analyses:
        if not analysis.bold_runs:
            continue
        ordered = sorted(analysis.bold_runs, key=lambda run: natural_key(run.run))
        events.setdefault(aligned(_events(ordered)), []).append(analysis.label)
        rows = [HEADER, *(_row(run) for run in ordered)]
        runs.setdefault(aligned(rows), []).append(analysis.label)
        for run in ordered:
            for text in run.warnings:
                warnings.setdefault(text, []).append(run.label)
    return [
        *(f"Events of {few(labels)}:\n{table}" for table, labels in events.items()),
        *(f"Runs of {few(labels)}:\n{table}" for table, labels in runs.items()),
        *(f"{few(labels)}: {text}\n" for text, labels in warnings.items()),
    ]


def _events(runs: Sequence[BoldRun]) -> list[tuple[str, ...]]:
    """Count the events of each condition and run."""
    counts = [
        dict(zip(run.design.conditions, run.design.n_events, strict=True)) if run.design else {}
        for run in runs
    ]
    names = sorted({name for found in counts for name in found})
    header = ("condition", *(f"run {run.run}" if run.run else "no run" for run in runs))
    return [header, *((name, *(str(found.get(name, 0)) for found in counts)) for name in names)]


def _row(run: BoldRun) -> tuple[str, ...]:
    """Make the line of a run."""
    assert run.design is not None
    design = run.design
    named = [name for name in design.confounds if not name.startswith(("cosine", "spike"))]
    cut = f"{design.high_pass_s:g} s" if design.high_pass_s else design.high_pass_source
    return (
        run.run or "none",
        str(len(run.frame_times_s)),
        f"{run.repetition_time_s:g}",
        f"{run.start_time_s:g}",
        few(named, 6) or "none",
        ", ".join(map(str, design.spikes[:6])) + (" ..." if len(design.spikes) > 6 else "")
        or "none",
        cut,
        str(len(design.columns)),
        str(design.rank),
        str(design.dof),
    )
