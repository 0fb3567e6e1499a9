"""The graph of the group level: read, permute, correct, write and draw, for each test."""

from collections.abc import Sequence

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.group.write import GroupJob
from bids_rsa.interfaces.group import (
    CorrectScores,
    DrawGroup,
    PermuteScores,
    ReadScores,
    SinkGroup,
)

RUN_WORKFLOW = "group"


def init_group_level_wf(
    jobs: Sequence[GroupJob], work_dir: str, correct_together: bool = False
) -> Workflow:
    """Build the graph of all tests of a call.

    Parameters
    ----------
    jobs : sequence of GroupJob
    work_dir : str
    correct_together : bool
        Whether every test is compared with the maxima over all of them.
    """
    workflow = Workflow(RUN_WORKFLOW, base_dir=work_dir)
    nulls = [init_null_wf(job) for job in jobs]
    results = [init_result_wf(job) for job in jobs]
    merge = Node(Merge(len(jobs)), name=nulls_name(jobs[0]))
    for number, (null, result) in enumerate(zip(nulls, results, strict=True), start=1):
        scores = [("read.scores", f"{name}.scores") for name in ("correct", "sink", "figures")]
        found = [(f"permute.{name}", f"correct.{name}") for name in ("null", "by_null_maps")]
        workflow.connect([(null, result, [*scores, *found])])
        if correct_together:
            workflow.connect(null, "permute.null", merge, f"in{number}")
            workflow.connect(merge, "out", result, "correct.joint_nulls")
    return workflow


def graph_names(job: GroupJob) -> tuple[str, str]:
    """Name the two graphs of a test: up to its null distribution, and from there."""
    return job.name, f"{job.name}_results"


def nulls_name(job: GroupJob) -> str:
    """Name the node that gathers the null distributions of all tests, after the first test."""
    return f"{job.name}_all_nulls"


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
    workflow = Workflow(graph_names(job)[0])
    workflow.connect([(read, permute, [("scores", "scores")])])
    return workflow


def init_result_wf(job: GroupJob) -> Workflow:
    """Build the graph from a test's null distribution to its files."""
    correct = Node(
        CorrectScores(test=job.test, version=__version__), name="correct", mem_gb=job.memory_gb
    )
    sink = Node(SinkGroup(job=job), name="sink", mem_gb=0.5)
    figures = Node(DrawGroup(job=job), name="figures", mem_gb=1.0)
    workflow = Workflow(graph_names(job)[1])
    workflow.connect(
        [
            (correct, sink, [("result", "result")]),
            (correct, figures, [("result", "result")]),
            (sink, figures, [("images", "images")]),
        ]
    )
    return workflow
