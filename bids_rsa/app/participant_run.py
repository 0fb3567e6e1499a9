"""Running the participants that passed all checks: batches of graphs, logs, the end table."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bids_rsa.app.closing import keep_log, remove_empty, remove_old_logs
from bids_rsa.app.execution import CRASH_FOLDER, Clock, Plugin, choose_plugin, run_jobs
from bids_rsa.app.jobs import Run, plan_job
from bids_rsa.app.outcome import Outcome
from bids_rsa.app.pages import cite, subjects_with_maps, write_pages
from bids_rsa.app.preflight import CheckedAnalysis, make_folder
from bids_rsa.app.summary import end_table, show, summarize
from bids_rsa.app.work_folder import make_work_dir, work_dir
from bids_rsa.errors import BidsRsaError, ReadWriteError
from bids_rsa.outputs.analysis_job import RUN_WORKFLOW, AnalysisJob, subject_name
from bids_rsa.outputs.dataset_files import dataset_links, dataset_lock, write_dataset_files
from bids_rsa.outputs.derivatives import is_complete
from bids_rsa.outputs.provenance import THIS_DATASET, name_datasets, new_run_id
from bids_rsa.outputs.sidecars import SEARCHLIGHT
from bids_rsa.outputs.whole_files import remove_leftovers
from bids_rsa.records import ModelRdm
from bids_rsa.settings import Settings

LOGGER = logging.getLogger(__name__)
SUBJECTS_PER_WORKER = 4  # in one graph: few enough to start early, enough to keep all busy


def start_run(
    settings: Settings,
    models: tuple[ModelRdm, ...],
    datasets: Mapping[str, str],
    usable: tuple[int, float],
    n_analyses: int,
) -> Run:
    """Choose how to run, and make the folders.

    Parameters
    ----------
    settings : Settings
    models : tuple of ModelRdm
    datasets : mapping
        Names of the datasets searched, by path.
    usable : (int, float)
        CPUs, and memory in GiB.
    n_analyses : int
    """
    output = Path(settings.run.output_dir).absolute()
    make_folder(output, "output")
    work = make_work_dir(work_dir(settings.run.work_dir, settings.run.output_dir), output)
    return Run(
        settings=settings,
        models=models,
        datasets=name_datasets(datasets, dataset_links(output), str(output)),
        plugin=choose_plugin(settings.run.use_plugin, *usable, n_analyses),
        work=work,
        output=output,
        run_id=new_run_id(),
    )


def run_all(analyses: Sequence[CheckedAnalysis], run: Run, outcome: Outcome) -> int:
    """Run all analyses; a subject that fails does not stop the others.

    Parameters
    ----------
    analyses : sequence of CheckedAnalysis
    run : Run
    outcome : Outcome
        Holds the subjects that failed the checks; what happens is added to it.

    Returns
    -------
    int
        The exit code.
    """
    without_page: dict[str, BidsRsaError] = {}
    is_new = False
    for batch in _batches(analyses, run.plugin):
        if outcome.failures and run.settings.run.stop_on_first_crash:
            break
        jobs = _waiting(batch, run, outcome)
        clock = Clock()
        failures = run_jobs(jobs, run.graph, run.folders, _is_complete, run.plugin, clock, run.work)
        _close(jobs, failures, run, outcome, clock)
        without_page |= _write_pages(batch, run, outcome)
        is_new = is_new or bool(jobs)
    remove_leftovers(run.output, with_subfolders=False)
    for subject in {checked.analysis.subject for checked in analyses}:
        remove_leftovers(run.output / f"sub-{subject}")
    if outcome.rows and not run.settings.run.no_report:  # once: it reads all sidecars there are
        cite(run.output, is_new)
    return _finish(run, outcome) or int(bool(without_page))


def _write_pages(
    batch: Sequence[CheckedAnalysis], run: Run, outcome: Outcome
) -> dict[str, BidsRsaError]:
    """Write the pages of the subjects of a batch; tell which could not be written."""
    if run.settings.run.no_report:
        return {}
    # where maps could not be written, neither can pages: it was said once
    unwritten = {
        subject
        for subject, error in outcome.failures.items()
        if error.exit_code == ReadWriteError.exit_code
    }
    batched = dict.fromkeys(checked.analysis.subject for checked in batch)
    wanted = [subject for subject in batched if subject not in unwritten]
    subjects = subjects_with_maps(run.output, wanted) if wanted else ()
    output, configure = run.output, run.configure
    return write_pages(output, subjects, run.plugin, run.work, run.run_id, configure=configure)


def _batches(
    analyses: Sequence[CheckedAnalysis], plugin: Plugin
) -> Iterator[list[CheckedAnalysis]]:
    """Yield the analyses of as many subjects as run together."""
    subjects = list(dict.fromkeys(checked.analysis.subject for checked in analyses))
    size = 1 if plugin.is_serial else SUBJECTS_PER_WORKER * plugin.n_procs
    for start in range(0, len(subjects), size):
        chosen = subjects[start : start + size]
        yield [checked for checked in analyses if checked.analysis.subject in chosen]


def _is_complete(job: AnalysisJob) -> bool:
    """Tell whether every file of a job is there, with the same settings."""
    output = Path(job.output_dir)
    if not any((output / file.sidecar).exists() for file in job.all_planned):
        return False  # nothing is there, not even a dataset to lock
    with dataset_lock(output):  # another run may be putting the same files there
        return is_complete(output, job.all_planned, job.all_figures)


def _waiting(analyses: Sequence[CheckedAnalysis], run: Run, outcome: Outcome) -> list[AnalysisJob]:
    """Plan the analyses of one batch, and claim folders for those that are not complete."""
    jobs: list[AnalysisJob] = []
    complete: list[AnalysisJob] = []
    for index, checked in enumerate(analyses):
        analysis = checked.analysis
        try:
            job = plan_job(checked, run, index, len(analyses))
        except BidsRsaError as error:
            outcome.fail(analysis.subject, error)
            continue
        if _is_complete(job):
            LOGGER.info(
                "%s is complete with the same settings and inputs: skipped.", analysis.title
            )
            outcome.rows.append(summarize(job, run.output, None))
            complete.append(job)
        else:
            jobs.append(job)
    if complete:  # the run that made them may have been killed before it described them
        _write_dataset_files(complete, run)
    for job in complete:
        run.release(run.claim(job), done=True)
    return [run.claim(job) for job in jobs if job.analysis.subject not in outcome.failures]


def _close(
    jobs: Sequence[AnalysisJob],
    failures: Mapping[str, BidsRsaError],
    run: Run,
    outcome: Outcome,
    clock: Clock,
) -> None:
    """Note what became of each subject; write the dataset's files once something is there."""
    for subject in dict.fromkeys(job.analysis.subject for job in jobs):
        own = [job for job in jobs if job.analysis.subject == subject]
        done = [job for job in own if job.name not in failures]
        if done:
            _write_dataset_files(done, run)
            folder = run.output / f"sub-{subject}" / "log" / run.run_id
            keep_log(folder, run.settings, run.log_file)
        seconds = clock.seconds(subject_name(subject))
        outcome.rows += [summarize(job, run.output, seconds) for job in done]
        for job in own:
            run.release(job, done=job in done)
            if job.name in failures and subject not in outcome.failures:
                outcome.fail(subject, failures[job.name])


def _write_dataset_files(jobs: Sequence[AnalysisJob], run: Run) -> None:
    """Describe the dataset and its labels."""
    descriptions = {SEARCHLIGHT: "Centres of the searchlight, and the sizes of their patches"}
    for model in run.models:
        descriptions[model.name] = (
            f"Agreement with the model RDM {Path(model.path).name} (SHA-256 {model.sha256[:12]})"
        )
    links = {path: name for job in jobs for path, name in job.links if name != THIS_DATASET}
    entities = {key for job in jobs for key, _ in job.analysis.others}
    forms = {job.analysis.form for job in jobs}
    write_dataset_files(run.output, descriptions, links, entities, forms)


def _finish(run: Run, outcome: Outcome) -> int:
    """Print what is there, tidy up after success, and give the exit code."""
    if outcome.rows:
        show(f"\n{end_table(outcome.rows)}")
    if outcome.failures:
        LOGGER.error(
            "%d of %d participants failed: %s. The work directory %s is kept.",
            len(outcome.failures),
            len({row.label.split("_")[0] for row in outcome.rows}
                | {f"sub-{subject}" for subject in outcome.failures}),
            ", ".join(f"sub-{subject}" for subject in outcome.failures),
            run.work,
        )  # fmt: skip
    elif not run.keeps_work:
        run.log_file.unlink(missing_ok=True)
        remove_old_logs(run.work)
        subjects = {row.label.split("_")[0].removeprefix("sub-") for row in outcome.rows}
        graphs = [run.work / RUN_WORKFLOW / subject_name(subject) for subject in subjects]
        remove_empty((*graphs, run.work / RUN_WORKFLOW, run.work / CRASH_FOLDER, run.work,
                      run.work.parent))  # fmt: skip
    return outcome.exit_code()
