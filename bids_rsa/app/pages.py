"""Pages at the end of a level: which of them have to be written, and the run that does it."""

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.app.closing import remove_empty
from bids_rsa.app.execution import Clock, Plugin, run_jobs
from bids_rsa.errors import BidsRsaError
from bids_rsa.outputs.analysis_job import node_name
from bids_rsa.reports import group_page, participant_page
from bids_rsa.reports.citation import write_citation
from bids_rsa.reports.page import is_current
from bids_rsa.workflows.reports import RUN_WORKFLOW, PageJob, init_reports_wf

LOGGER = logging.getLogger(__name__)
GROUP = ""  # in place of a participant's label


def write_pages(
    output: Path,
    subjects: Iterable[str],
    plugin: Plugin,
    work: Path,
    run_id: str,
    anew: bool = False,
) -> dict[str, BidsRsaError]:
    """Write the pages that were not made from what lies there now, and the methods text.

    Parameters
    ----------
    output : Path
    subjects : iterable of str
        Whose pages; ``GROUP`` is the group's.
    plugin : Plugin
    work : Path
    run_id : str
    anew : bool
        Write all of them, also those that are up to date.

    Returns
    -------
    dict
        By page, why it could not be written.
    """
    jobs = [
        PageJob(f"page_{node_name(subject or 'group')}_{run_id[-8:]}", subject, str(output))
        for subject in dict.fromkeys(subjects)
    ]
    waiting = [job for job in jobs if anew or not _is_current(job)]
    before = {job.name: _written_at(job) for job in waiting}
    failures = run_jobs(
        waiting,
        lambda some: init_reports_wf(some, str(work)),
        lambda job: [work / RUN_WORKFLOW / job.name],
        lambda job: _is_current(job) and _written_at(job) != before[job.name],
        plugin,
        Clock(),
        work,
    )
    if jobs:
        write_citation(output)
    _tidy(waiting, work)
    for job in waiting:
        if job.name in failures:
            LOGGER.error("The page %s could not be written: %s", _path(job), failures[job.name])
        else:
            LOGGER.info("Page: %s", _path(job))
    return {job.subject: failures[job.name] for job in waiting if job.name in failures}


def subjects_with_maps(output: Path, wanted: Sequence[str]) -> list[str]:
    """List the participants that have maps in the output folder, of those wanted."""
    labels = [path.name.removeprefix("sub-") for path in sorted(output.glob("sub-*"))]
    return [
        label
        for label in labels
        if (not wanted or label in wanted) and participant_page.participant_maps(output, label)
    ]


def _path(job: PageJob) -> Path:
    """Say where a page lies."""
    output = Path(job.output_dir)
    if job.subject:
        return participant_page.page_path(output, job.subject)
    return output / group_page.PAGE


def _written_at(job: PageJob) -> int:
    """Say when a page was written; 0 where there is none."""
    return _path(job).stat().st_mtime_ns if _path(job).exists() else 0


def _is_current(job: PageJob) -> bool:
    """Tell whether a page was made from what lies there now."""
    output = Path(job.output_dir)
    made_from: Any
    if job.subject:
        made_from = participant_page.made_from(output, job.subject)
    else:
        made_from = group_page.made_from(output)
    return is_current(_path(job), made_from)


def _tidy(jobs: Sequence[PageJob], work: Path) -> None:
    """Remove the folders that the pages were made in."""
    for job in jobs:
        shutil.rmtree(work / RUN_WORKFLOW / job.name, ignore_errors=True)
    remove_empty((work / RUN_WORKFLOW,))
