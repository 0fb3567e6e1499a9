"""From tests to the jobs that a graph is built of: planned files, and the memory they need."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from bids_rsa.app.running import Resources
from bids_rsa.errors import ResourceError
from bids_rsa.group.ceiling_write import CeilingJob
from bids_rsa.group.find import map_datasets
from bids_rsa.group.names import plan_maps, plan_others
from bids_rsa.group.null_maps import find_draws
from bids_rsa.group.places import layout_of_map
from bids_rsa.group.records import GroupTest
from bids_rsa.group.statements import Tried
from bids_rsa.group.write import GroupJob
from bids_rsa.machine import GIB
from bids_rsa.outputs.analysis_job import node_name
from bids_rsa.outputs.bids_uris import dataset_root, link_datasets
from bids_rsa.outputs.derivatives import check_replaceable
from bids_rsa.settings import RunSettings
from bids_rsa.spaces.images import open_image

BASE_GB = 0.4  # the libraries, and the permuted maps that threads contain
SMOOTHING_BYTES = 5000  # a vertex, while the weights of its neighbours are found; measured
COPIES = 4  # of the scores: three while they are read, and what is tested
ADVICE = "Give this analysis a name with --label NAME, or choose another output directory (with -d "
ADVICE += "naming the folder of the participants' maps)"


def plan_jobs(
    tests: Sequence[GroupTest],
    tried: Tried,
    run: RunSettings,
    derivatives: Sequence[str],
    n_procs: int,
) -> list[GroupJob]:
    """Plan the files of each test, and check that they may be written.

    Parameters
    ----------
    tests : sequence of GroupTest
    tried : Tried
    run : RunSettings
    derivatives : sequence of str
        Where further maps were searched.
    n_procs : int

    Raises
    ------
    OutputError
        A file that was made with other settings, and may not be replaced.
    """
    together = len(tests) > 1 and tests[0].settings.fwe_over == "models"
    output = Path(run.output_dir).absolute()
    named = {one.path: one.name for one in map_datasets(str(output), derivatives) if one.name}
    jobs = []
    for test in tests:
        others = tuple(tests) if together else ()
        planned = plan_maps(test, others)
        if not run.overwrite:
            check_replaceable(output, planned, ADVICE)
        jobs.append(
            GroupJob(
                test=test,
                planned=planned,
                others=plan_others(test),
                tried=tried,
                n_joint=max(1, len(others)),
                output_dir=str(output),
                links=tuple(_links(test, output, named).items()),
                name=node_name(test.label),
                n_threads=run.omp_nthreads or n_procs,
                memory_gb=_memory_gb(test),
                # grayordinates without cortex cannot be drawn
                is_drawn=not run.no_figures and (test.form == "volume" or bool(test.surfaces)),
            )
        )
    return jobs


def _links(test: GroupTest, output: Path, named: Mapping[str, str]) -> dict[str, str]:
    """Name the datasets that a test's maps are in; the output's own name is empty."""
    paths = [path for member in test.members for one in member.all_maps for path in one.paths]
    roots = {dataset_root(path, {str(output), *named}) for path in paths}
    links = link_datasets(roots - {str(output)}, named)
    return links | {str(output): ""}


def _memory_gb(test: GroupTest) -> float:
    """Estimate the memory that a test's nodes need, in GiB."""
    n_maps = sum(len(member.all_maps) for member in test.members)
    first = test.members[0].maps[0][0]
    n_grid = layout_of_map(first).n_locations
    n_voxels = n_grid
    if first.form == "volume":
        n_voxels = int(np.count_nonzero(open_image(first.mask_path).dataobj))
    more = _null_bytes(test, n_voxels)
    if test.settings.smoothing_fwhm and test.form != "volume":
        more += SMOOTHING_BYTES * n_grid
    return BASE_GB + (COPIES * n_maps * n_voxels * 8 + (n_maps + 40) * n_grid + more) / GIB


def _null_bytes(test: GroupTest, n_voxels: int) -> int:
    """Estimate what null maps need: their means, or the places above the threshold of all draws."""
    group = test.settings
    if group.null == "conditions":
        return 3 * 4 * find_draws(test).n_draws * n_voxels
    if group.null == "stelzer":
        return int(24 * group.cluster_p * group.n_permutations * n_voxels)
    return 0


def refuse_large_job(job: GroupJob | CeilingJob, resources: Resources) -> None:
    """Refuse to start what will not fit into the memory there is."""
    if job.memory_gb > resources.memory_gb:
        raise ResourceError(
            f"{job.label} needs {job.memory_gb:.1f} GB of memory, and this process may use "
            f"{resources.memory_gb:.1f} GB ({resources.memory_from}).",
            "Ask for more memory (docker run --memory, sbatch --mem), or test a smaller part of "
            "the brain with a --group-mask.",
        )
