"""Nipype interface of noise ceilings: read the participants' images again, compute, write."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bids_rsa.interfaces.base import (  # first: it silences Nipype's look-up
    ImagesOutput,
    RecordingInterface,
    as_texts,
)

# isort: split
import numpy as np
from nipype.interfaces.base import BaseInterfaceInputSpec, File, traits

from bids_rsa.core.plain_statistics import known_mean_and_sd
from bids_rsa.group.ceiling_subjects import CeilingSubject, read_subject
from bids_rsa.group.ceiling_write import CeilingJob, plan_ceilings, write_ceiling
from bids_rsa.group.ceilings import compute_ceilings, count_ceiling_voxels
from bids_rsa.interfaces.progress import progress_bar

LOGGER = logging.getLogger(__name__)


class _CeilingInput(BaseInterfaceInputSpec):
    # it contains arrays; what is there is never taken from the cache
    job = traits.Instance(CeilingJob, mandatory=True, nohash=True)
    tested = traits.List(
        traits.List(File(exists=True)), [], usedefault=True, desc="the maps of each test"
    )


class NoiseCeiling(RecordingInterface):
    """Compute the noise ceilings of tests of the same images, and write their maps."""

    _always_run = True
    input_spec = _CeilingInput
    output_spec = ImagesOutput

    def _run_interface(self, runtime: Any) -> Any:
        """Write the ceilings."""
        with self.recorded(runtime) as folder:
            job = self.inputs.job
            output = Path(job.output_dir)
            # the patterns of all participants: of no use to another run
            with TemporaryDirectory(prefix="ceiling_", dir=folder) as room:
                sources, right = (
                    _read(subjects, Path(room) / name, job.n_threads)
                    for name, subjects in (("left", job.subjects), ("right", job.right))
                )
                total = count_ceiling_voxels(job.tests, output)
                with progress_bar(total, "noise ceiling", 0, job.tests[0].words[1]) as advance:
                    ceilings = compute_ceilings(
                        job.tests, sources, output, job.n_threads, advance, right
                    )
                del sources, right
            for test, ceiling in zip(job.tests, ceilings, strict=True):
                write_ceiling(test, plan_ceilings(test), ceiling, output, dict(job.links))
                bounds = [ceiling.maps[stat] for stat in ("ceilingLower", "ceilingUpper")]
                lower, upper = known_mean_and_sd(np.stack(bounds, axis=1))[0]
                LOGGER.info(
                    "%s: noise ceiling from %.3f to %.3f (means over %s).",
                    test.title, lower, upper, test.words[1],
                )  # fmt: skip
            self._results["images"] = as_texts(output / file.path for file in job.planned)
        return runtime


def _read(subjects: Sequence[CeilingSubject | None], room: Path, n_threads: int) -> list[Any]:
    """Read the images of some participants into a folder; None stays None."""
    room.mkdir()
    return [
        None if one is None else read_subject(one, room, n_threads, _bar_of_run) for one in subjects
    ]


def _bar_of_run(n_voxels: int, label: str) -> AbstractContextManager[Callable[[int], None]]:
    """Make the bar of a run whose residuals are estimated again."""
    return progress_bar(n_voxels, label, 0, "voxels", "")
