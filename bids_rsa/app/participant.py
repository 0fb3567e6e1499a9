"""The participant level: check everything before anything is written, then run what can run."""

import sys
from pathlib import Path

from bids_rsa.app.outcome import Outcome
from bids_rsa.app.participant_messages import Findings, log_found, print_plan
from bids_rsa.app.preflight import check_analyses, check_folders, make_folder, validate_input
from bids_rsa.app.running import LogTo, Resources, begin
from bids_rsa.app.summary import label_lines
from bids_rsa.dataset import find_analyses, list_participants
from bids_rsa.models.fits import check_models
from bids_rsa.models.loading import load_models
from bids_rsa.settings import Settings


def run(settings: Settings, log_to: LogTo) -> int:
    """Run the participant level; a participant that fails does not stop the others.

    Parameters
    ----------
    settings : Settings
    log_to : callable
        Makes the log go to a file as well.

    Returns
    -------
    int
        0 when all participants are complete, 1 when some failed, their own code when all did.

    Raises
    ------
    BidsRsaError
        Whatever stops the whole run, before anything is written.
    """
    call, asked = begin(settings, log_to), settings.run
    check_folders(settings.inputs.bids_dir, asked)
    if asked.list_participants:
        labels = list_participants(settings.inputs, asked.output_dir, settings.bold)
        sys.stdout.write(label_lines(labels))
        return 0
    if asked.reports_only:
        from bids_rsa.app.reports_only import write_participant_pages

        return write_participant_pages(call, settings.inputs.selection.participant_label)
    found, outcome = _find_and_check(settings, call.resources), Outcome()
    outcome.fail_before(found.failures)
    if asked.dry_run:
        print_plan(found, settings.rsa.comparisons, settings.regions, asked)
        return int(bool(found.failures)) if found.runnable else outcome.exit_code()
    if not found.runnable:
        return outcome.exit_code()
    # Nipype and the plotting libraries take seconds to import: only for what can run
    from bids_rsa.app.execution import Clock, run_jobs
    from bids_rsa.app.jobs import Task
    from bids_rsa.app.participant_run import ParticipantRun, datasets_searched

    plugin = call.plugin(len(found.runnable))
    make_folder(Path(asked.output_dir).absolute(), "output")
    running = call.start(plugin)
    datasets = datasets_searched(found.discovery, running.output)
    level = ParticipantRun(
        Task(settings.rsa, settings.regions, found.models, datasets), running, outcome
    )
    for batch in level.batches(found.runnable):
        jobs, clock = level.waiting(batch), Clock()
        failures = run_jobs(jobs, level.graphs, running, clock)
        level.close(jobs, failures, clock)
        level.write_pages(batch)
    return level.finish()


def _find_and_check(settings: Settings, resources: Resources) -> Findings:
    """Find models and analyses, and check what can be checked before anything is written."""
    inputs, rsa, regions = settings.inputs, settings.rsa, settings.regions
    if settings.run.validate:
        validate_input(inputs.bids_dir)
    models = load_models(inputs)
    check_models(models, rsa.comparisons)
    discovery = find_analyses(inputs, rsa, models, settings.run.output_dir, settings.bold, regions)
    log_found(discovery)
    memory = resources.memory_gb, resources.memory_from
    runnable, failures = check_analyses(discovery.analyses, models, rsa, memory, regions)
    return Findings(models, discovery, runnable, (*discovery.failures, *failures))
