"""The graph of regions at group level: test, write and draw, for each set of regions."""

from collections.abc import Sequence

from nipype.pipeline.engine import Node, Workflow

from bids_rsa.group.region_job import RUN_WORKFLOW, RegionGroupJob
from bids_rsa.interfaces.region_group import DrawRegionGroup, TestRegions


def init_region_group_wf(jobs: Sequence[RegionGroupJob], work_dir: str) -> Workflow:
    """Build the graph of several sets of regions."""
    workflow = Workflow(RUN_WORKFLOW, base_dir=work_dir)
    for job in jobs:
        own = Workflow(job.name)
        test = Node(TestRegions(job=job), name="test", mem_gb=1.0)
        own.add_nodes([test])
        if job.is_drawn:
            figures = Node(DrawRegionGroup(job=job), name="figures", mem_gb=1.0)
            own.connect([(test, figures, [("tables", "tables")])])
        workflow.add_nodes([own])
    return workflow
