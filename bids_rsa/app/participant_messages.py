"""Messages of the participant level: what was found, and what a dry run would write."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.app.plan_table import plan_rows, plan_text, write_plan
from bids_rsa.app.preflight import CheckedAnalysis
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.errors import BidsRsaError
from bids_rsa.models.cells import scored
from bids_rsa.outputs.derivatives import derivative_path
from bids_rsa.records import Analysis, Discovery, ModelRdm
from bids_rsa.regions.sources import choose_regions
from bids_rsa.settings import RegionSettings, RunSettings
from bids_rsa.words import few

LOGGER = logging.getLogger(__name__)
LISTED = 8


@dataclass(frozen=True)
class Findings:
    """What a call found: its models, its analyses, and what fails already."""

    models: tuple[ModelRdm, ...]
    discovery: Discovery
    runnable: Sequence[CheckedAnalysis]
    failures: Sequence[tuple[str, BidsRsaError]]

    @property
    def analyses(self) -> list[Analysis]:
        """Analyses of the participants that can run."""
        failed = {subject for subject, _ in self.failures}
        return [one for one in self.discovery.analyses if one.subject not in failed]


def log_found(discovery: Discovery) -> None:
    """Log how many images were found, and notes about them."""
    count = sum(len(analysis.images) for analysis in discovery.analyses)
    n = len({analysis.subject for analysis in discovery.analyses})
    LOGGER.info(
        "Found %d condition images of %d participant%s in %.2f s.",
        count, n, "s" * (n != 1), discovery.seconds,
    )  # fmt: skip
    for note in discovery.notes:
        LOGGER.info(note)
    for sentence in (*discovery.warnings, *run_counts(discovery.analyses)):
        LOGGER.warning(sentence)


def run_counts(analyses: Sequence[Analysis]) -> list[str]:
    """Say which participants have another number of runs than most: files may be missing."""
    kinds: dict[str, dict[int, list[str]]] = {}
    for one in analyses:
        kind = one.label.partition("_")[2]
        n_runs = len({image.run for image in one.images})
        kinds.setdefault(kind, {}).setdefault(n_runs, []).append(f"sub-{one.subject}")
    sentences = []
    for kind, subjects in kinds.items():
        usual = max(subjects, key=lambda n: (len(subjects[n]), n))
        others = [f"{few(names)}: {n}" for n, names in sorted(subjects.items()) if n != usual]
        if others:
            about = f" ({kind})" if len(kinds) > 1 else ""
            sentences.append(
                f"Participants differ in their number of runs{about}: most have {usual}, but "
                f"{'; '.join(others)}. Check whether files are missing or named differently."
            )
    return sentences


def print_plan(
    found: Findings, comparisons: Sequence[str], regions: RegionSettings, run: RunSettings
) -> None:
    """Print what was found and what would be written."""
    sys.stdout.write(plan_text(found.discovery, found.models, found.failures))
    maps = [] if regions.roi_only else _maps(found, comparisons)
    folder = run.output_dir
    n_maps = f"{len(maps)} map{'s' * (len(maps) != 1)}"
    sys.stdout.write(f"\nWould write {n_maps} into {folder}:\n{_listed(maps)}")
    sys.stdout.write("with masks, patch sizes, sidecars, pictures and logs next to them.\n")
    _print_regions(found.analyses, regions.roi)
    there = sum((Path(folder) / path).exists() for path in maps)
    if there:
        sys.stdout.write(
            f"{there} of them exist: a run keeps those made with the same settings and inputs, "
            "and refuses to replace others without --overwrite.\n"
        )
    if run.dry_run_table:
        rows = plan_rows(found.discovery, found.models, found.failures)
        write_plan(rows, run.dry_run_table)


def _maps(found: Findings, comparisons: Sequence[str]) -> list[str]:
    """Name the maps that would be written."""
    names = [model.name for model in scored(found.models)]
    return [
        derivative_path(analysis, name, stat=entry.label, part=part)
        for analysis in found.analyses
        for entry in map(find_comparison, comparisons)
        for name in entry.score_names(names)
        for part in analysis.parts
    ]


def _print_regions(analyses: Sequence[Analysis], wanted: Sequence[str]) -> None:
    """Print which regions would be analysed."""
    counts = [
        f"{analysis.label}: {len(chosen)} of {source.name}"
        for analysis in analyses
        for source, chosen in choose_regions(analysis.regions, wanted)
    ]
    if counts:
        told = _listed(counts)
        sys.stdout.write(f"\nRegions to analyse, with tables of scores and RDMs:\n{told}")


def _listed(lines: Sequence[str]) -> str:
    """List the first few lines, and count the rest."""
    listed = "".join(f"  {line}\n" for line in lines[:LISTED])
    more = f"  ... and {len(lines) - LISTED} more\n" if len(lines) > LISTED else ""
    return f"{listed}{more}"
