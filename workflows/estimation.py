"""The part of the graph that estimates condition images from BOLD: two nodes for each run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nipype.interfaces.utility import Merge
from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.estimation.names import residuals_paths
from bids_rsa.interfaces.estimation import EstimateRun, SinkEstimates
from bids_rsa.outputs.estimates import PlannedRun


@dataclass(frozen=True)
class EstimateNodes:
    """The nodes that estimate runs; ``runs`` are all of them, also those that are there already."""

    nodes: dict[str, Node]
    runs: Sequence[PlannedRun]
    output_dir: str

    def connect_residuals(self, workflow: Workflow, noise: Node) -> None:
        """Let a node have the residuals of the runs that noise is estimated from."""
        runs = [run for run in self.runs if run.for_noise]
        if not runs:
            return
        merge = Node(Merge(len(runs)), name="residuals")
        for number, planned in enumerate(runs, start=1):
            node = self.nodes.get(planned.run.path)
            if node is None:  # kept in the dataset
                there = [f"{self.output_dir}/{path}" for path in residuals_paths(planned.run)]
                setattr(merge.inputs, f"in{number}", there)
            else:
                workflow.connect(node, "residuals", merge, f"in{number}")
        noise.inputs.bold = [path for planned in runs for path in planned.run.paths]
        workflow.connect(merge, "out", noise, "residuals")


def add_estimates(
    workflow: Workflow,
    masking: Node,
    runs: Sequence[PlannedRun],
    output_dir: str,
    links: Mapping[str, str],
    n_threads: int,
) -> EstimateNodes:
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
    needed = [run for run in runs if run.is_needed(Path(output_dir))]
    estimates = EstimateNodes({}, runs, output_dir)
    if not needed:
        return estimates
    done = Node(Merge(len(needed)), name="estimates")
    for number, planned in enumerate(needed, start=1):
        estimate, sink = _run_nodes(planned, output_dir, links, n_threads)
        estimates.nodes[planned.run.path] = estimate
        fields = [(name, name) for name in ("images", "design", "residuals")]
        workflow.connect([(estimate, sink, fields), (sink, done, [("label", f"in{number}")])])
    workflow.connect(done, "out", masking, "estimated")
    return estimates


def _run_nodes(
    planned: PlannedRun, output_dir: str, links: Mapping[str, str], n_threads: int
) -> tuple[Node, Node]:
    """Make the nodes that estimate a run and write its images."""
    key = planned.run.run or "alone"
    estimate = Node(
        EstimateRun(
            run=planned.run,
            input_hash=planned.input_hash,
            files=planned.files,
            keep_residuals=planned.keep_residuals or planned.for_noise,
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
