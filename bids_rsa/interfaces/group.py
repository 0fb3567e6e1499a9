"""Nipype interfaces of the group level: gather scores, permute, write."""

import logging
from pathlib import Path
from typing import Any

from nipype.interfaces.base import BaseInterfaceInputSpec, File, TraitedSpec, traits

from bids_rsa.group_level.compute import prepare, run_permutations
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.scores import describe_losses, load_scores
from bids_rsa.group_level.store import load_group_scores, load_null, save_null, save_scores
from bids_rsa.interfaces.base import RecordingInterface
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.report.group_results import write_test

LOGGER = logging.getLogger(__name__)


class _GatherInput(BaseInterfaceInputSpec):
    test = traits.Instance(GroupTest, mandatory=True)
    input_hash = traits.Str(mandatory=True, desc="hash of the content of all maps and masks")
    version = traits.Str(mandatory=True, desc="version of the app")


class _GatherOutput(TraitedSpec):
    scores = File(exists=True, desc="transformed scores of all subjects in the group mask")


class GatherScores(RecordingInterface):
    """Read the participants' maps, transform them, and find the group mask."""

    input_spec = _GatherInput
    output_spec = _GatherOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Read, say what the mask lost, store."""
        test = self.inputs.test
        data = load_scores(test)
        LOGGER.info("%s: %s", test.words, describe_losses(test.subjects, data))
        if data.n_clipped:
            LOGGER.info(
                "%s: %d scores of 1 were moved half a rank step inwards for Fisher's transform.",
                test.words,
                data.n_clipped,
            )
        return {"scores": save_scores(data, folder / "scores.npz")}


class _PermuteInput(BaseInterfaceInputSpec):
    test = traits.Instance(GroupTest, mandatory=True)
    scores = File(exists=True, mandatory=True)
    version = traits.Str(mandatory=True)
    checkpoint = traits.Str(mandatory=True, nohash=True, desc="where finished blocks are kept")
    n_threads = traits.Int(1, usedefault=True, nohash=True)


class _PermuteOutput(TraitedSpec):
    null = File(exists=True, desc="null distributions of all statistics")


class PermuteSubjects(RecordingInterface):
    """Test across subjects, and relabel them many times."""

    input_spec = _PermuteInput
    output_spec = _PermuteOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Permute from the last finished block on."""
        test, checkpoint = self.inputs.test, Path(self.inputs.checkpoint)
        ready = prepare(test, load_group_scores(self.inputs.scores))
        n_draws = ready.relabelings.n_draws
        with progress_bar(n_draws, test.words, 0, unit="permutations") as advance:
            null = run_permutations(ready, checkpoint, self.inputs.n_threads, advance)
        path = save_null(null, folder / "null.npz")
        checkpoint.unlink(missing_ok=True)
        return {"null": path}


class _WriteInput(BaseInterfaceInputSpec):
    test = traits.Instance(GroupTest, mandatory=True)
    family = traits.Tuple(mandatory=True, desc="all tests of the call")
    scores = File(exists=True, mandatory=True)
    null = File(exists=True, mandatory=True)
    family_nulls = traits.List(File(exists=True), desc="nulls of all tests (--fwe-over models)")
    output_dir = traits.Str(mandatory=True)


class _WriteOutput(TraitedSpec):
    written = traits.List(traits.Str(), desc="paths in the dataset")


class WriteGroup(RecordingInterface):
    """Write maps, tables and pictures of a test under their final names."""

    # the output may have been deleted since: what is there is never taken from the cache
    _always_run = True
    input_spec = _WriteInput
    output_spec = _WriteOutput

    def _call(self, folder: Path) -> dict[str, Any]:
        """Correct, threshold, write."""
        written = write_test(
            self.inputs.test,
            self.inputs.family,
            load_group_scores(self.inputs.scores),
            load_null(self.inputs.null),
            [load_null(path) for path in self.inputs.family_nulls or []],
            Path(self.inputs.output_dir),
        )
        return {"written": written}
