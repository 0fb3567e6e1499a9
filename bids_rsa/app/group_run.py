"""The tests of the group level are run: planned files, the graph, what is there at the end."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bids_rsa.app.closing import keep_log, remove_empty, remove_old_logs
from bids_rsa.app.execution import (
    CRASH_FOLDER,
    Clock,
    Plugin,
    choose_plugin,
    configure,
    run_jobs,
    shows_all,
)
from bids_rsa.app.group_jobs import Machinery, plan_jobs, refuse_too_large
from bids_rsa.app.group_told import tell_end, tell_plan
from bids_rsa.app.noise_ceilings import plan_ceiling_jobs
from bids_rsa.app.pages import GROUP, cite, write_pages
from bids_rsa.app.work_folder import Claim, claim, make_work_dir, work_dir
from bids_rsa.errors import BidsRsaError
from bids_rsa.group.ceiling_write import CeilingJob
from bids_rsa.group.records import FOLDER, GroupTest
from bids_rsa.group.statements import Tried
from bids_rsa.group.write import RUN_WORKFLOW, GroupJob, nulls_name
from bids_rsa.outputs.dataset_files import dataset_lock, write_dataset_files
from bids_rsa.outputs.derivatives import is_complete
from bids_rsa.outputs.provenance import new_run_id
from bids_rsa.outputs.whole_files import remove_leftovers
from bids_rsa.settings import Settings

LOGGER = logging.getLogger(__name__)
STATE_FOLDER = "permutations"


def run_tests(
    tests: Sequence[GroupTest],
    tried: Tried,
    settings: Settings,
    machinery: Machinery,
    log_to: Callable[[Path], None],
) -> int:
    """Run the tests that are not complete yet; only tell them with --dry-run.

    Returns
    -------
    int
        0 when all tests are complete, 1 when some failed, their own code when all did.

    Raises
    ------
    OutputError
        A file that was made with other settings, and may not be replaced.
    ResourceError
        A test that needs more memory than there is.
    ContentError
        With --noise-ceiling: a subject's RDMs that cannot be computed again.
    """
    # a test uses all CPUs through threads, so tests run one after the other unless told otherwise
    wish = settings.run.use_plugin or "Linear"
    plugin = choose_plugin(wish, machinery.n_procs, machinery.memory_gb, len(tests))
    jobs = plan_jobs(tests, tried, settings, plugin)
    ceilings = plan_ceiling_jobs(jobs, settings, plugin.n_procs)
    if settings.run.dry_run:
        return tell_plan(jobs, ceilings)
    everything: list[GroupJob | CeilingJob] = [*jobs, *ceilings]
    for job in everything:
        refuse_too_large(job, machinery)
    return _run_jobs(jobs, ceilings, settings, plugin, log_to)


def _run_jobs(
    jobs: Sequence[GroupJob],
    ceilings: Sequence[CeilingJob],
    settings: Settings,
    plugin: Plugin,
    log_to: Callable[[Path], None],
) -> int:
    """Run the tests that are not complete, and the ceilings; say what is there."""
    tests = [job for job in jobs if not _is_complete(job)]
    for job in jobs:
        if job not in tests:
            LOGGER.info("%s is complete with the same settings: skipped.", job.label)
    waiting = [*tests, *ceilings]
    run_id = new_run_id()
    output = Path(settings.run.output_dir).absolute()
    work = work_dir(settings.run.work_dir, settings.run.output_dir)
    failures: dict[str, BidsRsaError] = {}
    if waiting:
        work = make_work_dir(work, output)
        log_to(work / f"{run_id}.log")
        # a joint correction needs the null distributions of all tests
        needed = jobs if tests and any(job.n_joint > 1 for job in jobs) else tests
        failures = _run_waiting([*needed, *ceilings], settings, plugin, work)
    done = [job for job in jobs if job.label not in failures]
    if done:
        _write_dataset_files(done, settings)
    has_page = not done or _write_page(
        output, settings, plugin, make_work_dir(work, output), run_id, bool(waiting)
    )
    remove_leftovers(output, with_subfolders=False)
    remove_leftovers(output / FOLDER)
    remove_leftovers(work / RUN_WORKFLOW)
    tell_end(done)
    for label, error in failures.items():
        LOGGER.error("%s: %s", label, error)
    if failures:
        LOGGER.error(
            "%d of %d tests and ceilings failed; %s is kept.",
            len(failures), len(jobs) + len(ceilings), work,
        )  # fmt: skip
    if waiting and done:  # last, so that the log is whole
        keep_log(output / jobs[0].test.folder / "log" / run_id, settings, work / f"{run_id}.log")
    if failures:
        codes = {error.exit_code for error in failures.values()}
        return codes.pop() if not done and len(codes) == 1 else 1
    if settings.run.work_dir is None and not settings.run.debug:
        (work / f"{run_id}.log").unlink(missing_ok=True)
        remove_old_logs(work)
        remove_empty((work / RUN_WORKFLOW, work / CRASH_FOLDER, work, work.parent))
    return int(not has_page)


def _write_page(
    output: Path, settings: Settings, plugin: Plugin, work: Path, run_id: str, is_new: bool
) -> bool:
    """Write the group's page and the methods text unless unwanted; tell whether that went well."""
    if settings.run.no_report:
        return True
    cite(output, is_new)
    run = settings.run
    return not write_pages(
        output,
        [GROUP],
        plugin,
        work,
        run_id,
        configure=lambda: configure(work, run.stop_on_first_crash, shows_all(run)),
    )


def _run_waiting(
    jobs: Sequence[GroupJob | CeilingJob], settings: Settings, plugin: Plugin, work: Path
) -> dict[str, BidsRsaError]:
    """Run the graph of tests and ceilings; find which are not complete, and why."""
    configure(work, settings.run.stop_on_first_crash, shows_all(settings.run))
    claims: dict[str, Claim] = {}
    claimed = [_claimed(job, claims, work) for job in jobs]
    tests = [job for job in claimed if isinstance(job, GroupJob)]
    together = any(job.n_joint > 1 for job in tests)

    def graph(some: Sequence[GroupJob | CeilingJob]) -> Any:
        """Build the graph of some jobs; with all tests where they are corrected together."""
        from bids_rsa.workflows.group import init_group_level_wf  # imports Nipype

        own = [job for job in some if isinstance(job, GroupJob)]
        ceilings = [job for job in some if isinstance(job, CeilingJob)]
        return init_group_level_wf(tests if together else own, str(work), together, ceilings)

    def folders(job: GroupJob | CeilingJob) -> list[Path]:
        """Say where a job alone works."""
        return [work / RUN_WORKFLOW / name for name in job.graphs]

    failures = run_jobs(claimed, graph, folders, _is_complete, plugin, Clock(), work)
    keep = settings.run.work_dir is not None or settings.run.debug or bool(failures)
    for job in claimed:
        if not keep:
            for folder in (*folders(job), work / RUN_WORKFLOW / nulls_name(job.name)):
                shutil.rmtree(folder, ignore_errors=True)
        claims[job.name].release(remove=not keep)
    return _of_first_causes(claimed, failures)


def _claimed(
    job: GroupJob | CeilingJob, claims: dict[str, Claim], work: Path
) -> GroupJob | CeilingJob:
    """Claim a folder for a job, beside the folders of other runs that work on it now."""
    own = claim(work / RUN_WORKFLOW, job.name)
    claims[own.name] = own
    if isinstance(job, CeilingJob):
        return replace(job, name=own.name)
    remove_leftovers(own.folder / STATE_FOLDER)
    return replace(job, name=own.name, state_dir=str(own.folder / STATE_FOLDER))


def _of_first_causes(
    jobs: Sequence[GroupJob | CeilingJob], failures: dict[str, BidsRsaError]
) -> dict[str, BidsRsaError]:
    """Name failures by labels; a ceiling that waited for a failed test is none of its own."""
    failed = {job.label for job in jobs if job.name in failures}
    return {
        job.label: failures[job.name]
        for job in jobs
        if job.name in failures
        and not (isinstance(job, CeilingJob) and failed & {one.label for one in job.tests})
    }


def _is_complete(job: GroupJob | CeilingJob) -> bool:
    """Tell whether every file of a job is there, with the same settings."""
    with dataset_lock(Path(job.output_dir)):  # another run may be putting the same files there
        return is_complete(Path(job.output_dir), job.planned, job.awaited)


def _write_dataset_files(jobs: Sequence[GroupJob], settings: Settings) -> None:
    """Describe the labels of complete tests, also of those that a killed run has made."""
    labels = {
        job.test.desc: f"Group level: {job.test.describe()}"
        for job in jobs
        if job.test.desc not in job.test.models
    }
    links = {path: name for job in jobs for path, name in job.links if name}
    write_dataset_files(Path(settings.run.output_dir).absolute(), labels, links)
