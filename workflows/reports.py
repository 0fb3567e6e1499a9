"""The graph of the reports: a node for each page, once the maps are there."""

from collections.abc import Sequence
from dataclasses import dataclass

from nipype.pipeline.engine import Node, Workflow

from bids_rsa.interfaces.reports import WritePage

RUN_WORKFLOW = "reports"
PAGE_GB = 1.0


@dataclass(frozen=True)
class PageJob:
    """A page to write: a participant's, or the group's where ``subject`` is empty."""

    name: str
    subject: str
    output_dir: str


def init_reports_wf(jobs: Sequence[PageJob], work_dir: str) -> Workflow:
    """Build the graph of several pages, which don't depend on each other."""
    workflow = Workflow(RUN_WORKFLOW, base_dir=work_dir)
    workflow.add_nodes(
        [
            Node(
                WritePage(output_dir=job.output_dir, subject=job.subject),
                name=job.name,
                mem_gb=PAGE_GB,
            )
            for job in jobs
        ]
    )
    return workflow
