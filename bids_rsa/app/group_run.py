"""The tests of the group level are run: planned files, the graph, what is there at the end."""

import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from bids_rsa.app.preflight import work_dir
from bids_rsa.app.summary import text_table
from bids_rsa.errors import BidsRsaError
from bids_rsa.group.names import FOLDER, plan_files, plan_others
from bids_rsa.group.records import GroupTest
from bids_rsa.group.statements import Tried
from bids_rsa.group.write import GroupJob
from bids_rsa.machine import GIB
from bids_rsa.outputs.dataset_files import write_dataset_files
from bids_rsa.outputs.derivatives import check_replaceable, is_complete, read_sidecar
from bids_rsa.outputs.provenance import new_run_id
from bids_rsa.outputs.whole_files import remove_leftovers
from bids_rsa.settings import Settings
from bids_rsa.spaces.images import open_image
from bids_rsa.workflows.group import RUN_WORKFLOW, folder_names, init_group_level_wf

LOGGER = logging.getLogger(__name__)
STATE_FOLDER = "group_permutations"
BASE_GB = 0.6  # the libraries, and the permuted maps that threads hold
COPIES = 4  # of the scores, while they are read or tested


@dataclass(frozen=True)
class Machinery:
    """What the run may use."""

    n_procs: int
    memory_gb: float


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
    """
    # a test uses all CPUs through threads, so tests run one after the other unless told otherwise
    wish = settings.run.use_plugin or "Linear"
    plugin = choose_plugin(wish, machinery.n_procs, machinery.memory_gb, len(tests))
    jobs = _plan_jobs(tests, tried, settings, plugin)
    if settings.run.dry_run:
        return _tell_plan(jobs)
    return _run_jobs(jobs, settings, plugin, log_to)


def _plan_jobs(
    tests: Sequence[GroupTest], tried: Tried, settings: Settings, plugin: Plugin
) -> list[GroupJob]:
    """Plan the files of each test, and check that they may be written."""
    together = settings.group.fwe_over == "models" and len(tests) > 1
    output = Path(settings.run.output_dir).absolute()
    jobs = []
    for test in tests:
        others = tuple(tests) if together else ()
        planned = plan_files(test, others)
        if not settings.run.overwrite:
            check_replaceable(output, planned)
        jobs.append(
            GroupJob(
                test=test,
                planned=planned,
                others=plan_others(test),
                tried=tried,
                n_joint=max(1, len(others)),
                output_dir=str(output),
                state_dir=str(work_dir(settings).absolute() / STATE_FOLDER),
                n_threads=settings.run.omp_nthreads or plugin.n_procs,
                memory_gb=_memory_gb(test),
            )
        )
    return jobs


def _memory_gb(test: GroupTest) -> float:
    """Estimate the memory that a test's nodes need, in GiB."""
    n_maps = sum(len(member.all_maps) for member in test.members)
    n_voxels = int(np.prod(open_image(test.members[0].maps[0][0].path).shape[:3]))
    return BASE_GB + COPIES * n_maps * n_voxels * 8 / GIB


def _run_jobs(
    jobs: Sequence[GroupJob],
    settings: Settings,
    plugin: Plugin,
    log_to: Callable[[Path], None],
) -> int:
    """Run the tests that are not complete, and say what is there."""
    waiting = [job for job in jobs if not _is_complete(job)]
    for job in jobs:
        if job not in waiting:
            LOGGER.info("%s is complete with the same settings: skipped.", job.test.label)
    run_id = new_run_id()
    work = work_dir(settings).absolute()
    log_file = work / f"{run_id}.log"
    failures: dict[str, BidsRsaError] = {}
    if waiting:
        log_to(log_file)
        failures = _run_waiting(jobs, waiting, settings, plugin)
    done = [job for job in jobs if _is_complete(job)]
    if done:
        _write_dataset_files(done, settings)
    _remove_leftovers(Path(settings.run.output_dir).absolute(), work)
    _tell_end(done)
    for label, error in failures.items():
        LOGGER.error("%s: %s", label, error)
    if failures:
        LOGGER.error("%d of %d tests failed; %s is kept.", len(failures), len(jobs), work)
    if waiting and done:  # last, so that the log is whole
        folder = Path(settings.run.output_dir).absolute() / FOLDER / "log" / run_id
        keep_log(folder, settings, log_file)
    if failures:
        codes = {error.exit_code for error in failures.values()}
        return codes.pop() if not done and len(codes) == 1 else 1
    if settings.run.work_dir is None and not settings.run.debug:
        _remove_work(work, log_file)
    return 0


def _run_waiting(
    jobs: Sequence[GroupJob], waiting: Sequence[GroupJob], settings: Settings, plugin: Plugin
) -> dict[str, BidsRsaError]:
    """Run the graph of the tests that are not complete; find which still are not, and why."""
    work = work_dir(settings).absolute()
    configure(work, settings.run.stop_on_first_crash, settings.run.debug)
    # a joint correction needs the null distributions of all tests
    together = any(job.n_joint > 1 for job in jobs)
    graph = init_group_level_wf(jobs if together else waiting, str(work), together)
    raised = run_workflow(graph, plugin, Clock())
    return _find_failures(waiting, work, raised)


def _remove_leftovers(output: Path, work: Path) -> None:
    """Remove what killed runs had begun to write wherever the group level writes."""
    remove_leftovers(output, with_subfolders=False)
    remove_leftovers(output / FOLDER)
    remove_leftovers(work / STATE_FOLDER)


def _is_complete(job: GroupJob) -> bool:
    """Tell whether every file of a test is there, with the same settings."""
    return is_complete(Path(job.output_dir), job.planned, job.others)


def _find_failures(
    jobs: Sequence[GroupJob], work: Path, raised: Exception | None
) -> dict[str, BidsRsaError]:
    """Find out which tests are not complete, and why."""
    failures: dict[str, BidsRsaError] = {}
    for job in jobs:
        if _is_complete(job):
            continue
        folders = [work / RUN_WORKFLOW / name for name in folder_names(job.test)]
        known = [find_failure(folder, raised, work) for folder in folders]
        failures[job.test.label] = next(filter(None, known), None) or UnexpectedError(
            "It did not finish." if raised is None else f"It did not finish: {raised}",
            f"Nipype's report lies in {work / CRASH_FOLDER}, if it could write one.",
        )
    return failures


def _write_dataset_files(jobs: Sequence[GroupJob], settings: Settings) -> None:
    """Describe the labels of complete tests, also of those that a killed run has made."""
    labels = {
        job.test.desc: f"Group level: {job.test.describe()}"
        for job in jobs
        if job.test.desc not in job.test.models
    }
    write_dataset_files(Path(settings.run.output_dir).absolute(), labels, {})


def _tell_end(jobs: Sequence[GroupJob]) -> None:
    """Print what is really there."""
    rows = []
    for job in jobs:
        output = Path(job.output_dir)
        sidecar = read_sidecar(output / job.planned[0].sidecar) or {}
        table = next(path for path in job.others if path.endswith("_clusters.tsv"))
        n_clusters = len((output / table).read_text(encoding="utf-8").splitlines()) - 1
        rows.append(
            (
                job.test.label,
                str(len(job.test.members)),
                str(sidecar.get("VoxelsTested", "")),
                str(sidecar.get("VoxelsSignificant", "")),
                str(n_clusters),
                str(output / table),
            )
        )
        LOGGER.info(
            "%s: for the FDR at %g, %s voxels would have to reach the smallest p, %.3g.",
            job.test.label,
            job.test.settings.alpha,
            sidecar.get("VoxelsNeededForFDR"),
            sidecar.get("SmallestP", float("nan")),
        )
    if rows:
        header = ("test", "subjects", "voxels", "significant", "clusters", "table")
        sys.stdout.write(f"\n{text_table(header, rows)}")


def _tell_plan(jobs: Sequence[GroupJob]) -> int:
    """Print what would be tested and written."""
    rows = [
        (
            job.test.label,
            job.test.tail,
            str(len(job.test.members)),
            str(len(job.test.left_out)),
            "complete" if _is_complete(job) else f"{len(job.planned)} images to write",
        )
        for job in jobs
    ]
    header = ("test", "tail", "subjects", "out", "state")
    sys.stdout.write(text_table(header, rows))
    return 0


def _remove_work(work: Path, log_file: Path) -> None:
    """Remove what this run left in the default work directory; other runs may be using it."""
    for folder in (work / RUN_WORKFLOW, work / STATE_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
    log_file.unlink(missing_ok=True)
    remove_empty((work / CRASH_FOLDER, work))
