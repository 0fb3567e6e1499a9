"""The group level's regions: found, planned, run, and told."""

import logging
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bids_rsa.app.closing import keep_log, remove_empty
from bids_rsa.app.execution import (
    CRASH_FOLDER,
    Clock,
    choose_plugin,
    configure,
    run_jobs,
    shows_all,
)
from bids_rsa.app.summary import show, text_table
from bids_rsa.app.work_folder import make_work_dir, work_dir
from bids_rsa.errors import BidsRsaError
from bids_rsa.group.records import FOLDER
from bids_rsa.group.region_find import RegionGroup
from bids_rsa.group.region_job import RUN_WORKFLOW, RegionGroupJob, plan_region_group
from bids_rsa.outputs.analysis_job import node_name
from bids_rsa.outputs.dataset_files import dataset_lock, write_dataset_files
from bids_rsa.outputs.derivatives import check_replaceable, is_complete
from bids_rsa.outputs.provenance import new_run_id
from bids_rsa.outputs.whole_files import remove_leftovers
from bids_rsa.settings import Settings

LOGGER = logging.getLogger(__name__)
ADVICE = "Give this analysis a name with --label NAME, or choose another output directory"


def run_region_groups(
    groups: Sequence[RegionGroup],
    settings: Settings,
    usable: tuple[int, float],
    log_to: Callable[[Path], None],
) -> int:
    """Test the sets of regions that are not complete yet; only tell them with --dry-run.

    Returns
    -------
    int
        0 when all are complete, 1 when some failed, their own code when all did.
    """
    output = Path(settings.run.output_dir).absolute()
    jobs = [
        replace(
            plan_region_group(
                group, settings.group, settings.regions.roi, str(output),
                node_name(f"regions_{group.label}"),
            ),
            is_drawn=not settings.run.no_figures,
        )
        for group in groups
    ]  # fmt: skip
    for job in jobs:
        _tell(job)
        if not settings.run.overwrite:
            check_replaceable(output, job.planned, ADVICE)
    if settings.run.dry_run:
        sys.stdout.write(_table(jobs))
        return 0
    waiting = [job for job in jobs if not _is_complete(job)]
    for job in jobs:
        if job not in waiting:
            LOGGER.info("%s is complete with the same settings: skipped.", job.group.label)
    failures = _run(waiting, settings, usable, log_to) if waiting else {}
    if len(failures) < len(jobs):
        write_dataset_files(output, {}, {})
    remove_leftovers(output / FOLDER)
    done = [job for job in jobs if job.name not in failures]
    if done:
        show(f"\n{_table(done)}")
    for error in failures.values():
        LOGGER.error("Regions: %s", error)
    codes = {error.exit_code for error in failures.values()}
    return (codes.pop() if len(codes) == 1 and not done else 1) if failures else 0


def _run(
    jobs: Sequence[RegionGroupJob],
    settings: Settings,
    usable: tuple[int, float],
    log_to: Callable[[Path], None],
) -> dict[str, BidsRsaError]:
    """Run the graph of the sets that are not complete."""
    output = Path(settings.run.output_dir).absolute()
    work = make_work_dir(work_dir(settings.run.work_dir, settings.run.output_dir), output)
    run_id = new_run_id()
    log_to(work / f"{run_id}.log")
    configure(work, settings.run.stop_on_first_crash, shows_all(settings.run))
    plugin = choose_plugin(settings.run.use_plugin or "Linear", *usable, len(jobs))

    def graph(some: Sequence[RegionGroupJob]) -> Any:
        """Build the graph of some sets."""
        from bids_rsa.workflows.regions_group import init_region_group_wf  # imports Nipype

        return init_region_group_wf(some, str(work))

    def folders(job: RegionGroupJob) -> list[Path]:
        """Say where a set alone works."""
        return [work / RUN_WORKFLOW / job.name]

    failures = run_jobs(jobs, graph, folders, _is_complete, plugin, Clock(), work)
    keep_log(output / FOLDER / "log" / run_id, settings, work / f"{run_id}.log")
    if settings.run.work_dir is None and not settings.run.debug and not failures:
        for job in jobs:
            shutil.rmtree(work / RUN_WORKFLOW / job.name, ignore_errors=True)
        (work / f"{run_id}.log").unlink(missing_ok=True)
        remove_empty((work / RUN_WORKFLOW, work / CRASH_FOLDER, work, work.parent))
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
    LOGGER.info("Regions %s: %s (%s), in: %s.", group.label, group.people.words, how, subjects)
    for name, levels in group.people.codings:
        LOGGER.info("Covariate %s: 0 is %s, 1 is %s.", name, *levels)


def _table(jobs: Sequence[RegionGroupJob]) -> str:
    """List the sets with their tables."""
    rows = [
        (
            job.group.label,
            str(len(job.group.subjects)),
            str(len(job.relmats)),
            str(Path(job.output_dir) / job.tables[0][2].path),
        )
        for job in jobs
    ]
    return text_table(("regions of", "participants", "regions", "table"), rows)
