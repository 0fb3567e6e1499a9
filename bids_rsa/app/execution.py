"""Nipype as it is run here: its settings, its plugin, and what failed."""

import errno
import json
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import yaml

from bids_rsa.errors import BidsRsaError, OptionError, ReadWriteError
from bids_rsa.interfaces.work_files import FAILURE_FILE
from bids_rsa.settings import RunSettings

LOGGER = logging.getLogger(__name__)


class HasName(Protocol):
    """What is run here: it has a name that no other job of the run has."""

    @property
    def name(self) -> str:
        """The name."""


Job = TypeVar("Job", bound=HasName)
CRASH_FOLDER = "crash"
POLL_SECONDS = 0.1  # Nipype's own default, 2 s, is what many short nodes wait for


class UnexpectedError(BidsRsaError):
    """A node failed for a reason that is not the user's."""


class FullDiskError(ReadWriteError):
    """A node could not write."""


@dataclass(frozen=True)
class Plugin:
    """Nipype's way to run: its name, its arguments, and what it may use."""

    name: str
    arguments: dict[str, Any]
    n_procs: int
    memory_gb: float

    @property
    def is_serial(self) -> bool:
        """Whether one node runs at a time, in this process."""
        return self.name == "Linear"


@dataclass
class Clock:
    """How long the nodes of each subject took together, as Nipype reports it."""

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
        """Time that a subject's own nodes took."""
        return self.taken.get(subject, 0.0)


def choose_plugin(use_plugin: str | None, n_procs: int, memory_gb: float, n_jobs: int) -> Plugin:
    """Choose how Nipype runs.

    Without a wish, several jobs run in several processes, and a single one in this process: its
    searchlight uses all CPUs through threads.

    Raises
    ------
    OptionError
        No such plugin, or a file that is not YAML with a plugin in it.
    """
    if use_plugin is None:
        use_plugin = "MultiProc" if n_jobs > 1 and n_procs > 1 else "Linear"
    if use_plugin == "Linear":
        return Plugin("Linear", {}, n_procs, memory_gb)
    if use_plugin == "MultiProc":
        arguments = {"n_procs": n_procs, "memory_gb": memory_gb, "raise_insufficient": False}
        return Plugin("MultiProc", arguments, n_procs, memory_gb)
    return _plugin_from_file(use_plugin, n_procs, memory_gb)


def _plugin_from_file(path: str, n_procs: int, memory_gb: float) -> Plugin:
    """Read plugin and plugin_args from a YAML file."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError:
        raise OptionError(
            f"--use-plugin {path} is neither Linear nor MultiProc nor a file that can be read.",
            "Give one of the two names, or a YAML file with plugin and plugin_args.",
        ) from None
    except yaml.YAMLError as error:
        raise OptionError(f"--use-plugin {path} is not YAML: {error}.") from None
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise OptionError(
            f"--use-plugin {path} names no plugin.",
            "Expected YAML with a key 'plugin', and 'plugin_args' where needed.",
        )
    # Nipype's SLURM plugin asks for it, and batch jobs and containers may not set it
    os.environ.setdefault("LOGNAME", os.environ.get("USER", f"uid{os.getuid()}"))
    return Plugin(content["plugin"], content.get("plugin_args") or {}, n_procs, memory_gb)


def configure(work_dir: Path, stop_on_first_crash: bool, with_messages: bool) -> None:
    """Set Nipype's configuration, and show or hide its own messages."""
    import nipype  # takes seconds

    nipype.config.update_config(
        {
            "execution": {
                "crashdump_dir": str(work_dir / CRASH_FOLDER),
                "crashfile_format": "txt",
                "stop_on_first_crash": str(stop_on_first_crash).lower(),
                "poll_sleep_duration": str(POLL_SECONDS),
                "create_report": "false",
                "check_version": "false",
            },
            "logging": {"log_to_file": "false"},
        }
    )
    for name in ("nipype", "nipype.workflow", "nipype.interface", "nipype.utils"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.INFO if with_messages else logging.CRITICAL + 1)


def shows_all(run: RunSettings) -> bool:
    """Tell whether Nipype's messages are wanted, too."""
    return run.debug or run.verbosity > 1


def run_jobs(
    jobs: Sequence[Job],
    build: Callable[[Sequence[Job]], Any],
    folders_of: Callable[[Job], Sequence[Path]],
    is_complete: Callable[[Job], bool],
    plugin: Plugin,
    clock: Clock,
    work: Path,
) -> dict[str, BidsRsaError]:
    """Run jobs; those that a damaged work directory lets fail run once more, without it.

    A work directory may have lost files to a full disk, or to a cluster that clears old ones away.

    Parameters
    ----------
    jobs : sequence
    build : callable
        Makes the graph of jobs.
    folders_of : callable
        Gives the folders that a job alone works in.
    is_complete : callable
        Tells whether a job's results are there.
    plugin, clock, work
        How to run, who is told, and the work directory.

    Returns
    -------
    dict
        By name, why each job that is not complete is not.
    """
    reused = {job.name for job in jobs if any(folder.exists() for folder in folders_of(job))}
    failures: dict[str, BidsRsaError] = {}
    while jobs:
        folders = [folder for job in jobs for folder in folders_of(job)]
        raised = _run_workflow(build(jobs), folders, plugin, clock)
        missing = [job for job in jobs if not is_complete(job)]
        failures |= {job.name: _failure(folders_of(job), raised, work) for job in missing}
        jobs = [job for job in missing if job.name in reused]
        jobs = [job for job in jobs if isinstance(failures[job.name], UnexpectedError)]
        for job in jobs:
            del failures[job.name]
            LOGGER.warning("%s is damaged, and is made again.", folders_of(job)[0])
            for folder in folders_of(job):
                shutil.rmtree(folder, ignore_errors=True)
        reused = set()
    return failures


def _failure(folders: Sequence[Path], raised: Exception | None, work: Path) -> BidsRsaError:
    """Find out why a job is not complete."""
    known = (_find_failure(folder, raised, work) for folder in folders)
    return next(filter(None, known), None) or UnexpectedError(
        "It did not finish." if raised is None else f"It did not finish: {raised}",
        f"Nipype's report is in {work / CRASH_FOLDER}, if it could write one.",
    )


def _run_workflow(
    workflow: Any, folders: Sequence[Path], plugin: Plugin, clock: Clock
) -> Exception | None:
    """Run a graph to its end, whatever node fails; return what Nipype raised, in its own words."""
    for folder in folders:
        for stale in folder.rglob(FAILURE_FILE):
            stale.unlink()
    arguments = {**plugin.arguments, "status_callback": clock}
    runner: Any = plugin.name
    if plugin.name == "MultiProc":
        from bids_rsa.app.worker_pool import WorkerPool  # imports Nipype

        runner = WorkerPool(arguments)
    _declare_needs(workflow, plugin)
    try:
        workflow.run(plugin=runner, plugin_args=arguments)
    except Exception as error:
        return error
    return None


def _declare_needs(workflow: Any, plugin: Plugin) -> None:
    """Ask SLURM for what each node declares to need, which Nipype's plugin does not."""
    if plugin.name != "SLURM":
        return
    for name in workflow.list_node_names():
        node = workflow.get_node(name)
        mem_mb = math.ceil(node.mem_gb * 1024)
        node.plugin_args = {"sbatch_args": f"--cpus-per-task={node.n_procs} --mem={mem_mb}M"}


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
    for error in _chain(raised):
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            return FullDiskError(
                f"Writing failed: {error.strerror}.", "Make room, and start again."
            )
    told = " ".join(map(str, _chain(raised)))
    if "BrokenProcessPool" in told:
        return UnexpectedError(
            "A worker process was killed while it worked on this subject or beside it; systems do "
            "that when memory runs out.",
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


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that caused it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
