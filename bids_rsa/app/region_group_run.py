"""The group level of regions: planned, run, and summarised."""

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_rsa.app.closing import remove_old_logs
from bids_rsa.app.execution import Clock, run_jobs
from bids_rsa.app.pages import GROUP, cite, write_pages
from bids_rsa.app.running import Call, Running
from bids_rsa.app.summary import show, text_table
from bids_rsa.app.work_folder import Claim, claim
from bids_rsa.errors import BidsRsaError
from bids_rsa.group.records import FOLDER
from bids_rsa.group.region_job import RUN_WORKFLOW, RegionGroupJob, plan_region_group
from bids_rsa.group.region_records import RegionGroup
from bids_rsa.outputs.analysis_job import node_name
from bids_rsa.outputs.dataset_files import clear_leftovers, dataset_lock, write_dataset_files
from bids_rsa.outputs.derivatives import check_replaceable, is_complete
from bids_rsa.outputs.run_logs import is_logged
from bids_rsa.settings import GroupSettings

LOGGER = logging.getLogger(__name__)
ADVICE = "Give this analysis a name with --label NAME, or choose another output directory"


def run_region_groups(jobs: Sequence[RegionGroupJob], call: Call, has_maps: bool = False) -> int:
    """Test the sets of regions that are not complete yet; only list them with --dry-run.

    Parameters
    ----------
    jobs : sequence of RegionGroupJob
        As planned by `plan_region_groups`.
    call : Call
    has_maps : bool
        Maps were tested in the same call: the page shows them, too.

    Returns
    -------
    int
        0 when all are complete, 1 when some failed, their own code when all did.
    """
    output = Path(call.asked.output_dir).absolute()
    for job in jobs:
        _tell(job)
    if call.asked.dry_run:
        sys.stdout.write(_table(jobs))
        return 0
    running = call.start(call.plugin(len(jobs), "Linear"))
    graphs = RegionGraphs(running)
    jobs = [graphs.claim(job) for job in jobs]
    waiting = [job for job in jobs if not _is_complete(job)]
    for job in jobs:
        if job not in waiting:
            LOGGER.info("%s is complete with the same settings: skipped.", job.group.title)
    folder = output / FOLDER
    is_told = not waiting and is_logged(folder, folder.glob("[!.]*.json"))
    failures = {} if is_told else _run(waiting, graphs)
    graphs.release(jobs, bool(failures))
    if len(failures) < len(jobs):
        write_dataset_files(output, {}, {})
    clear_leftovers(output, [folder])
    done = [job for job in jobs if job.name not in failures]
    has_page = True
    if (done or has_maps) and not call.asked.no_report:
        cite(output, bool(waiting))
        has_page = not write_pages([GROUP], running)
    if not running.keeps_work:
        running.remove_empty()
    if done:
        show(f"\n{_table(done)}")
    for error in failures.values():
        LOGGER.error("Regions: %s", error)
    return _exit_code(failures, bool(done)) if failures else int(not has_page)


def _exit_code(failures: Mapping[str, BidsRsaError], some_done: bool) -> int:
    """Give the failures' own code if all sets failed alike, else 1."""
    codes = {error.exit_code for error in failures.values()}
    return codes.pop() if len(codes) == 1 and not some_done else 1


def plan_region_groups(
    groups: Sequence[RegionGroup], settings: GroupSettings, roi: Sequence[str], call: Call
) -> list[RegionGroupJob]:
    """Plan the files of each set, and check that they may be written.

    Parameters
    ----------
    groups : sequence of RegionGroup
    settings : GroupSettings
    roi : sequence of str
        Regions wanted, by name.
    call : Call

    Returns
    -------
    list of RegionGroupJob

    Raises
    ------
    OutputError
        A file that was made with other settings, and may not be replaced.
    """
    output, jobs = Path(call.asked.output_dir).absolute(), []
    for group in groups:
        name = node_name(f"regions_{group.label}")
        job = plan_region_group(group, settings, roi, str(output), name)
        jobs.append(replace(job, is_drawn=not call.asked.no_figures))
    if not call.asked.overwrite:
        for job in jobs:
            check_replaceable(output, job.planned, ADVICE)
    return jobs


@dataclass(frozen=True)
class RegionGraphs:
    """How sets of regions are run.

    ``claims`` are the folders that they work in, by the job's name.
    """

    running: Running
    claims: dict[str, Claim] = field(default_factory=dict)

    def claim(self, job: RegionGroupJob) -> RegionGroupJob:
        """Claim a folder for a set, next to the folders of other runs that work on it now."""
        own = claim(self.running.work / RUN_WORKFLOW, job.name)
        self.claims[own.name] = own
        return replace(job, name=own.name)

    def release(self, jobs: Sequence[RegionGroupJob], has_failed: bool) -> None:
        """Give the folders back, and remove what no one needs any more."""
        keep = self.running.keeps_work or has_failed
        for job in jobs:
            self.claims[job.name].release(remove=not keep)
        if not keep:
            self.running.log_file.unlink(missing_ok=True)
            remove_old_logs(self.running.work)
            self.running.remove_empty(self.running.work / RUN_WORKFLOW)

    def build(self, jobs: Sequence[RegionGroupJob]) -> Any:
        """Build the graph of some sets."""
        from bids_rsa.workflows.regions_group import init_region_group_wf  # imports Nipype

        return init_region_group_wf(jobs, str(self.running.work))

    def folders(self, job: RegionGroupJob) -> list[Path]:
        """Say where a set alone works."""
        return [self.claims[job.name].folder]

    def is_complete(self, job: RegionGroupJob) -> bool:
        """Tell whether every file of a set is there."""
        return _is_complete(job)


def _run(jobs: Sequence[RegionGroupJob], graphs: RegionGraphs) -> dict[str, BidsRsaError]:
    """Run the graph of the sets that are not complete, and keep the log."""
    running = graphs.running
    if jobs:
        running.configure()
    failures = run_jobs(jobs, graphs, running, Clock())
    running.keep_log(running.output / FOLDER)
    return failures


def _is_complete(job: RegionGroupJob) -> bool:
    """Tell whether every file of a set is there, with the same settings."""
    with dataset_lock(Path(job.output_dir)):
        return is_complete(Path(job.output_dir), job.planned, job.figures if job.is_drawn else ())


def _tell(job: RegionGroupJob) -> None:
    """Say what is tested, and of whom."""
    group, null = job.group, job.settings.null
    subjects = ", ".join(f"sub-{subject}" for subject in group.subjects)
    how = "permuted conditions" if null == "conditions" else group.people.null
    LOGGER.info(
        "Regions %s: %s (%s); participants: %s.", group.title, group.people.words, how, subjects
    )
    if group.is_joined:
        LOGGER.info(
            "Regions %s: the two hemispheres were analysed in two calls; they are tested together.",
            group.title,
        )
    for name, levels in group.people.codings:
        LOGGER.info("Covariate %s: 0 is %s, 1 is %s.", name, *levels)


def _first_tests(job: RegionGroupJob) -> str:
    """Name the table of tests of the first comparison; that of all scores where there is none."""
    paths = [file.path for what, _, file in job.tables if what == "scores"]
    return next(iter(paths), job.tables[0][2].path)


def _table(jobs: Sequence[RegionGroupJob]) -> str:
    """List the sets with their tables."""
    rows = [
        (
            job.group.title,
            str(len(job.group.subjects)),
            str(len(job.relmats)),
            str(Path(job.output_dir) / _first_tests(job)),
        )
        for job in jobs
    ]
    return text_table(("regions of", "participants", "regions", "table"), rows)
