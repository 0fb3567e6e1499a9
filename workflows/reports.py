"""The graph of the reports: a node for each page, once the maps are there."""

from collections.abc import Mapping

from nipype.pipeline.engine import Node, Workflow

from bids_rsa.interfaces.reports import WritePage

PAGE_GB = 1.0


def init_reports_wf(pages: Mapping[str, tuple[str, str]], name: str, work_dir: str) -> Workflow:
    """Build the graph of several pages, which don't depend on each other.

    Parameters
    ----------
    pages : mapping
        Output folder and participant of each page, by the name of its node; the group's page has
        an empty participant.
    name : str
        Of the graph.
    work_dir : str
    """
    workflow = Workflow(name, base_dir=work_dir)
    workflow.add_nodes(
        [
            Node(WritePage(output_dir=folder, subject=subject), name=node, mem_gb=PAGE_GB)
            for node, (folder, subject) in pages.items()
        ]
    )
    return workflow
