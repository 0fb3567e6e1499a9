"""The participant level: check everything before anything is written, then run what can run."""

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bids_rsa.app.outcome import Outcome
from bids_rsa.app.plan_table import plan_rows, plan_text, write_plan
from bids_rsa.app.preflight import check_analyses, check_folders, validate_input
from bids_rsa.app.summary import label_lines
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.dataset import find_analyses, list_participants
from bids_rsa.errors import BidsRsaError
from bids_rsa.machine import find_machine
from bids_rsa.models.cells import scored
from bids_rsa.models.loading import check_models, load_models
from bids_rsa.needs import usable_memory
from bids_rsa.outputs.derivatives import derivative_path
from bids_rsa.records import Analysis, Discovery, ModelRdm
from bids_rsa.regions.sources import choose_regions
from bids_rsa.settings import Settings

LOGGER = logging.getLogger(__name__)
MAPS_LISTED = 8


def run(settings: Settings, log_to: Callable[[Path], None]) -> int:
    """Run the participant level.

    Parameters
    ----------
    settings : Settings
    log_to : callable
        Makes the log go to a file as well.

    Returns
    -------
    int
        0 when all subjects are complete, 1 when some failed, their own code when all did.

    Raises
    ------
    BidsRsaError
        Whatever stops the whole run, before anything is written.
    """
    machine = find_machine()
    LOGGER.info(machine.sentence())
    check_folders(settings)
    if settings.run.list_participants:
        labels = list_participants(settings.inputs, settings.run.output_dir, settings.bold)
        sys.stdout.write(label_lines(labels))
        return 0
    if settings.run.reports_only:
        from bids_rsa.app.reports_only import write_reports_only

        memory_gb, _ = usable_memory(machine, settings.run.mem_gb)
        return write_reports_only(settings, settings.run.n_procs or machine.n_cpus, memory_gb)
    if settings.run.validate:
        validate_input(settings.inputs.bids_dir)
    models = load_models(settings.inputs)
    check_models(models, settings.rsa.comparisons)
    discovery = find_analyses(
        settings.inputs,
        settings.rsa,
        models,
        settings.run.output_dir,
        settings.bold,
        settings.regions,
    )
    for note in discovery.notes:
        LOGGER.info(note)
    memory_gb, memory_from = usable_memory(machine, settings.run.mem_gb)
    analyses, failures = check_analyses(
        discovery.analyses, models, settings.rsa, (memory_gb, memory_from), settings.regions
    )
    outcome = Outcome()
    for subject, error in (*discovery.failures, *failures):
        outcome.fail(subject, error)
    if settings.run.dry_run:
        _tell_plan(settings, discovery, models, (*discovery.failures, *failures))
        return int(bool(failures or discovery.failures)) if analyses else outcome.exit_code()
    if not analyses:
        return outcome.exit_code()
    # Nipype and the plotting libraries take seconds to import: only for what can run
    from bids_rsa.app.participant_run import run_all, start_run

    datasets = {path: name for name, path in discovery.datasets}
    usable = (settings.run.n_procs or machine.n_cpus, memory_gb)
    started = start_run(settings, models, datasets, usable, len(analyses))
    log_to(started.log_file)
    return run_all(analyses, started, outcome)


def _tell_plan(
    settings: Settings,
    discovery: Discovery,
    models: tuple[ModelRdm, ...],
    failures: Sequence[tuple[str, BidsRsaError]],
) -> None:
    """Print what was found and what would be written."""
    sys.stdout.write(plan_text(discovery, models, failures))
    failed = {subject for subject, _ in failures}
    maps = [
        derivative_path(analysis, name, stat=entry.label, part=part)
        for analysis in discovery.analyses
        if analysis.subject not in failed and not settings.regions.roi_only
        for entry in map(find_comparison, settings.rsa.comparisons)
        for name in entry.score_names([model.name for model in scored(models)])
        for part in analysis.parts
    ]
    listed = "".join(f"  {path}\n" for path in maps[:MAPS_LISTED])
    more = f"  ... and {len(maps) - MAPS_LISTED} more\n" if len(maps) > MAPS_LISTED else ""
    folder = settings.run.output_dir
    n_maps = f"{len(maps)} map{'s' * (len(maps) != 1)}"
    sys.stdout.write(f"\nWould write {n_maps} into {folder}:\n{listed}{more}")
    sys.stdout.write("with masks, patch sizes, sidecars, pictures and logs beside them.\n")
    there = sum((Path(folder) / path).exists() for path in maps)
    _tell_regions(settings, [one for one in discovery.analyses if one.subject not in failed])
    if there:
        sys.stdout.write(
            f"{there} of them exist: a run keeps those made with the same settings and inputs, "
            "and refuses to replace others without --overwrite.\n"
        )
    if settings.run.dry_run_table:
        write_plan(plan_rows(discovery, models, failures), settings.run.dry_run_table)


def _tell_regions(settings: Settings, analyses: Sequence[Analysis]) -> None:
    """Print which regions would be analysed."""
    counts = [
        (analysis.label, source.name, len(chosen))
        for analysis in analyses
        for source, chosen in choose_regions(analysis.regions, settings.regions.roi)
    ]
    listed = "".join(f"  {who}: {n} of {name}\n" for who, name, n in counts[:MAPS_LISTED])
    more = f"  ... and {len(counts) - MAPS_LISTED} more\n" if len(counts) > MAPS_LISTED else ""
    if counts:
        sys.stdout.write(f"\nRegions to analyse, with tables of scores and RDMs:\n{listed}{more}")
