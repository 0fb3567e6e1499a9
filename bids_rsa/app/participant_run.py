"""Running the participants that passed all checks: batches of graphs, logs, the end table."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.app.closing import keep_log, remove_empty
from bids_rsa.app.execution import (
    CRASH_FOLDER,
    Clock,
    Plugin,
    UnexpectedError,
    choose_plugin,
    configure,
    find_failure,
    run_workflow,
)
from bids_rsa.app.jobs import Run, plan_job
from bids_rsa.app.outcome import Outcome
from bids_rsa.app.preflight import CheckedGroup, make_folder, work_dir
from bids_rsa.app.summary import end_table, summarize
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.dataset_files import dataset_links, write_dataset_files
from bids_rsa.outputs.derivatives import is_complete
from bids_rsa.outputs.provenance import THIS_DATASET, name_datasets, new_run_id
from bids_rsa.outputs.sidecars import SEARCHLIGHT
from bids_rsa.outputs.whole_files import remove_leftovers
from bids_rsa.records import ModelRdm
from bids_rsa.settings import Settings
from bids_rsa.workflows.participant import RUN_WORKFLOW, GroupJob, init_run_wf, subject_name

LOGGER = logging.getLogger(__name__)
SUBJECTS_PER_WORKER = 4  # in one graph: few enough to start early, enough to keep all busy


@dataclass(frozen=True)
class Plan:
    """What passed all checks, and what may be used to run it.

    ``datasets`` are names of the datasets searched, by path.
    """

    settings: Settings
    models: tuple[ModelRdm, ...]
    datasets: Mapping[str, str]
    groups: tuple[CheckedGroup, ...]
    n_procs: int
    memory_gb: float


def run_plan(plan: Plan, outcome: Outcome, log_to: Callable[[Path], None]) -> int:
    """Run all groups; a subject that fails does not stop the others.

    Parameters
    ----------
    plan : Plan
    outcome : Outcome
        Holds the subjects that failed the checks; what happens is added to it.
    log_to : callable
        Makes the log go to a file as well.

    Returns
    -------
    int
        The exit code.
    """
    settings = plan.settings
    output = Path(settings.run.output_dir).absolute()
    run = Run(
        settings=settings,
        models=plan.models,
        datasets=name_datasets(plan.datasets, dataset_links(output), str(output)),
        plugin=choose_plugin(
            settings.run.use_plugin, plan.n_procs, plan.memory_gb, len(plan.groups)
        ),
        work=work_dir(settings),
        output=output,
        run_id=new_run_id(),
    )
    for folder, name in ((run.output, "output"), (run.work, "work")):
        make_folder(folder, name)
    log_to(run.log_file)
    configure(run.work, settings.run.stop_on_first_crash, settings.run.debug)
    for batch in _batches(plan.groups, run.plugin):
        if outcome.failures and settings.run.stop_on_first_crash:
            break
        _run_batch(batch, run, outcome)
    _remove_leftovers(plan.groups, run.output)
    return _finish(run, outcome)


def _remove_leftovers(groups: Sequence[CheckedGroup], output: Path) -> None:
    """Remove what killed runs had begun to write at the dataset's root and for these subjects."""
    remove_leftovers(output, with_subfolders=False)
    for subject in {checked.group.subject for checked in groups}:
        remove_leftovers(output / f"sub-{subject}")


def _batches(groups: Sequence[CheckedGroup], plugin: Plugin) -> Iterator[list[CheckedGroup]]:
    """Yield the groups of as many subjects as run together."""
    subjects = list(dict.fromkeys(checked.group.subject for checked in groups))
    size = 1 if plugin.is_serial else SUBJECTS_PER_WORKER * plugin.n_procs
    for start in range(0, len(subjects), size):
        chosen = subjects[start : start + size]
        yield [checked for checked in groups if checked.group.subject in chosen]


def _run_batch(groups: Sequence[CheckedGroup], run: Run, outcome: Outcome) -> None:
    """Run the subjects of one batch that are not complete."""
    jobs: list[GroupJob] = []
    complete: list[GroupJob] = []
    for index, checked in enumerate(groups):
        group = checked.group
        try:
            job = plan_job(checked, run, index, len(groups))
        except BidsRsaError as error:
            outcome.fail(group.subject, error)
            continue
        if is_complete(run.output, job.all_planned, job.figures):
            LOGGER.info("%s is complete with the same settings and inputs: skipped.", group.label)
            outcome.rows.append(summarize(group, job.planned, run.output, None))
            complete.append(job)
        else:
            jobs.append(job)
    if complete:  # the run that made them may have been killed before it described them
        _write_dataset_files(complete, run)
    jobs = [job for job in jobs if job.group.subject not in outcome.failures]
    if not jobs:
        return
    clock = Clock()
    raised = _run_jobs(jobs, run, clock)
    for subject in dict.fromkeys(job.group.subject for job in jobs):
        own = [job for job in jobs if job.group.subject == subject]
        _close_subject(subject, own, run, outcome, raised, clock)


def _run_jobs(jobs: Sequence[GroupJob], run: Run, clock: Clock) -> Exception | None:
    """Run jobs; those that an old work directory lets fail run once more, without it.

    A work directory may have lost files to a full disk, or to a cluster that clears away old ones.
    """
    reused = {job.group.subject for job in jobs if _folder(job, run).exists()}
    raised = run_workflow(init_run_wf(jobs, str(run.work)), run.plugin, clock)
    again = [
        job
        for job in jobs
        if job.group.subject in reused
        and not is_complete(run.output, job.all_planned, job.figures)
        and isinstance(_failure(job, run, raised), UnexpectedError)
    ]
    if not again:
        return raised
    for job in again:
        LOGGER.warning("%s: its work directory is damaged, and is made anew.", job.group.label)
        shutil.rmtree(_folder(job, run), ignore_errors=True)
    return run_workflow(init_run_wf(again, str(run.work)), run.plugin, clock)


def _folder(job: GroupJob, run: Run) -> Path:
    """Say where a job's subject works."""
    return run.work / RUN_WORKFLOW / subject_name(job.group.subject)


def _failure(job: GroupJob, run: Run, raised: Exception | None) -> BidsRsaError:
    """Find out why a job's subject is not complete."""
    return find_failure(_folder(job, run), raised, run.work) or UnexpectedError(
        "It did not finish.",
        f"Nipype's report lies in {run.work / CRASH_FOLDER}, if it could write one.",
    )


def _close_subject(
    subject: str,
    jobs: Sequence[GroupJob],
    run: Run,
    outcome: Outcome,
    raised: Exception | None,
    clock: Clock,
) -> None:
    """Note what became of a subject; write the dataset's files once something is there."""
    done = [job for job in jobs if is_complete(run.output, job.all_planned, job.figures)]
    if done:
        _write_dataset_files(done, run)
        folder = run.output / f"sub-{subject}" / "log" / run.run_id
        keep_log(folder, run.settings, run.log_file)
    seconds = clock.seconds(subject_name(subject))
    outcome.rows += [summarize(job.group, job.planned, run.output, seconds) for job in done]
    if len(done) == len(jobs):
        return
    outcome.fail(subject, _failure(jobs[0], run, raised))


def _write_dataset_files(jobs: Sequence[GroupJob], run: Run) -> None:
    """Describe the dataset and its labels."""
    descriptions = {SEARCHLIGHT: "Centres of the searchlight, and the sizes of their patches"}
    for model in run.models:
        descriptions[model.name] = (
            f"Agreement with the model RDM {Path(model.path).name} (SHA-256 {model.sha256[:12]})"
        )
    links = {path: name for job in jobs for path, name in job.links if name != THIS_DATASET}
    write_dataset_files(run.output, descriptions, links)


def _finish(run: Run, outcome: Outcome) -> int:
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


def _remove_work(run: Run, outcome: Outcome) -> None:
    """Remove what this run left in the default work directory; other runs may be using it."""
    subjects = {row.label.split("_")[0].removeprefix("sub-") for row in outcome.rows}
    for subject in subjects:
        shutil.rmtree(run.work / RUN_WORKFLOW / subject_name(subject), ignore_errors=True)
    run.log_file.unlink(missing_ok=True)
    remove_empty((run.work / RUN_WORKFLOW, run.work / CRASH_FOLDER, run.work))
