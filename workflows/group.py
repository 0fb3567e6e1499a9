"""The graph of the group level: read, permute, correct, write and draw, for each test."""

from collections.abc import Mapping, Sequence

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.group.ceiling_write import CeilingJob
from bids_rsa.group.write import RUN_WORKFLOW, GroupJob, nulls_name
from bids_rsa.interfaces.ceilings import NoiseCeiling
from bids_rsa.interfaces.group import (
    CorrectScores,
    DrawGroup,
    PermuteScores,
    ReadScores,
    SinkGroup,
)


def init_group_level_wf(
    jobs: Sequence[GroupJob],
    work_dir: str,
    correct_together: bool = False,
    ceilings: Sequence[CeilingJob] = (),
) -> Workflow:
    """Build the graph of all tests of a call, and of their noise ceilings.

    Parameters
    ----------
    jobs : sequence of GroupJob
    work_dir : str
    correct_together : bool
        Whether every test is compared with the maxima over all of them.
    ceilings : sequence of CeilingJob
        Each waits for those of its tests that are in the graph.
    """
    workflow = Workflow(RUN_WORKFLOW, base_dir=work_dir)
    nulls = [init_null_wf(job) for job in jobs]
    results = [init_result_wf(job) for job in jobs]
    if correct_together:
        merge = Node(Merge(len(jobs)), name=nulls_name(jobs[0].name))
    for number, (job, null, result) in enumerate(zip(jobs, nulls, results, strict=True), start=1):
        users = ("correct", "sink", "figures") if job.is_drawn else ("correct", "sink")
        scores = [("read.scores", f"{name}.scores") for name in users]
        found = [
            (f"permute.{name}", f"correct.{name}") for name in ("null", "ready", "by_null_maps")
        ]
        workflow.connect([(null, result, [*scores, *found])])
        if correct_together:
            workflow.connect(null, "permute.null", merge, f"in{number}")
            workflow.connect(merge, "out", result, "correct.joint_nulls")
    for ceiling in ceilings:
        _add_ceiling(
            workflow, ceiling, {job.test.label: wf for job, wf in zip(jobs, results, strict=True)}
        )
    return workflow


def _add_ceiling(workflow: Workflow, job: CeilingJob, results: Mapping[str, Workflow]) -> None:
    """Add a node that computes the noise ceilings of tests once their maps are written."""
    own = Workflow(job.name)
    node = Node(NoiseCeiling(job=job), name="ceiling", n_procs=job.n_threads, mem_gb=job.memory_gb)
    own.add_nodes([node])
    workflow.add_nodes([own])
    before = [results[test.label] for test in job.tests if test.label in results]
    if not before:
        return
    merge = Node(Merge(len(before), no_flatten=True), name="tested")
    own.connect(merge, "out", node, "tested")
    for number, result in enumerate(before, start=1):
        workflow.connect(result, "sink.images", own, f"tested.in{number}")


def init_null_wf(job: GroupJob) -> Workflow:
    """Build the graph from a test's maps to its null distribution."""
    read = Node(ReadScores(test=job.test, version=__version__), name="read", mem_gb=job.memory_gb)
    permute = Node(
        PermuteScores(
            test=job.test, version=__version__, state_dir=job.state_dir, n_threads=job.n_threads
        ),
        name="permute",
        n_procs=job.n_threads,
        mem_gb=job.memory_gb,
    )
    workflow = Workflow(job.graphs[0])
    workflow.connect([(read, permute, [("scores", "scores")])])
    return workflow


def init_result_wf(job: GroupJob) -> Workflow:
    """Build the graph from a test's null distribution to its files."""
    correct = Node(
        CorrectScores(test=job.test, version=__version__), name="correct", mem_gb=job.memory_gb
    )
    sink = Node(SinkGroup(job=job), name="sink", mem_gb=0.5)
    workflow = Workflow(job.graphs[1])
    workflow.connect([(correct, sink, [("result", "result")])])
    if job.is_drawn:
        figures = Node(DrawGroup(job=job), name="figures", mem_gb=1.0)
        workflow.connect(
            [
                (correct, figures, [("result", "result")]),
                (sink, figures, [("images", "images")]),
            ]
        )
    return workflow
