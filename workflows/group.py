"""The graph of the group level: gather, permute and write, for each test."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.group_level.records import GroupTest
from bids_rsa.interfaces.group import GatherScores, PermuteSubjects, WriteGroup

GROUP_WORKFLOW = "group"


@dataclass(frozen=True)
class TestJob:
    """A test to run: where its state is kept, and what it may use.

    ``checkpoint``, ``n_threads`` and ``permute_gb`` change no result.
    """

    test: GroupTest
    name: str
    input_hash: str
    checkpoint: str
    n_threads: int = 1
    permute_gb: float = 1.0


def init_group_wf(
    jobs: Sequence[TestJob], family: Sequence[GroupTest], output_dir: str, work_dir: str
) -> Workflow:
    """Build the graph of a call's tests.

    Parameters
    ----------
    jobs : sequence of TestJob
        The tests to run.
    family : sequence of GroupTest
        All tests of the call.
    output_dir, work_dir : str
        The dataset, and where intermediate results lie.
    """
    workflow = Workflow(GROUP_WORKFLOW, base_dir=work_dir)
    branches = [init_test_wf(job, family, output_dir) for job in jobs]
    workflow.add_nodes(branches)
    if jobs[0].test.settings.fwe_over == "models":
        # the maximum over all maps needs every test's null before any can be written
        nulls = Node(Merge(len(branches)), name="family")
        for number, branch in enumerate(branches, start=1):
            workflow.connect(branch, "permute.null", nulls, f"in{number}")
            workflow.connect(nulls, "out", branch, "write.family_nulls")
    return workflow


def init_test_wf(job: TestJob, family: Sequence[GroupTest], output_dir: str) -> Workflow:
    """Build the graph of one test."""
    gather = Node(
        GatherScores(test=job.test, input_hash=job.input_hash, version=__version__),
        name="gather",
        mem_gb=job.permute_gb,
    )
    permute = Node(
        PermuteSubjects(
            test=job.test,
            version=__version__,
            checkpoint=job.checkpoint,
            n_threads=job.n_threads,
        ),
        name="permute",
        n_procs=job.n_threads,
        mem_gb=job.permute_gb,
    )
    write = Node(
        WriteGroup(test=job.test, family=tuple(family), output_dir=output_dir),
        name="write",
        mem_gb=job.permute_gb,
    )
    workflow = Workflow(name=f"test_{re.sub(r'[^A-Za-z0-9_]', '_', job.name)}")
    workflow.connect(
        [
            (gather, permute, [("scores", "scores")]),
            (gather, write, [("scores", "scores")]),
            (permute, write, [("null", "null")]),
        ]
    )
    return workflow
