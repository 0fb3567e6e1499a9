"""The group level: check everything, skip what is done, run the rest, say what is there."""

import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bids_rsa.arguments import as_toml
from bids_rsa.dataset_files import write_dataset_files, write_text
from bids_rsa.derivatives import read_sidecar
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
    usable,
)
from bids_rsa.group_level.names import group_path
from bids_rsa.group_level.plan import GroupPlan, plan_tests
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.sidecars import test_settings
from bids_rsa.group_level.words import MEANING, tried
from bids_rsa.group_level.write import check_replaceable, done_marker, is_done
from bids_rsa.images import open_image
from bids_rsa.preflight import work_dir
from bids_rsa.provenance import digest, new_run_id
from bids_rsa.resources import find_machine
from bids_rsa.settings import Settings
from bids_rsa.summary import text_table
from bids_rsa.workflows.group import GROUP_WORKFLOW, TestJob, init_group_wf

LOGGER = logging.getLogger(__name__)
GIB = 2**30
BASE_GB = 0.6  # the libraries, and the permuted maps that threads hold


@dataclass(frozen=True)
class _Run:
    """One run of the group level."""

    settings: Settings
    plan: GroupPlan
    plugin: Plugin
    work: Path
    output: Path
    run_id: str

    @property
    def log_file(self) -> Path:
        """Where the log is written while the run goes on."""
        return self.work / f"{self.run_id}.log"


def run(settings: Settings, log_to: Callable[[Path], None]) -> int:
    """Run the group level.

    Parameters
    ----------
    settings : Settings
        All that the call was asked to do.
    log_to : callable
        Makes the log go to a file as well.

    Returns
    -------
    int
        0 when all tests are there, 1 when some failed, their own code when all did.

    Raises
    ------
    BidsRsaError
        Whatever stops the whole run, before anything is written.
    """
    machine = find_machine()
    LOGGER.info(machine.sentence())
    plan = plan_tests(settings)
    if settings.run.list_participants:
        sys.stdout.write("".join(f"{subject}\n" for subject in plan.subjects))
        return 0
    if settings.run.dry_run:
        sys.stdout.write(_plan_table(plan))
        return 0
    n_procs, memory_gb = usable(machine, settings.run.n_procs, settings.run.mem_gb)
    this_run = _Run(
        settings=settings,
        plan=plan,
        # a test uses all CPUs through threads, so tests run one after the other
        plugin=choose_plugin(settings.run.use_plugin or "Linear", n_procs, memory_gb, 1),
        work=work_dir(settings).absolute(),
        output=Path(settings.run.output_dir).absolute(),
        run_id=new_run_id(),
    )
    hashes = {test: _settings_of(test, plan) for test in plan.tests}
    todo = [test for test in plan.tests if not is_done(test, digest(hashes[test]), this_run.output)]
    if not settings.run.overwrite:
        for test in todo:
            check_replaceable(test, hashes[test], digest(hashes[test]), this_run.output)
    log_to(this_run.log_file)
    _say_plan(plan)
    failures = dict(plan.failures)
    if todo:
        failures |= _run_tests(this_run, todo, hashes)
    return _finish(this_run, todo, failures)


def _settings_of(test: GroupTest, plan: GroupPlan) -> dict[str, Any]:
    """List what determines a test's numbers."""
    return test_settings(test, plan.tests)


def _say_plan(plan: GroupPlan) -> None:
    """Log who is in and who is not, and how much is tried."""
    for test in plan.tests:
        LOGGER.info("%s: %d subjects: %s", test.words, len(test.subjects), _named(test.subjects))
        for one in test.left_out:
            LOGGER.info("%s: sub-%s is not in: %s.", test.words, one.subject, one.why)
    LOGGER.info(tried(plan.tests))


def _named(subjects: Sequence[str]) -> str:
    """Name subjects as their folders are named."""
    return ", ".join(f"sub-{subject}" for subject in subjects)


def _run_tests(
    run: _Run, todo: Sequence[GroupTest], hashes: dict[GroupTest, dict[str, Any]]
) -> dict[str, BidsRsaError]:
    """Run the graph, and tell what failed."""
    run_settings = run.settings.run
    configure(run.work, run_settings.stop_on_first_crash, run_settings.debug)
    # a maximum over models needs all tests of the call, also those whose files are there
    tests = run.plan.tests if run.settings.group.fwe_over == "models" else todo
    jobs = [_job(test, run, hashes[test]) for test in tests]
    workflow = init_group_wf(jobs, run.plan.tests, str(run.output), str(run.work))
    raised = run_workflow(workflow, run.plugin, Clock())
    failures: dict[str, BidsRsaError] = {}
    for test, job in zip(tests, jobs, strict=True):
        if is_done(test, digest(hashes[test]), run.output):
            continue
        folder = run.work / GROUP_WORKFLOW / f"test_{job.name}"
        failures[test.words] = find_failure(folder, raised, run.work) or UnexpectedError(
            "It did not finish." if raised is None else f"It did not finish: {raised}",
            f"Nipype's report lies in {run.work / CRASH_FOLDER}, if it could write one.",
        )
    return failures


def _job(test: GroupTest, run: _Run, settings: dict[str, Any]) -> TestJob:
    """Make the job of a test."""
    settings_hash = digest(settings)
    name = group_path(test, folder="", extension=".tsv").removesuffix("_statmap.tsv")
    n_voxels = int(np.prod(open_image(test.maps[0].path).shape[:3]))
    n_threads = run.settings.run.omp_nthreads or run.plugin.n_procs
    return TestJob(
        test=test,
        name="".join(c if c.isalnum() else "_" for c in name),
        input_hash=settings_hash,
        checkpoint=str(run.work / "permutations" / f"{settings_hash}.npz"),
        n_threads=n_threads,
        permute_gb=BASE_GB + 4 * len(test.maps) * n_voxels * 8 / GIB,
    )


def _finish(run: _Run, todo: Sequence[GroupTest], failures: dict[str, BidsRsaError]) -> int:
    """Say what is there, tidy up after success, and give the exit code."""
    there = [test for test in run.plan.tests if (run.output / done_marker(test)).exists()]
    rows = [test for test in there if test.words not in failures]
    if rows:
        _write_dataset_files(run, rows)
        folder = run.output / "group" / "log" / run.run_id
        write_text(folder / "bids_rsa.toml", as_toml(run.settings))
        sys.stdout.write(f"\n{_end_table(run, rows, todo)}\n{tried(run.plan.tests)}\n{MEANING}\n")
    for words, error in failures.items():
        LOGGER.error("%s: %s", words, error)
    if rows:
        log = run.log_file.read_text(encoding="utf-8") if run.log_file.exists() else ""
        write_text(folder / "bids_rsa.log", log)
    if failures:
        LOGGER.error("%d tests failed. The work directory %s is kept.", len(failures), run.work)
    elif run.settings.run.work_dir is None and not run.settings.run.debug:
        _remove_work(run)
    codes = {error.exit_code for error in failures.values()}
    if not failures:
        return 0
    return codes.pop() if not rows and len(codes) == 1 else 1


def _remove_work(run: _Run) -> None:
    """Remove what this run left in the default work directory; other runs may be using it."""
    for folder in (GROUP_WORKFLOW, "permutations"):
        shutil.rmtree(run.work / folder, ignore_errors=True)
    run.log_file.unlink(missing_ok=True)
    for place in (run.work / CRASH_FOLDER, run.work):
        try:
            place.rmdir()
        except OSError:
            continue  # another run's files are still in it, or it was never made


def _write_dataset_files(run: _Run, tests: Sequence[GroupTest]) -> None:
    """Describe the labels of this run; the participant level wrote the rest."""
    descriptions = {
        test.desc: f"Test across subjects: {test.words}"
        for test in tests
        if test.desc != test.first.model
    }
    write_dataset_files(run.output, descriptions, {})


def _plan_table(plan: GroupPlan) -> str:
    """Write what would be tested, and what would be written."""
    rows = [
        (
            test.words,
            test.tail,
            str(len(test.subjects)),
            "; ".join(f"sub-{one.subject}: {one.why}" for one in test.left_out) or "nobody",
            group_path(test, "tThr"),
        )
        for test in plan.tests
    ]
    return text_table(("test", "tail", "subjects", "left out", "would write (and others)"), rows)


def _end_table(run: _Run, tests: Sequence[GroupTest], todo: Sequence[GroupTest]) -> str:
    """Write what is really there, read from the files."""
    rows = []
    for test in tests:
        image = np.asarray(open_image(str(run.output / group_path(test, "tThr"))).dataobj)
        mask = np.asarray(open_image(str(run.output / group_path(test, suffix="mask"))).dataobj)
        sidecar = read_sidecar(run.output / done_marker(test)) or {}
        rows.append(
            (
                test.words,
                str(len(sidecar.get("Participants", []))),
                str(int((mask > 0).sum())),
                str(int((image != 0).sum())),
                f"{test.settings.primary} at {test.settings.alpha:g}",
                "now" if test in todo else "there before",
                str(run.output / group_path(test, "tThr")),
            )
        )
    header = ("test", "subjects", "voxels", "significant", "by", "made", "where")
    return text_table(header, rows)
