"""The part of the graph that estimates condition images from BOLD: two nodes for each run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.interfaces.estimation import EstimateRun, SinkEstimates
from bids_rsa.outputs.estimates import PlannedRun


def add_estimates(
    workflow: Workflow,
    masking: Node,
    runs: Sequence[PlannedRun],
    output_dir: str,
    links: Mapping[str, str],
    n_threads: int,
) -> None:
    """Let the runs that are not there yet be estimated before their images are read.

    Parameters
    ----------
    workflow : Workflow
        The graph of one analysis, changed in place.
    masking : Node
        The node that reads the images.
    runs : sequence of PlannedRun
    output_dir : str
    links : mapping
        Path of each input dataset to its name.
    n_threads : int
    """
    missing = [run for run in runs if not run.is_complete(Path(output_dir))]
    if not missing:
        return
    done = Node(Merge(len(missing)), name="estimates")
    for number, planned in enumerate(missing, start=1):
        estimate, sink = _run_nodes(planned, output_dir, links, n_threads)
        fields = [(name, name) for name in ("images", "design", "residuals")]
        workflow.connect([(estimate, sink, fields), (sink, done, [("label", f"in{number}")])])
    workflow.connect(done, "out", masking, "estimated")


def _run_nodes(
    planned: PlannedRun, output_dir: str, links: Mapping[str, str], n_threads: int
) -> tuple[Node, Node]:
    """Make the nodes that estimate a run and write what comes of it."""
    key = planned.run.run or "alone"
    estimate = Node(
        EstimateRun(
            run=planned.run,
            input_hash=planned.input_hash,
            files=planned.files,
            keep_residuals=planned.keep_residuals,
            version=__version__,
            n_threads=n_threads,
        ),
        name=f"estimate_run_{key}",
        n_procs=n_threads,
        mem_gb=planned.memory_gb,
    )
    sink = Node(
        SinkEstimates(planned=planned, links=dict(links), output_dir=output_dir),
        name=f"sink_run_{key}",
        mem_gb=0.5,
    )
    return estimate, sink
