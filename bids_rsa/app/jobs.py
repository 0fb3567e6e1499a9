"""From a checked group of images to the job that a workflow is built of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.app.execution import Plugin
from bids_rsa.app.preflight import CheckedGroup
from bids_rsa.estimation.images import n_voxels
from bids_rsa.needs import estimation_gb, memory_needs, threads_that_fit
from bids_rsa.outputs.derivatives import check_replaceable, figure_path, with_vectors
from bids_rsa.outputs.estimates import PlannedRun, hash_runs, plan_run_files, run_sources
from bids_rsa.outputs.provenance import THIS_DATASET, dataset_root, hash_group, link_datasets
from bids_rsa.outputs.sidecars import plan_files
from bids_rsa.records import ESTIMATE, Analysis, ModelRdm
from bids_rsa.settings import Settings
from bids_rsa.workflows.participant import GroupJob


@dataclass(frozen=True)
class Run:
    """One run: its settings, what it may use, where its files go."""

    settings: Settings
    models: tuple[ModelRdm, ...]
    datasets: Mapping[str, str]
    plugin: Plugin
    work: Path
    output: Path
    run_id: str

    @property
    def log_file(self) -> Path:
        """Where the log is written while the run goes on."""
        return self.work / f"{self.run_id}.log"


def plan_job(checked: CheckedGroup, run: Run, index: int, n_groups: int) -> GroupJob:
    """Plan the files of a group, and check that they may be written.

    Parameters
    ----------
    checked : CheckedGroup
    run : Run
    index, n_groups : int
        Which of the groups that run together it is.

    Raises
    ------
    OutputError
        A file is there that was made with other settings or inputs.
    MissingFileError, ReadWriteError
        An input file cannot be read.
    """
    group, settings = checked.group, run.settings
    at_once = 1 if run.plugin.is_serial else min(n_groups, run.plugin.n_procs)
    n_threads = settings.run.omp_nthreads or max(1, run.plugin.n_procs // at_once)
    n_threads = threads_that_fit(
        checked.size, min(n_threads, run.plugin.n_procs), run.plugin.memory_gb
    )
    needs = memory_needs(checked.size, n_threads)
    estimates = _plan_estimates(group, run)
    known = {planned.run.path: planned.input_hash for planned in estimates}
    hashes = hash_group(group, run.plugin.n_procs, known)
    planned = plan_files(group, settings.rsa, run.models, hashes)
    if not settings.run.overwrite:
        check_replaceable(run.output, (*(f for e in estimates for f in e.planned), *planned))
    pictured = [file.path for file in planned if not file.path.endswith("_mask.nii.gz")]
    roots = (dataset_root(path, run.datasets) for path in _input_files(group))
    links = link_datasets(roots, run.datasets)
    if estimates:
        links[str(run.output)] = THIS_DATASET
    return GroupJob(
        group=group,
        rsa=settings.rsa,
        models=run.models,
        planned=planned,
        figures=with_vectors(figure_path(path, group) for path in pictured),
        links=tuple(links.items()),
        input_hash=" ".join(hashes.as_dict().values()),
        output_dir=str(run.output),
        n_threads=n_threads,
        needs=needs,
        bar_position=index % at_once,
        estimates=estimates,
    )


def _plan_estimates(group: Analysis, run: Run) -> tuple[PlannedRun, ...]:
    """Plan the runs that the images of a group are estimated from, where they are."""
    settings, hashes = run.settings.run, hash_runs(group.bold_runs, run.plugin.n_procs)
    return tuple(
        plan_run_files(
            bold, hashes[bold.path], settings.keep_residuals, estimation_gb(bold, n_voxels(bold))
        )
        for bold in group.bold_runs
    )


def _input_files(group: Analysis) -> Iterable[str]:
    """Name the files that sidecars name as sources."""
    for image in group.images:
        if image.reader == ESTIMATE:
            continue
        yield image.path
        if image.variance_path:
            yield image.variance_path
    for bold in group.bold_runs:
        yield from run_sources(bold)
    yield from (*group.brain_mask.paths, *group.roi_mask.paths)
