"""From a checked analysis to the job that a graph is built of, and the folder it works in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bids_rsa.app.compared import covariance_of, models_of
from bids_rsa.app.execution import Plugin, configure, shows_all
from bids_rsa.app.preflight import CheckedAnalysis
from bids_rsa.app.work_folder import Claim, claim
from bids_rsa.interfaces.work_files import save_models
from bids_rsa.needs import estimation_needs, memory_needs, threads_that_fit
from bids_rsa.outputs.analysis_job import RUN_WORKFLOW, AnalysisJob, node_name, subject_name
from bids_rsa.outputs.derivatives import (
    check_maps_beside,
    check_replaceable,
    details_path,
    map_figure_path,
    with_vectors,
)
from bids_rsa.outputs.estimates import PlannedRun, hash_runs, plan_run_files, run_sources
from bids_rsa.outputs.provenance import THIS_DATASET, dataset_root, hash_analysis, link_datasets
from bids_rsa.outputs.region_plan import plan_regions
from bids_rsa.outputs.sidecars import plan_images
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.records import ESTIMATE, Analysis, ModelRdm
from bids_rsa.regions.sources import choose_regions
from bids_rsa.settings import Settings


@dataclass(frozen=True)
class Run:
    """One run: its settings, what it may use, where its files go.

    ``claims`` are the folders that its jobs work in, by the job's name.
    """

    settings: Settings
    models: tuple[ModelRdm, ...]
    datasets: Mapping[str, str]
    plugin: Plugin
    work: Path
    output: Path
    run_id: str
    claims: dict[str, Claim] = field(default_factory=dict)

    @property
    def log_file(self) -> Path:
        """Where the log is written while the run goes on."""
        return self.work / f"{self.run_id}.log"

    @property
    def keeps_work(self) -> bool:
        """Whether intermediate results are wanted after success."""
        return self.settings.run.work_dir is not None or self.settings.run.debug

    def configure(self) -> None:
        """Set Nipype's configuration for this run."""
        settings = self.settings.run
        configure(self.work, settings.stop_on_first_crash, shows_all(settings))

    def claim(self, job: AnalysisJob) -> AnalysisJob:
        """Claim a folder for a job, beside the folders of other runs that work on it now."""
        own = claim(self.work / RUN_WORKFLOW / subject_name(job.analysis.subject), job.name)
        self.claims[own.name] = own
        return replace(job, name=own.name)

    def folders(self, job: AnalysisJob) -> tuple[Path, ...]:
        """Say where a job alone works."""
        return (self.claims[job.name].folder,)

    def graph(self, jobs: Sequence[AnalysisJob]) -> Any:
        """Save the models where each job works, and build the graph."""
        # Nipype and the plotting libraries take seconds to import: only where something runs
        from bids_rsa.workflows.participant import init_run_wf

        self.configure()
        return init_run_wf([self._with_models(job) for job in jobs], str(self.work))

    def _with_models(self, job: AnalysisJob) -> AnalysisJob:
        """Save what the RDMs of a job are compared with."""
        rsa, folder = self.settings.rsa, self.claims[job.name].folder
        plan = plan_stack(job.analysis, rsa.reading)
        models = models_of(job.analysis, plan, self.models, rsa)
        covariance = covariance_of(job.analysis, plan, rsa)
        return replace(job, models=save_models(models, folder, covariance))

    def release(self, job: AnalysisJob, done: bool) -> None:
        """Give a job's folder back, and remove it when nobody needs it any more."""
        self.claims.pop(job.name).release(remove=done and not self.keeps_work)


def plan_job(checked: CheckedAnalysis, run: Run, index: int, n_together: int) -> AnalysisJob:
    """Plan the files of an analysis, and check that they may be written.

    Parameters
    ----------
    checked : CheckedAnalysis
    run : Run
    index, n_together : int
        Which of the analyses that run together it is.

    Raises
    ------
    OutputError
        A file is there that was made with other settings or inputs.
    MissingFileError, ReadWriteError
        An input file cannot be read.
    """
    analysis, settings = checked.analysis, run.settings
    at_once = 1 if run.plugin.is_serial else min(n_together, run.plugin.n_procs)
    n_threads = settings.run.omp_nthreads or max(1, run.plugin.n_procs // at_once)
    n_threads = threads_that_fit(
        checked.size, min(n_threads, run.plugin.n_procs), run.plugin.memory_gb
    )
    needs = memory_needs(checked.size, n_threads)
    estimates = _plan_estimates(analysis, run)
    known = {planned.run.path: planned.input_hash for planned in estimates}
    hashes = hash_analysis(analysis, run.plugin.n_procs, known)
    searched = not settings.regions.roi_only
    planned = plan_images(analysis, settings.rsa, run.models, hashes) if searched else ()
    regions = tuple(
        plan_regions(analysis, source, chosen, settings.rsa, settings.regions, run.models, hashes)
        for source, chosen in choose_regions(analysis.regions, settings.regions.roi)
    )
    if not settings.run.overwrite:
        others = [*(one.planned for one in estimates), *(one.planned for one in regions)]
        check_replaceable(run.output, (*(file for part in others for file in part), *planned))
    check_maps_beside(run.output, planned)
    # both hemispheres are in one picture
    pictured = dict.fromkeys(
        map_figure_path(file.path, analysis)
        for file in planned
        if file.is_pictured and analysis.is_drawable
    )
    details = dict.fromkeys(details_path(file.path, analysis) for file in planned if file.model)
    roots = (dataset_root(path, run.datasets) for path in _input_files(analysis))
    links = link_datasets(roots, run.datasets)
    if estimates:
        links[str(run.output)] = THIS_DATASET
    return AnalysisJob(
        analysis=analysis,
        rsa=settings.rsa,
        models="",
        planned=planned,
        figures=(*with_vectors(pictured), *details),
        links=tuple(links.items()),
        input_hash=" ".join(hashes.as_dict().values()),
        files=hashes.files,
        output_dir=str(run.output),
        name=node_name(analysis.label),
        n_threads=n_threads,
        needs=needs,
        bar_position=index % at_once,
        estimates=estimates,
        regions=regions,
        min_coverage=settings.regions.min_coverage,
        is_drawn=not settings.run.no_figures,
    )


def _plan_estimates(analysis: Analysis, run: Run) -> tuple[PlannedRun, ...]:
    """Plan the runs that the images of an analysis are estimated from, where they are."""
    keep = run.settings.run.keep_residuals
    for_noise = {path for made in analysis.residuals if made.from_bold for path in made.paths}
    states = hash_runs(analysis.bold_runs, run.plugin.n_procs)
    return tuple(
        plan_run_files(
            bold, states, keep, bold.path in for_noise, estimation_needs(bold).largest_gb
        )
        for bold in analysis.bold_runs
    )


def _input_files(analysis: Analysis) -> Iterable[str]:
    """Name the files that sidecars name as sources."""
    for image in analysis.images:
        if image.reader == ESTIMATE:
            continue
        for half in image.halves:
            yield half.path
            if half.variance_path:
                yield half.variance_path
    for bold in analysis.bold_runs:
        yield from run_sources(bold)
    yield from (*analysis.brain_mask.paths, *analysis.roi_mask.paths, *analysis.surface_files)
    for source in analysis.regions:
        yield from source.files
