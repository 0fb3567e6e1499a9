"""From a checked analysis to the job that a graph is built of, and the folder it works in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from bids_rsa.app.compared import covariance_of, models_of
from bids_rsa.app.plugins import Plugin
from bids_rsa.app.preflight import CheckedAnalysis
from bids_rsa.app.running import Running
from bids_rsa.app.work_folder import Claim, claim
from bids_rsa.interfaces.work_files import save_models
from bids_rsa.needs import AnalysisSize, estimation_needs, memory_needs, threads_that_fit
from bids_rsa.outputs.analysis_job import RUN_WORKFLOW, AnalysisJob, node_name, subject_name
from bids_rsa.outputs.bids_uris import THIS_DATASET, dataset_root, link_datasets
from bids_rsa.outputs.dataset_files import dataset_lock
from bids_rsa.outputs.derivatives import (
    PlannedFile,
    check_maps_beside,
    check_replaceable,
    details_path,
    is_complete,
    map_figure_path,
    with_vectors,
)
from bids_rsa.outputs.estimates import PlannedRun, hash_runs, plan_run_files, run_sources
from bids_rsa.outputs.image_plan import plan_images
from bids_rsa.outputs.input_hashes import InputHashes, companions, hash_analysis
from bids_rsa.outputs.region_plan import RegionPlan, plan_regions
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.regions.sources import choose_regions
from bids_rsa.settings import RegionSettings, RsaSettings


@dataclass(frozen=True)
class Task:
    """What is computed of every analysis of a call, and the names of the datasets searched."""

    rsa: RsaSettings
    regions: RegionSettings
    models: tuple[ModelRdm, ...]
    datasets: Mapping[str, str]


@dataclass(frozen=True)
class AnalysisGraphs:
    """How analyses are run: their folders, their graph, and when they are complete.

    ``claims`` are the folders that jobs work in, by the job's name.
    """

    task: Task
    running: Running
    claims: dict[str, Claim] = field(default_factory=dict)

    def claim(self, job: AnalysisJob) -> AnalysisJob:
        """Claim a folder for a job, next to the folders of other runs that work on it now."""
        folder = self.running.work / RUN_WORKFLOW / subject_name(job.analysis.subject)
        own = claim(folder, job.name)
        self.claims[own.name] = own
        return replace(job, name=own.name)

    def folders(self, job: AnalysisJob) -> tuple[Path, ...]:
        """Say where a job alone works."""
        return (self.claims[job.name].folder,)

    def build(self, jobs: Sequence[AnalysisJob]) -> Any:
        """Save the models where each job works, and build the graph."""
        # Nipype and the plotting libraries take seconds to import: only where something runs
        from bids_rsa.workflows.participant import init_run_wf

        self.running.configure()
        return init_run_wf([self._with_models(job) for job in jobs], str(self.running.work))

    def _with_models(self, job: AnalysisJob) -> AnalysisJob:
        """Save what the RDMs of a job are compared with."""
        rsa, folder = self.task.rsa, self.claims[job.name].folder
        plan = plan_stack(job.analysis, rsa.reading)
        models = models_of(job.analysis, plan, self.task.models, rsa)
        covariance = covariance_of(job.analysis, plan, rsa)
        return replace(job, models=save_models(models, folder, covariance))

    def is_complete(self, job: AnalysisJob) -> bool:
        """Tell whether every file of a job is there, with the same settings."""
        output = Path(job.output_dir)
        if not any((output / file.sidecar).exists() for file in job.all_planned):
            return False  # nothing is there, not even a dataset to lock
        with dataset_lock(output):  # another run may be putting the same files there
            return is_complete(output, job.all_planned, job.all_figures)

    def release(self, job: AnalysisJob, done: bool) -> None:
        """Give a job's folder back, and remove it when no one needs it any more."""
        self.claims.pop(job.name).release(remove=done and not self.running.keeps_work)


def plan_job(
    checked: CheckedAnalysis, task: Task, running: Running, index: int, n_together: int
) -> AnalysisJob:
    """Plan the files of an analysis, and check that they may be written.

    Parameters
    ----------
    checked : CheckedAnalysis
    task : Task
    running : Running
    index, n_together : int
        Which of the analyses that run together it is.

    Raises
    ------
    OutputError
        A file is there that was made with other settings or inputs.
    MissingFileError, ReadWriteError
        An input file cannot be read.
    """
    analysis, asked, plugin = checked.analysis, running.settings, running.plugin
    at_once = 1 if plugin.is_serial else min(n_together, plugin.n_procs)
    n_threads = _n_threads(checked.size, asked.omp_nthreads, plugin, at_once)
    plans = _plan_files(analysis, task, asked.keep_residuals, plugin.n_procs)
    links = _links(analysis, task.datasets)
    if plans.estimates:
        links[str(running.output)] = THIS_DATASET
    job = AnalysisJob(
        analysis=analysis,
        rsa=task.rsa,
        models="",
        planned=plans.images,
        figures=_figures(analysis, plans.images),
        links=tuple(links.items()),
        input_hash=" ".join(plans.hashes.as_dict().values()),
        files=plans.hashes.files,
        output_dir=str(running.output),
        name=node_name(analysis.label),
        n_threads=n_threads,
        needs=memory_needs(checked.size, n_threads),
        bar_position=index % at_once,
        estimates=plans.estimates,
        regions=plans.regions,
        min_coverage=task.regions.min_coverage,
        is_drawn=not asked.no_figures,
    )
    if not asked.overwrite:
        # the runs first: maps made of them could only say that their images differ
        runs = (file for one in job.estimates for file in one.planned)
        check_replaceable(running.output, (*runs, *job.all_planned))
    check_maps_beside(running.output, plans.images)
    return job


class _Plans(NamedTuple):
    """The files that an analysis writes, and the hashes of what it reads."""

    hashes: InputHashes
    estimates: tuple[PlannedRun, ...]
    images: tuple[PlannedFile, ...]
    regions: tuple[RegionPlan, ...]


def _plan_files(analysis: Analysis, task: Task, keep_residuals: bool, n_procs: int) -> _Plans:
    """Hash the inputs, and plan the estimates, maps and tables of regions made of them."""
    estimates = _plan_estimates(analysis, keep_residuals, n_procs)
    known = {planned.run.path: planned.input_hash for planned in estimates}
    hashes = hash_analysis(analysis, n_procs, known)
    images: tuple[PlannedFile, ...] = ()
    if not task.regions.roi_only:
        images = plan_images(analysis, task.rsa, task.models, hashes)
    regions = tuple(
        plan_regions(analysis, source, chosen, task.rsa, task.regions, task.models, hashes)
        for source, chosen in choose_regions(analysis.regions, task.regions.roi)
    )
    return _Plans(hashes, estimates, images, regions)


def _n_threads(size: AnalysisSize, asked: int | None, plugin: Plugin, at_once: int) -> int:
    """Choose how many threads an analysis uses, as memory allows."""
    n_threads = min(asked or max(1, plugin.n_procs // at_once), plugin.n_procs)
    return threads_that_fit(size, n_threads, plugin.memory_gb)


def _figures(analysis: Analysis, planned: Sequence[PlannedFile]) -> tuple[str, ...]:
    """Name the pictures of an analysis's maps, and what the report shows next to them."""
    # both hemispheres are in one picture
    pictured = dict.fromkeys(
        map_figure_path(file.path, analysis)
        for file in planned
        if file.is_pictured and analysis.is_drawable
    )
    details = dict.fromkeys(details_path(file.path, analysis) for file in planned if file.model)
    return (*with_vectors(pictured), *details)


def _links(analysis: Analysis, datasets: Mapping[str, str]) -> dict[str, str]:
    """Name the datasets that an analysis's inputs are in."""
    files = {file for path in _input_files(analysis) for file in (path, *companions(path))}
    roots = (dataset_root(file, datasets) for file in files)
    return link_datasets(roots, datasets)


def _plan_estimates(
    analysis: Analysis, keep_residuals: bool, n_procs: int
) -> tuple[PlannedRun, ...]:
    """Plan the runs that the images of an analysis are estimated from, where they are."""
    for_noise = {path for made in analysis.residuals if made.from_bold for path in made.paths}
    states = hash_runs(analysis.bold_runs, n_procs)
    return tuple(
        plan_run_files(
            bold, states, keep_residuals, bold.path in for_noise, estimation_needs(bold).largest_gb
        )
        for bold in analysis.bold_runs
    )


def _input_files(analysis: Analysis) -> Iterable[str]:
    """Name the files that sidecars name as sources."""
    for image in analysis.images:
        if image.is_estimate:
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
