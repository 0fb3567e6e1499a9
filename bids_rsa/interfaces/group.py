"""Nipype interfaces of the group level: read scores, permute, correct, write, draw."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from bids_rsa.interfaces.base import (  # first: it silences Nipype's look-up
    FiguresOutput,
    ImagesOutput,
    RecordingInterface,
    as_texts,
    saved_record,
)

# isort: split
from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, traits

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.clusters import ClusterSet
from bids_rsa.core.inference.condition_null import ConditionTest
from bids_rsa.core.inference.design import Design
from bids_rsa.core.inference.group_maps import Cluster
from bids_rsa.core.inference.observed import Observed
from bids_rsa.core.inference.permute import Null
from bids_rsa.core.inference.plan import Plan
from bids_rsa.core.inference.relabel import Relabelings
from bids_rsa.core.inference.stelzer import StelzerTest
from bids_rsa.group.load import GroupScores, gather_scores
from bids_rsa.group.names import group_geometry_path
from bids_rsa.group.null_tests import run_by_null_maps
from bids_rsa.group.permutation_run import (
    Prepared,
    prepare_group_test,
    read_null,
    run_permutations,
    save_null,
)
from bids_rsa.group.records import GroupTest
from bids_rsa.group.tests import GroupResult, joint_maxima, make_result
from bids_rsa.group.write import GroupJob, write_result
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.interfaces.work_files import DamagedWorkError, load_record, save_record
from bids_rsa.patterns.places import SPACES


class _ReadInput(BaseInterfaceInputSpec):
    test = traits.Instance(GroupTest, mandatory=True)
    version = traits.Str(mandatory=True, desc="version of the app")


class _ReadOutput(TraitedSpec):
    scores = saved_record(desc="transformed scores of all participants inside the mask")


class ReadScores(RecordingInterface):
    """Read the participants' maps once, transform them, find the voxels that are tested."""

    input_spec = _ReadInput
    output_spec = _ReadOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Load the scores of a test."""
        with self.recorded(runtime) as folder:
            self._results["scores"] = save_record(gather_scores(self.inputs.test), folder, "scores")
        return runtime


class _PermuteInput(BaseInterfaceInputSpec):
    test = traits.Instance(GroupTest, mandatory=True)
    scores = saved_record(mandatory=True)
    version = traits.Str(mandatory=True)
    state_dir = traits.Str(mandatory=True, nohash=True, desc="where finished blocks are kept")
    n_threads = traits.Int(1, usedefault=True, nohash=True)


class _PermuteOutput(TraitedSpec):
    null = File(exists=True, desc="null distributions of every statistic")
    by_null_maps = saved_record(desc="what the participants' null maps say, where they are used")
    ready = saved_record(desc="the test as it was prepared")


class PermuteScores(RecordingInterface):
    """Flip signs or permute rows, and keep the maxima of every statistic."""

    input_spec = _PermuteInput
    output_spec = _PermuteOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Run the permutations."""
        test = self.inputs.test
        with self.recorded(runtime) as folder:
            scores, path = _scores(self.inputs.scores), folder / "null.npz"
            ready = prepare_group_test(test, scores)
            self._results["ready"] = save_record(ready, folder, "ready")
            self._results["by_null_maps"] = []
            if test.settings.uses_null_maps:
                found, null = run_by_null_maps(
                    test, scores, ready.adjacency, folder, self.inputs.n_threads, self._bar
                )
                self._results["by_null_maps"] = save_record(found, folder, "by_null_maps")
            else:
                with self._bar(ready.relabelings.n_draws, "permutations") as advance:
                    state = Path(self.inputs.state_dir)
                    null = run_permutations(ready, state, self.inputs.n_threads, advance)
            save_null(null, path)
            self._results["null"] = str(path)
        return runtime

    def _bar(self, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
        """Make the bar of what is counted."""
        return progress_bar(total, self.inputs.test.title, 0, unit)


class _CorrectInput(BaseInterfaceInputSpec):
    test = traits.Instance(GroupTest, mandatory=True)
    scores = saved_record(mandatory=True)
    ready = saved_record(mandatory=True)
    null = File(exists=True, mandatory=True)
    joint_nulls = traits.List(
        File(exists=True), [], usedefault=True, desc="those of all tests corrected together"
    )
    by_null_maps = saved_record(desc="what the participants' null maps say, where they are used")
    version = traits.Str(mandatory=True)


class _CorrectOutput(TraitedSpec):
    result = saved_record(desc="all maps, clusters and numbers of the test")


class CorrectScores(RecordingInterface):
    """Compare the observed statistics with their null distributions."""

    input_spec = _CorrectInput
    output_spec = _CorrectOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Make the maps of a test."""
        with self.recorded(runtime) as folder:
            inputs = self.inputs
            scores, null = _scores(inputs.scores), _null(inputs.null)
            joint = [_null(path) for path in inputs.joint_nulls] or [null]
            ready = load_record(inputs.ready, Prepared, Plan, Design, Relabelings, Adjacency)
            result = make_result(
                inputs.test, scores, ready, null, joint_maxima(joint), self._by_null_maps()
            )
            self._results["result"] = save_record(result, folder, "result")
        return runtime

    def _by_null_maps(self) -> ConditionTest | StelzerTest | None:
        """Load what the participants' null maps say, where they are used."""
        group, files = self.inputs.test.settings, self.inputs.by_null_maps
        if group.null == "stelzer":
            return load_record(files, StelzerTest, ClusterSet)
        if group.null == "conditions":
            return load_record(files, ConditionTest, Observed, ClusterSet, Null)
        return None


def _scores(paths: Any) -> GroupScores:
    """Load the scores of a test."""
    return load_record(paths, GroupScores, *SPACES)


def _null(path: str) -> Any:
    """Read a null distribution that must be there."""
    null = read_null(Path(path))
    if null is None:
        raise DamagedWorkError(f"The null distribution {path} is incomplete")
    return null


class _SinkInput(BaseInterfaceInputSpec):
    job = traits.Instance(GroupJob, mandatory=True)
    scores = saved_record(mandatory=True)
    result = saved_record(mandatory=True)


class SinkGroup(RecordingInterface):
    """Write maps, mask, tables and sidecars under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _SinkInput
    output_spec = ImagesOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Write the result of a test."""
        with self.recorded(runtime):
            result = load_record(self.inputs.result, GroupResult, Cluster)
            job, scores = self.inputs.job, _scores(self.inputs.scores)
            images = write_result(job, scores, result)
            if job.test.surfaces:  # the viewer of the page shows maps also where none is drawn
                from bids_rsa.reports.surface_viewer import keep_geometry  # imports matplotlib

                path = Path(job.output_dir) / group_geometry_path(job.test)
                keep_geometry(path, scores.space, job.test.surfaces)
            self._results["images"] = as_texts(images)
        return runtime


class _DrawInput(BaseInterfaceInputSpec):
    job = traits.Instance(GroupJob, mandatory=True)
    scores = saved_record(mandatory=True)
    result = saved_record(mandatory=True)
    images = traits.List(File(exists=True), mandatory=True)


class DrawGroup(RecordingInterface):
    """Draw the thresholded map, the null distribution and the scores at the peaks."""

    _always_run = True
    input_spec = _DrawInput
    output_spec = FiguresOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Draw the result of a test."""
        with self.recorded(runtime):
            from bids_rsa.reports.group_pictures import draw_result  # imports matplotlib

            result = load_record(self.inputs.result, GroupResult, Cluster)
            figures = draw_result(self.inputs.job, _scores(self.inputs.scores), result)
            self._results["figures"] = as_texts(figures)
        return runtime
