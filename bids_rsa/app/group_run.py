"""The tests of the group level are run: planned files, the graph, what is there at the end."""

import logging
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

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
from bids_rsa.app.noise_ceilings import write_ceilings
from bids_rsa.app.pages import GROUP, cite, write_pages
from bids_rsa.app.summary import show, text_table
from bids_rsa.app.work_folder import Claim, claim, make_work_dir, work_dir
from bids_rsa.errors import BidsRsaError, ResourceError
from bids_rsa.group.find import map_datasets
from bids_rsa.group.names import plan_maps, plan_others
from bids_rsa.group.null_maps import find_draws
from bids_rsa.group.records import FOLDER, GroupTest
from bids_rsa.group.statements import Tried
from bids_rsa.group.write import GroupJob
from bids_rsa.machine import GIB
from bids_rsa.outputs.analysis_job import node_name
from bids_rsa.outputs.dataset_files import dataset_lock, write_dataset_files
from bids_rsa.outputs.derivatives import check_replaceable, is_complete, read_sidecar
from bids_rsa.outputs.provenance import dataset_root, link_datasets, new_run_id
from bids_rsa.outputs.whole_files import remove_leftovers
from bids_rsa.settings import Settings
from bids_rsa.spaces.images import open_image
from bids_rsa.workflows.group import RUN_WORKFLOW, graph_names, init_group_level_wf, nulls_name

LOGGER = logging.getLogger(__name__)
STATE_FOLDER = "permutations"
BASE_GB = 0.6  # the libraries, and the permuted maps that threads hold
COPIES = 5  # of the scores, while they are read or tested
ADVICE = "Give this analysis a name with --label NAME, or choose another output directory (with -d "
ADVICE += "naming the folder of the participants' maps)"


@dataclass(frozen=True)
class Machinery:
    """What the run may use, and where the limit of memory comes from."""

    n_procs: int
    memory_gb: float
    memory_from: str


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
    """
    # a test uses all CPUs through threads, so tests run one after the other unless told otherwise
    wish = settings.run.use_plugin or "Linear"
    plugin = choose_plugin(wish, machinery.n_procs, machinery.memory_gb, len(tests))
    jobs = _plan_jobs(tests, tried, settings, plugin)
    if settings.run.dry_run:
        return _tell_plan(jobs)
    for job in jobs:
        _refuse_too_large(job, machinery)
    return _run_jobs(jobs, settings, plugin, log_to)


def _plan_jobs(
    tests: Sequence[GroupTest], tried: Tried, settings: Settings, plugin: Plugin
) -> list[GroupJob]:
    """Plan the files of each test, and check that they may be written."""
    together = settings.group.fwe_over == "models" and len(tests) > 1
    output = Path(settings.run.output_dir).absolute()
    named = {
        one.path: one.name
        for one in map_datasets(str(output), settings.inputs.derivatives)
        if one.name
    }
    jobs = []
    for test in tests:
        others = tuple(tests) if together else ()
        planned = plan_maps(test, others)
        if not settings.run.overwrite:
            check_replaceable(output, planned, ADVICE)
        jobs.append(
            GroupJob(
                test=test,
                planned=planned,
                others=plan_others(test),
                tried=tried,
                n_joint=max(1, len(others)),
                output_dir=str(output),
                links=tuple(_links(test, output, named).items()),
                name=node_name(test.label),
                n_threads=settings.run.omp_nthreads or plugin.n_procs,
                memory_gb=_memory_gb(test),
            )
        )
    return jobs


def _links(test: GroupTest, output: Path, named: Mapping[str, str]) -> dict[str, str]:
    """Name the datasets that a test's maps lie in; the output's own name is empty."""
    paths = [one.path for member in test.members for one in member.all_maps]
    roots = {dataset_root(path, {str(output), *named}) for path in paths}
    links = link_datasets(roots - {str(output)}, named)
    return links | {str(output): ""}


def _memory_gb(test: GroupTest) -> float:
    """Estimate the memory that a test's nodes need, in GiB."""
    n_maps = sum(len(member.all_maps) for member in test.members)
    first = test.members[0].maps[0][0]
    n_voxels = int(np.count_nonzero(open_image(first.mask_path).dataobj))
    n_grid = int(np.prod(open_image(first.path).shape[:3]))
    nulls = _null_bytes(test, n_voxels)
    return BASE_GB + (COPIES * n_maps * n_voxels * 8 + (n_maps + 40) * n_grid + nulls) / GIB


def _null_bytes(test: GroupTest, n_voxels: int) -> int:
    """Estimate what null maps need: their means, or the places above the threshold of all draws."""
    group = test.settings
    if group.null == "conditions":
        return 3 * 4 * find_draws(test).n_draws * n_voxels
    if group.null == "stelzer":
        return int(24 * group.cluster_p * group.n_permutations * n_voxels)
    return 0


def _refuse_too_large(job: GroupJob, machinery: Machinery) -> None:
    """Refuse to start what will not fit into the memory there is."""
    if job.memory_gb > machinery.memory_gb:
        raise ResourceError(
            f"{job.test.label} needs {job.memory_gb:.1f} GB of memory, and this process may use "
            f"{machinery.memory_gb:.1f} GB ({machinery.memory_from}).",
            "Ask for more memory (docker run --memory, sbatch --mem), or test fewer voxels with a "
            "--group-mask.",
        )


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
    output = Path(settings.run.output_dir).absolute()
    work = work_dir(settings.run.work_dir, settings.run.output_dir)
    failures: dict[str, BidsRsaError] = {}
    if waiting:
        work = make_work_dir(work, output)
        log_to(work / f"{run_id}.log")
        failures = _run_waiting(jobs, waiting, settings, plugin, work)
    done = [job for job in jobs if job.test.label not in failures]
    failures |= _add_ceilings(done, settings, plugin, work)
    if done:
        _write_dataset_files(done, settings)
    has_page = not done or _write_page(
        output, settings, plugin, make_work_dir(work, output), run_id, bool(waiting)
    )
    remove_leftovers(output, with_subfolders=False)
    remove_leftovers(output / FOLDER)
    remove_leftovers(work / RUN_WORKFLOW)
    _tell_end(done)
    for label, error in failures.items():
        LOGGER.error("%s: %s", label, error)
    if failures:
        LOGGER.error("%d of %d tests failed; %s is kept.", len(failures), len(jobs), work)
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


def _add_ceilings(
    jobs: Sequence[GroupJob], settings: Settings, plugin: Plugin, work: Path
) -> dict[str, BidsRsaError]:
    """Write the noise ceilings of complete tests, where they were asked for."""
    if not settings.group.noise_ceiling or not jobs:
        return {}
    try:
        write_ceilings(
            jobs, settings, plugin.n_procs, make_work_dir(work, Path(jobs[0].output_dir))
        )
    except BidsRsaError as error:
        return {"noise ceiling": error}
    return {}


def _write_page(
    output: Path, settings: Settings, plugin: Plugin, work: Path, run_id: str, is_new: bool
) -> bool:
    """Write the group's page and the methods text unless unwanted; tell whether that went well."""
    if settings.run.no_report:
        return True
    configure(work, settings.run.stop_on_first_crash, shows_all(settings.run))
    cite(output, is_new)
    return not write_pages(output, [GROUP], plugin, work, run_id)


def _run_waiting(
    jobs: Sequence[GroupJob],
    waiting: Sequence[GroupJob],
    settings: Settings,
    plugin: Plugin,
    work: Path,
) -> dict[str, BidsRsaError]:
    """Run the graph of the tests that are not complete; find which still are not, and why."""
    configure(work, settings.run.stop_on_first_crash, shows_all(settings.run))
    # a joint correction needs the null distributions of all tests
    together = any(job.n_joint > 1 for job in jobs)
    claims: dict[str, Claim] = {}
    claimed = []
    for job in jobs if together else waiting:
        own = claim(work / RUN_WORKFLOW, job.name)
        claims[own.name] = own
        state = str(own.folder / STATE_FOLDER)
        remove_leftovers(own.folder / STATE_FOLDER)
        claimed.append(replace(job, name=own.name, state_dir=state))

    def graph(some: Sequence[GroupJob]) -> Any:
        """Build the graph of some tests, of all where they are corrected together."""
        return init_group_level_wf(claimed if together else some, str(work), together)

    def folders(job: GroupJob) -> list[Path]:
        """Say where a test alone works."""
        return [work / RUN_WORKFLOW / name for name in graph_names(job)]

    failures = run_jobs(claimed, graph, folders, _is_complete, plugin, Clock(), work)
    keep = settings.run.work_dir is not None or settings.run.debug or bool(failures)
    for job in claimed:
        if not keep:
            for folder in (*folders(job), work / RUN_WORKFLOW / nulls_name(job)):
                shutil.rmtree(folder, ignore_errors=True)
        claims[job.name].release(remove=not keep)
    labels = {job.name: job.test.label for job in claimed}
    return {labels[name]: error for name, error in failures.items()}


def _is_complete(job: GroupJob) -> bool:
    """Tell whether every file of a test is there, with the same settings."""
    with dataset_lock(Path(job.output_dir)):  # another run may be putting the same files there
        return is_complete(Path(job.output_dir), job.planned, job.others)


def _write_dataset_files(jobs: Sequence[GroupJob], settings: Settings) -> None:
    """Describe the labels of complete tests, also of those that a killed run has made."""
    labels = {
        job.test.desc: f"Group level: {job.test.describe()}"
        for job in jobs
        if job.test.desc not in job.test.models
    }
    links = {path: name for job in jobs for path, name in job.links if name}
    write_dataset_files(Path(settings.run.output_dir).absolute(), labels, links)


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
        show(f"\n{text_table(header, rows)}")


def _tell_plan(jobs: Sequence[GroupJob]) -> int:
    """Print what would be tested and written."""
    rows = [
        (
            job.test.label,
            job.test.tail,
            str(len(job.test.members)),
            str(len(job.test.left_out)),
            "complete"
            if is_complete(Path(job.output_dir), job.planned, job.others)
            else f"{len(job.planned)} images to write",
        )
        for job in jobs
    ]
    header = ("test", "tail", "subjects", "out", "state")
    sys.stdout.write(text_table(header, rows))
    return 0
