"""The part of a participant's graph that analyses regions: score, write and draw."""

from nipype.pipeline.engine import Node, Workflow

from bids_rsa._version import __version__
from bids_rsa.interfaces.regions import DrawRegions, RegionRsa, SinkRegions
from bids_rsa.outputs.analysis_job import AnalysisJob


def add_regions(workflow: Workflow, masking: Node, job: AnalysisJob) -> list[Node]:
    """Let regions be analysed from the same patterns as the searchlight.

    Parameters
    ----------
    workflow : Workflow
        The graph of one analysis, changed in place.
    masking : Node
        The node that reads the images.
    job : AnalysisJob

    Returns
    -------
    list of Node
        Those that use noise, where it is normalised.
    """
    score = Node(
        RegionRsa(
            models=job.models,
            rsa=job.rsa,
            plans=job.regions,
            min_coverage=job.min_coverage,
            version=__version__,
            label=job.analysis.title,
            n_threads=job.n_threads,
            bar_position=job.bar_position,
        ),
        name="regions",
        n_procs=job.n_threads,
        mem_gb=job.needs.searchlight_gb,
    )
    sink = Node(
        SinkRegions(
            models=job.models, plans=job.regions, links=dict(job.links), output_dir=job.output_dir
        ),
        name="sink_regions",
        mem_gb=job.needs.write_gb,
    )
    stacked = [("stacked", "stacked")]
    workflow.connect(
        [
            (masking, score, [*stacked, ("halves", "halves")]),
            (masking, sink, stacked),
            (score, sink, [("found", "found")]),
        ]
    )
    if job.is_drawn:
        figures = _figures(job)
        workflow.connect(
            [
                (masking, figures, stacked),
                (score, figures, [("found", "found")]),
                (sink, figures, [("tables", "tables")]),
            ]
        )
    return [score, sink]


def _figures(job: AnalysisJob) -> Node:
    """Make the node that draws regions."""
    return Node(
        DrawRegions(
            plans=job.regions,
            label=job.analysis.title,
            unit=job.rsa.dissimilarity,
            output_dir=job.output_dir,
        ),
        name="region_figures",
        mem_gb=job.needs.write_gb,
    )
