"""The graph of the group level: read, permute, correct, write and draw, for each test."""

from collections.abc import Sequence

from bids_rsa.workflows.participant import node_name
from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.group_outputs.write import GroupJob
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
    tests = [init_test_wf(job) for job in jobs]
    workflow.add_nodes(tests)
    if correct_together:
        merge = Node(Merge(len(tests)), name="all_nulls")
        for number, test in enumerate(tests, start=1):
            workflow.connect(test, "permute.null", merge, f"in{number}")
            workflow.connect(merge, "out", test, "correct.joint_nulls")
    return workflow


def init_test_wf(job: GroupJob) -> Workflow:
    """Build the graph of one test."""
    test = job.test
    read = Node(ReadScores(test=test, version=__version__), name="read", mem_gb=job.memory_gb)
    permute = Node(
        PermuteScores(
            test=test, version=__version__, state_dir=job.state_dir, n_threads=job.n_threads
        ),
        name="permute",
        n_procs=job.n_threads,
        mem_gb=job.memory_gb,
    )
    correct = Node(
        CorrectScores(test=test, version=__version__), name="correct", mem_gb=job.memory_gb
    )
    sink = Node(SinkGroup(job=job), name="sink", mem_gb=0.5)
    figures = Node(DrawGroup(job=job), name="figures", mem_gb=1.0)
    workflow = Workflow(node_name(test.label))
    workflow.connect(
        [
            (read, permute, [("scores", "scores")]),
            (read, correct, [("scores", "scores")]),
            (permute, correct, [("null", "null")]),
            (read, sink, [("scores", "scores")]),
            (correct, sink, [("result", "result")]),
            (read, figures, [("scores", "scores")]),
            (correct, figures, [("result", "result")]),
            (sink, figures, [("images", "images")]),
        ]
    )
    return workflow
