"""The graph of the participant level: read, searchlight, write and draw, for each subject."""

from collections.abc import Sequence
from dataclasses import replace

from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.interfaces.noise import ReadNoise
from bids_rsa.interfaces.participant import (
    DrawMaps,
    ReadPatterns,
    SearchlightRsa,
    SinkDerivatives,
)
from bids_rsa.outputs.analysis_job import RUN_WORKFLOW, AnalysisJob, subject_name
from bids_rsa.settings import RsaSettings


def init_run_wf(jobs: Sequence[AnalysisJob], work_dir: str) -> Workflow:
    """Build the graph of several subjects, who don't depend on each other."""
    workflow = Workflow(RUN_WORKFLOW, base_dir=work_dir)
    for subject in dict.fromkeys(job.analysis.subject for job in jobs):
        own = [job for job in jobs if job.analysis.subject == subject]
        workflow.add_nodes([init_participant_wf(own)])
    return workflow


def init_participant_wf(jobs: Sequence[AnalysisJob]) -> Workflow:
    """Build the graph of one subject: one branch for each analysis of images."""
    workflow = Workflow(subject_name(jobs[0].analysis.subject))
    workflow.add_nodes([init_analysis_wf(job) for job in jobs])
    return workflow


def init_analysis_wf(job: AnalysisJob) -> Workflow:
    """Build the graph of one analysis."""
    masking = Node(
        ReadPatterns(
            # another atlas reads no image again
            analysis=replace(job.analysis, regions=()),
            reading=job.rsa.reading,
            input_hashes=job.input_hash,
            files=job.files,
            version=__version__,
            n_threads=job.n_threads,
        ),
        name="masking",
        n_procs=job.n_threads,
        mem_gb=job.needs.read_gb,
    )
    workflow = Workflow(job.name)
    workflow.add_nodes([masking])
    users = _add_searchlight(workflow, masking, job) if job.planned else []
    if job.regions:
        from bids_rsa.workflows.regions import add_regions

        users += add_regions(workflow, masking, job)
    noise = None
    if job.rsa.noise != RsaSettings.noise:
        noise = _add_noise(workflow, masking, users, job)
    if job.estimates:
        # nilearn's models, pandas and sklearn take 3 s to import
        from bids_rsa.workflows.estimation import add_estimates

        estimates = add_estimates(
            workflow, masking, job.estimates, job.output_dir, dict(job.links), job.n_threads
        )
        if noise is not None:
            estimates.connect_residuals(workflow, noise)
    return workflow


def _add_searchlight(workflow: Workflow, masking: Node, job: AnalysisJob) -> list[Node]:
    """Add the searchlight, and what writes and draws its maps; return those that use noise."""
    searchlight = Node(
        SearchlightRsa(
            models=job.models,
            rsa=job.rsa,
            version=__version__,
            label=job.analysis.title,
            n_threads=job.n_threads,
            bar_position=job.bar_position,
        ),
        name="searchlight",
        n_procs=job.n_threads,
        mem_gb=job.needs.searchlight_gb,
    )
    sink, figures = _output_nodes(job)
    workflow.connect(
        [
            (masking, searchlight, [("stacked", "stacked"), ("halves", "halves")]),
            (masking, sink, [("stacked", "stacked")]),
            (searchlight, sink, [("scores", "scores")]),
            (masking, figures, [("stacked", "stacked")]),
            (sink, figures, [("images", "images")]),
        ]
    )
    return [searchlight, sink, figures]


def _add_noise(workflow: Workflow, masking: Node, users: Sequence[Node], job: AnalysisJob) -> Node:
    """Add the node that reads what noise is estimated from."""
    noise = Node(
        ReadNoise(analysis=job.analysis, rsa=job.rsa, version=__version__, n_threads=job.n_threads),
        name="noise",
        n_procs=job.n_threads,
        mem_gb=job.needs.read_gb,
    )
    workflow.connect(
        [
            (masking, noise, [("stacked", "stacked")]),
            *((noise, user, [("noise", "noise")]) for user in users),
        ]
    )
    return noise


def _output_nodes(job: AnalysisJob) -> tuple[Node, Node]:
    """Make the nodes that write the derivatives and draw them."""
    sink = Node(
        SinkDerivatives(
            analysis=job.analysis,
            models=job.models,
            rsa=job.rsa,
            planned=job.planned,
            links=dict(job.links),
            output_dir=job.output_dir,
        ),
        name="sink",
        mem_gb=job.needs.write_gb,
    )
    figures = Node(
        DrawMaps(
            analysis=job.analysis,
            models=job.models,
            rsa=job.rsa,
            planned=job.planned,
            is_drawn=job.is_drawn,
            output_dir=job.output_dir,
        ),
        name="figures",
        mem_gb=job.needs.write_gb,
    )
    return sink, figures


def describe(workflow: Workflow) -> str:
    """Draw the graph of one analysis as a Mermaid flowchart.

    Parameters
    ----------
    workflow : Workflow
        What `init_analysis_wf` returns.

    Returns
    -------
    str
        One line a node, with its interface, and one a connection, with what goes along it.
    """
    graph = workflow._graph
    lines = ["flowchart LR"]
    for node in sorted(graph.nodes, key=lambda node: _depth(graph, node)):
        lines.append(f'    {node.name}["{node.name}<br>{type(node.interface).__name__}"]')
    for source, target, data in sorted(
        graph.edges(data=True), key=lambda edge: (_depth(graph, edge[0]), _depth(graph, edge[1]))
    ):
        fields = ", ".join(field for field, _ in data["connect"])
        lines.append(f"    {source.name} -- {fields} --> {target.name}")
    return "\n".join(lines)


def _depth(graph: object, node: object) -> int:
    """Count the nodes that come before a node."""
    import networkx

    return len(networkx.ancestors(graph, node))
