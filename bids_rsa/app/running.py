"""One call while it runs: what it may use, where its files go, and its log."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.app.closing import remove_empty
from bids_rsa.app.plugins import CRASH_FOLDER, Plugin, choose_plugin, configure, shows_all
from bids_rsa.app.work_folder import ATTEMPTS, make_work_dir, work_dir
from bids_rsa.machine import find_machine
from bids_rsa.needs import usable_memory
from bids_rsa.options.arguments import as_toml
from bids_rsa.outputs.provenance import new_run_id
from bids_rsa.outputs.run_logs import write_run_log
from bids_rsa.settings import RunSettings, Settings

LOGGER = logging.getLogger(__name__)
LogTo = Callable[[Path], bool]


@dataclass(frozen=True)
class Resources:
    """What a call may use: CPUs, memory in GiB, and where the limit of memory comes from."""

    n_procs: int
    memory_gb: float
    memory_from: str


@dataclass(frozen=True)
class Running:
    """One call while it runs.

    ``toml`` are all settings of the call as ``--config-file`` reads them, which are kept with its
    log.
    """

    settings: RunSettings
    toml: str
    plugin: Plugin
    work: Path
    output: Path
    run_id: str

    @property
    def log_file(self) -> Path:
        """Where the log is written while the run goes on."""
        return self.work / f"{self.run_id}.log"

    @property
    def keeps_work(self) -> bool:
        """Whether intermediate results are wanted after success."""
        return self.settings.work_dir is not None or self.settings.debug

    def configure(self) -> None:
        """Set Nipype's configuration for this run."""
        configure(self.work, self.settings.stop_on_first_crash, shows_all(self.settings))

    def keep_log(self, folder: Path) -> None:
        """Write the settings, and the log so far, into a folder ``log`` next to the results."""
        log = self.log_file.read_text(encoding="utf-8") if self.log_file.exists() else ""
        write_run_log(folder, self.run_id, self.toml, log)

    def remove_empty(self, *graphs: Path) -> None:
        """Remove the folders of graphs and the work directory as far as they are empty."""
        remove_empty((*graphs, self.work / CRASH_FOLDER, self.work, self.work.parent))


@dataclass(frozen=True)
class Call:
    """One call of a level: how it is to run, what it may use, all its settings, and its log.

    ``toml`` are the settings of the call; ``log_to`` makes the log go to a file as well, and
    returns False where its folder is not there any more.
    """

    asked: RunSettings
    toml: str
    resources: Resources
    log_to: LogTo

    def plugin(self, n_jobs: int, default: str | None = None) -> Plugin:
        """Choose how Nipype runs so many jobs; see `choose_plugin`."""
        wish = self.asked.use_plugin or default
        return choose_plugin(wish, self.resources.n_procs, self.resources.memory_gb, n_jobs)

    def start(self, plugin: Plugin) -> Running:
        """Make the work directory, name the run, and begin its log.

        A run next to this one removes the work directory at its end unless something is in it, as
        this log.
        """
        output = Path(self.asked.output_dir).absolute()
        folder = work_dir(self.asked.work_dir, self.asked.output_dir)
        for _ in range(ATTEMPTS):
            work = make_work_dir(folder, output)
            running = Running(self.asked, self.toml, plugin, work, output, new_run_id())
            if self.log_to(running.log_file):
                break
        else:
            LOGGER.warning("Other runs remove the work directory %s: this run has no log.", work)
        return running


def begin(settings: Settings, log_to: LogTo) -> Call:
    """Find what this process may use and was asked to use, and log what there is."""
    machine, asked = find_machine(), settings.run
    LOGGER.info(machine.sentence())
    n_procs = asked.n_procs or machine.n_cpus
    resources = Resources(n_procs, *usable_memory(machine, asked.mem_gb))
    return Call(asked, as_toml(settings), resources, log_to)
