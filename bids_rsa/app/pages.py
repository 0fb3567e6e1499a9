"""Pages at the end of a level: which of them have to be written, and the run that does it."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bids_rsa.app.closing import remove_empty
from bids_rsa.app.running import Running
from bids_rsa.app.work_folder import claim, remove_abandoned
from bids_rsa.entities import LABEL
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.analysis_job import node_name
from bids_rsa.reports.citation import is_cited, write_citation
from bids_rsa.reports.collect import participant_maps
from bids_rsa.reports.found_regions import region_tables
from bids_rsa.reports.found_tests import find_tests
from bids_rsa.reports.made_from import group_made_from, participant_made_from
from bids_rsa.reports.page_state import is_current, page_path

LOGGER = logging.getLogger(__name__)
GROUP = ""  # in place of a participant's label
RUN_WORKFLOW = "reports"
# how often a page is written when other jobs add maps to the output meanwhile
ATTEMPTS = 3


@dataclass(frozen=True)
class PageJob:
    """A page to write: a participant's, or the group's where ``subject`` is empty.

    ``name`` is that of its node, and of the folder claimed for it.
    """

    name: str
    subject: str
    output_dir: str

    @property
    def path(self) -> Path:
        """Where the page is."""
        return page_path(Path(self.output_dir), self.subject)


def write_pages(
    subjects: Iterable[str], running: Running, anew: bool = False
) -> dict[str, BidsRsaError]:
    """Write the pages that were not made from what is there now.

    Parameters
    ----------
    subjects : iterable of str
        Whose pages; ``GROUP`` is the group's.
    running : Running
    anew : bool
        Write all of them, also those that are up to date.

    Returns
    -------
    dict
        By page, why it could not be written.
    """
    jobs = [PageJob("", subject, str(running.output)) for subject in dict.fromkeys(subjects)]
    jobs = [job for job in jobs if anew or not _is_current(job)]
    folder = running.work / RUN_WORKFLOW
    claims = [claim(folder, f"page_{node_name(job.subject or 'group')}") for job in jobs]
    wanted = [replace(job, name=own.name) for job, own in zip(jobs, claims, strict=True)]
    failures = _write(wanted, running) if wanted else {}
    for own in claims:
        own.release(remove=True)
    remove_abandoned(folder)
    remove_empty((folder,))
    for job in wanted:
        if job.name in failures:
            LOGGER.error("The page %s could not be written: %s", job.path, failures[job.name])
        else:
            LOGGER.info("Page: %s", job.path)
    return {job.subject: failures[job.name] for job in wanted if job.name in failures}


def _write(jobs: Sequence[PageJob], running: Running) -> dict[str, BidsRsaError]:
    """Write pages, and again those that other jobs gave more to show meanwhile."""
    running.configure()
    failures: dict[str, BidsRsaError] = {}
    for _ in range(ATTEMPTS):
        failures |= _run(jobs, running)
        jobs = [job for job in jobs if job.name not in failures and not _is_current(job)]
        if not jobs:
            break
    return failures


class _PageGraphs:
    """How pages are written: they are complete once they are newer than at the start."""

    def __init__(self, jobs: Sequence[PageJob], work: Path) -> None:
        self._before = {job.name: _written_at(job) for job in jobs}
        self._work = work

    def build(self, jobs: Sequence[PageJob]) -> Any:
        """Make the graph of pages."""
        from bids_rsa.workflows.reports import init_reports_wf

        pages = {job.name: (job.output_dir, job.subject) for job in jobs}
        return init_reports_wf(pages, RUN_WORKFLOW, str(self._work))

    def folders(self, job: PageJob) -> list[Path]:
        """Say where a page is made."""
        return [self._work / RUN_WORKFLOW / job.name]

    def is_complete(self, job: PageJob) -> bool:
        """Tell whether a page was written since."""
        return _written_at(job) != self._before[job.name]


def _run(jobs: Sequence[PageJob], running: Running) -> dict[str, BidsRsaError]:
    """Run the graph of the pages; tell by job which could not be written."""
    # Nipype and the plotting libraries take seconds to import: only for what has to be written
    from bids_rsa.app.execution import Clock, run_jobs

    graphs = _PageGraphs(jobs, running.work)
    failures = run_jobs(jobs, graphs, running, Clock())
    for job in jobs:
        for folder in graphs.folders(job):
            shutil.rmtree(folder, ignore_errors=True)
    return failures


def cite(output: Path, is_new: bool) -> None:
    """Write the methods text of the dataset where something is new, or where there is none."""
    if is_new or not is_cited(output):
        write_citation(output)


def subjects_with_maps(output: Path, wanted: Sequence[str]) -> list[str]:
    """List the participants that have maps or tables of regions in the output, of those wanted."""
    labels = [path.name.removeprefix("sub-") for path in sorted(output.glob("sub-*"))]
    return [
        label
        for label in labels
        if LABEL.fullmatch(label)
        and (not wanted or label in wanted)
        and (participant_maps(output, label) or region_tables(output / f"sub-{label}"))
    ]


def _written_at(job: PageJob) -> int:
    """Say when a page was written; 0 where there is none."""
    return job.path.stat().st_mtime_ns if job.path.exists() else 0


def _is_current(job: PageJob) -> bool:
    """Tell whether a page was made from what is there now."""
    output = Path(job.output_dir)
    if job.subject:
        maps = participant_maps(output, job.subject)
        made_from = participant_made_from(output, job.subject, maps)
    else:
        made_from = group_made_from(output, find_tests(output))
    return is_current(job.path, made_from)
