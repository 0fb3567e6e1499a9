"""The participant level: check everything, skip what is done, run the rest, say what is there."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bids_rsa.arguments import as_toml
from bids_rsa.dataset import find_groups, list_participants
from bids_rsa.dataset_files import write_dataset_files, write_text
from bids_rsa.derivatives import is_complete
from bids_rsa.errors import BidsRsaError
from bids_rsa.execution import (
    CRASH_FOLDER,
    Clock,
    Plugin,
    UnexpectedError,
    choose_plugin,
    configure,
    find_failure,
    run_workflow,
)
from bids_rsa.jobs import Run, plan_job
from bids_rsa.models import check_models, load_models
from bids_rsa.needs import usable_memory
from bids_rsa.preflight import (
    CheckedGroup,
    check_folders,
    check_groups,
    validate_input,
    work_dir,
)
from bids_rsa.provenance import new_run_id
from bids_rsa.records import Discovery, ModelRdm
from bids_rsa.resources import find_machine
from bids_rsa.settings import Settings
from bids_rsa.sidecars import SEARCHLIGHT
from bids_rsa.summary import Row, end_table, summarize
from bids_rsa.workflows.participant import RUN_WORKFLOW, GroupJob, init_run_wf, subject_name

LOGGER = logging.getLogger(__name__)
SUBJECTS_PER_WORKER = 4  # in one graph: few enough to start early, enough to keep all busy


@dataclass
class _Outcome:
    """What happened to each subject."""

    rows: list[Row] = field(default_factory=list)
    failures: dict[str, BidsRsaError] = field(default_factory=dict)

    def fail(self, subject: str, error: BidsRsaError) -> None:
        """Note a failure, and say it at once."""
        self.failures[subject] = error
        LOGGER.error("sub-%s: %s", subject, error)

    def exit_code(self) -> int:
        """Give the failure's own code when nothing is there, 1 when only some failed."""
        if not self.failures:
            return 0
        codes = {error.exit_code for error in self.failures.values()}
        return codes.pop() if not self.rows and len(codes) == 1 else 1


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
        labels = list_participants(settings.inputs, settings.run.output_dir)
        sys.stdout.write("".join(f"{label}\n" for label in labels))
        return 0
    if settings.run.validate:
        validate_input(settings.inputs.bids_dir)
    models = load_models(settings.inputs)
    check_models(models, settings.rsa.comparisons)
    discovery = find_groups(settings.inputs, settings.rsa, models, settings.run.output_dir)
    for note in discovery.notes:
        LOGGER.info(note)
    memory_gb, memory_from = usable_memory(machine, settings.run.mem_gb)
    groups, failures = check_groups(
        discovery.groups, models, settings.rsa, (memory_gb, memory_from)
    )
    outcome = _Outcome()
    for subject, error in (*discovery.failures, *failures):
        outcome.fail(subject, error)
    if settings.run.dry_run:
        return _tell_plan(settings, discovery, models)
    if not groups:
        return outcome.exit_code()
    n_procs = settings.run.n_procs or machine.n_cpus
    this_run = Run(
        settings=settings,
        models=models,
        datasets={path: name for name, path in discovery.datasets},
        plugin=choose_plugin(settings.run.use_plugin, n_procs, memory_gb, len(groups)),
        work=work_dir(settings),
        output=Path(settings.run.output_dir).absolute(),
        run_id=new_run_id(),
    )
    log_to(this_run.log_file)
    configure(this_run.work, settings.run.stop_on_first_crash, settings.run.debug)
    for batch in _batches(groups, this_run.plugin):
        _run_batch(batch, this_run, outcome)
        if outcome.failures and settings.run.stop_on_first_crash:
            break
    return _finish(this_run, outcome)


def _batches(groups: Sequence[CheckedGroup], plugin: Plugin) -> Iterator[list[CheckedGroup]]:
    """Yield the groups of as many subjects as run together."""
    subjects = list(dict.fromkeys(checked.group.subject for checked in groups))
    size = 1 if plugin.is_serial else SUBJECTS_PER_WORKER * plugin.n_procs
    for start in range(0, len(subjects), size):
        chosen = subjects[start : start + size]
        yield [checked for checked in groups if checked.group.subject in chosen]


def _run_batch(groups: Sequence[CheckedGroup], run: Run, outcome: _Outcome) -> None:
    """Run the subjects of one batch that are not complete."""
    jobs: list[GroupJob] = []
    for index, checked in enumerate(groups):
        group = checked.group
        try:
            job = plan_job(checked, run, index, len(groups))
        except BidsRsaError as error:
            outcome.fail(group.subject, error)
            continue
        if is_complete(run.output, job.planned, job.figures):
            LOGGER.info("%s is complete with the same settings and inputs: skipped.", group.label)
            outcome.rows.append(summarize(group, job.planned, run.output, None))
        else:
            jobs.append(job)
    jobs = [job for job in jobs if job.group.subject not in outcome.failures]
    if not jobs:
        return
    clock = Clock()
    raised = run_workflow(init_run_wf(jobs, str(run.work)), run.plugin, clock)
    for subject in dict.fromkeys(job.group.subject for job in jobs):
        own = [job for job in jobs if job.group.subject == subject]
        _close_subject(subject, own, run, outcome, raised, clock)


def _close_subject(
    subject: str,
    jobs: Sequence[GroupJob],
    run: Run,
    outcome: _Outcome,
    raised: Exception | None,
    clock: Clock,
) -> None:
    """Note what became of a subject; write the dataset's files once something is there."""
    done = [job for job in jobs if is_complete(run.output, job.planned, job.figures)]
    if done:
        _write_dataset_files(done, run)
        _write_log(subject, run)
    seconds = clock.seconds(subject_name(subject))
    outcome.rows += [summarize(job.group, job.planned, run.output, seconds) for job in done]
    if len(done) == len(jobs):
        return
    folder = run.work / RUN_WORKFLOW / subject_name(subject)
    error = find_failure(folder, raised, run.work) or UnexpectedError(
        "It did not finish." if raised is None else f"It did not finish: {raised}",
        f"Nipype's report lies in {run.work / CRASH_FOLDER}, if it could write one.",
    )
    outcome.fail(subject, error)


def _write_dataset_files(jobs: Sequence[GroupJob], run: Run) -> None:
    """Describe the dataset and its labels."""
    descriptions = {SEARCHLIGHT: "Centres of the searchlight, and the sizes of their patches"}
    for model in run.models:
        descriptions[model.name] = (
            f"Agreement with the model RDM {Path(model.path).name} (SHA-256 {model.sha256[:12]})"
        )
    links = {path: name for job in jobs for path, name in job.links}
    write_dataset_files(run.output, descriptions, links)


def _write_log(subject: str, run: Run) -> None:
    """Write the run's settings, and its log so far, beside the subject's results."""
    folder = run.output / f"sub-{subject}" / "log" / run.run_id
    write_text(folder / "bids_rsa.toml", as_toml(run.settings))
    log = run.log_file.read_text(encoding="utf-8") if run.log_file.exists() else ""
    write_text(folder / "bids_rsa.log", log)


def _finish(run: Run, outcome: _Outcome) -> int:
    """Print what is there, tidy up after success, and give the exit code."""
    if outcome.rows:
        sys.stdout.write(f"\n{end_table(outcome.rows)}")
    if outcome.failures:
        LOGGER.error(
            "%d of %d participants failed: %s. The work directory %s is kept.",
            len(outcome.failures),
            len({row.label.split("_")[0] for row in outcome.rows}
                | {f"sub-{subject}" for subject in outcome.failures}),
            ", ".join(f"sub-{subject}" for subject in outcome.failures),
            run.work,
        )  # fmt: skip
    elif run.settings.run.work_dir is None and not run.settings.run.debug:
        _remove_work(run, outcome)
    return outcome.exit_code()


def _remove_work(run: Run, outcome: _Outcome) -> None:
    """Remove what this run left in the default work directory; other runs may be using it."""
    subjects = {row.label.split("_")[0].removeprefix("sub-") for row in outcome.rows}
    for subject in subjects:
        shutil.rmtree(run.work / RUN_WORKFLOW / subject_name(subject), ignore_errors=True)
    run.log_file.unlink(missing_ok=True)
    for folder in (run.work / RUN_WORKFLOW, run.work / CRASH_FOLDER, run.work):
        try:
            folder.rmdir()
        except OSError:
            continue  # another run's files are still in it, or it was never made


def _tell_plan(settings: Settings, discovery: Discovery, models: tuple[ModelRdm, ...]) -> int:
    """Print what was found and what would be written."""
    sys.stdout.write(
        f"{len(discovery.groups)} groups, {len(models)} models {settings.run.output_dir}\n"
    )
    return 0
