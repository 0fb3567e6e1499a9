"""Jobs are run through Nipype: their graph, what failed and why, and a second try."""

import errno
import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from bids_rsa.app.plugins import CRASH_FOLDER
from bids_rsa.app.running import Running
from bids_rsa.errors import BidsRsaError, ReadWriteError
from bids_rsa.interfaces.work_files import FAILURE_FILE
from bids_rsa.shortage import as_shortage, chain

LOGGER = logging.getLogger(__name__)


class HasName(Protocol):
    """What is run here: it has a name that no other job of the run has."""

    @property
    def name(self) -> str:
        """The name."""


Job = TypeVar("Job", bound=HasName)
AnyJob = TypeVar("AnyJob", bound=HasName, contravariant=True)


class Graphs(Protocol[AnyJob]):
    """How jobs of one kind are run."""

    def build(self, jobs: Sequence[AnyJob]) -> Any:
        """Make the graph of jobs."""

    def folders(self, job: AnyJob) -> Sequence[Path]:
        """Say where a job alone works."""

    def is_complete(self, job: AnyJob) -> bool:
        """Tell whether a job's results are there."""


class UnexpectedError(BidsRsaError):
    """A node failed for a reason that is not the user's."""


class FullDiskError(ReadWriteError):
    """A node could not write."""


@dataclass
class Clock:
    """How long the nodes of each participant took together, as Nipype reports it."""

    started: dict[str, float] = field(default_factory=dict)
    taken: dict[str, float] = field(default_factory=dict)

    def __call__(self, node: Any, status: str) -> None:
        """Take a report: node and ``start``, ``end`` or ``exception``."""
        if status == "start":
            self.started[node.fullname] = time.monotonic()
        elif node.fullname in self.started:
            subject = node.fullname.split(".")[1]
            seconds = time.monotonic() - self.started.pop(node.fullname)
            self.taken[subject] = self.taken.get(subject, 0.0) + seconds
            LOGGER.debug("%s: %s took %.1f s.", subject, node.name, seconds)

    def seconds(self, subject: str) -> float:
        """Time that a participant's own nodes took."""
        return self.taken.get(subject, 0.0)


class Caught:
    """Catches what Nipype raises once a node has failed and the others are done."""

    error: Exception | None = None

    def __enter__(self) -> "Caught":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.error = error
        return True


def run_jobs(
    jobs: Sequence[Job], graphs: Graphs[Job], running: Running, clock: Clock
) -> dict[str, BidsRsaError]:
    """Run jobs; those that a damaged work directory lets fail run once more, without it.

    A work directory may have lost files to a full disk, or to a cluster that clears old ones away.

    Parameters
    ----------
    jobs : sequence
    graphs : Graphs
        How they are run.
    running : Running
        Where they are run, and by which plugin.
    clock : Clock
        Is told of every node.

    Returns
    -------
    dict
        By name, why each job that is not complete is not.
    """
    reused = {job.name for job in jobs if any(folder.exists() for folder in graphs.folders(job))}
    failures: dict[str, BidsRsaError] = {}
    while jobs:
        _forget_failures([folder for job in jobs for folder in graphs.folders(job)])
        workflow = graphs.build(jobs)
        running.plugin.declare_needs(workflow)
        with Caught() as caught:
            workflow.run(**running.plugin.arguments_of_run(clock))
        missing = [job for job in jobs if not graphs.is_complete(job)]
        failures |= {
            job.name: _failure(graphs.folders(job), caught.error, running.work) for job in missing
        }
        jobs = [job for job in missing if job.name in reused]
        jobs = [job for job in jobs if isinstance(failures[job.name], UnexpectedError)]
        for job in jobs:
            del failures[job.name]
            LOGGER.warning("%s is damaged and will be computed again.", graphs.folders(job)[0])
            for folder in graphs.folders(job):
                shutil.rmtree(folder, ignore_errors=True)
        reused = set()
    return failures


def _forget_failures(folders: Sequence[Path]) -> None:
    """Remove the records of failures that earlier runs left."""
    for folder in folders:
        for stale in folder.rglob(FAILURE_FILE):
            stale.unlink()


def _failure(folders: Sequence[Path], raised: Exception | None, work: Path) -> BidsRsaError:
    """Find out why a job is not complete."""
    known = (_find_failure(folder, raised, work) for folder in folders)
    return next(filter(None, known), None) or UnexpectedError(
        "It did not finish." if raised is None else f"It did not finish: {raised}",
        f"Nipype's report is in {work / CRASH_FOLDER}, if it could write one.",
    )


def _find_failure(folder: Path, raised: Exception | None, work_dir: Path) -> BidsRsaError | None:
    """Find out what failed under a working directory, from the records that the nodes left."""
    for path in sorted(folder.rglob(FAILURE_FILE)):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:  # not even the record found room
            return FullDiskError("Writing failed: no space left on device.", "Make room.")
        return _error(record["exit_code"], record["message"], record["hint"], work_dir)
    if raised is None:
        return None
    for error in chain(raised):
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return FullDiskError(
                f"Writing failed: {error.strerror}.", "Make room, and start again."
            )
        if isinstance(error, UnicodeEncodeError):
            return ReadWriteError(
                f"Nipype writes its files in the encoding of the locale ({error.encoding}), which "
                f"lacks {error.object[error.start]!r}.",
                "Set LC_ALL=C.UTF-8 (or PYTHONUTF8=1), and start again.",
            )
    if shortage := as_shortage(raised):
        return shortage
    told = " ".join(map(str, chain(raised)))
    if "BrokenProcessPool" in told:
        return UnexpectedError(
            "A worker process was killed while it worked on this or another participant; "
            "systems do that when memory runs out.",
            "Give more memory, or fewer --nprocs; the same command resumes the run.",
        )
    if "No space left on device" in told:
        return FullDiskError("Writing failed: no space left on device.", "Make room, start again.")
    return None


def _error(exit_code: int, message: str, hint: str, work_dir: Path) -> BidsRsaError:
    """Make the error again that a node raised."""
    classes = {cls.exit_code: cls for cls in reversed(BidsRsaError.__subclasses__())}
    if exit_code in classes and exit_code != UnexpectedError.exit_code:
        return classes[exit_code](message, hint)
    return UnexpectedError(message, f"Nipype's report is in {work_dir / CRASH_FOLDER}.")
