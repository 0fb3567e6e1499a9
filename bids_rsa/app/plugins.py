"""Nipype's way to run: its plugin, its arguments, and its configuration."""

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bids_rsa.errors import OptionError
from bids_rsa.settings import RunSettings

CRASH_FOLDER = "crash"
POLL_SECONDS = 0.1  # Nipype's own default, 2 s, is what many short nodes wait for


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

    def arguments_of_run(self, clock: Any) -> dict[str, Any]:
        """Give the arguments of Nipype's ``Workflow.run``; ``clock`` is told of every node."""
        arguments = {**self.arguments, "status_callback": clock}
        if self.name != "MultiProc":
            return {"plugin": self.name, "plugin_args": arguments}
        from bids_rsa.app.worker_pool import WorkerPool  # imports Nipype

        return {"plugin": WorkerPool(arguments), "plugin_args": arguments}

    def declare_needs(self, workflow: Any) -> None:
        """Ask SLURM for what each node declares to need, which Nipype's plugin does not."""
        if self.name != "SLURM":
            return
        for name in workflow.list_node_names():
            node = workflow.get_node(name)
            mem_mb = math.ceil(node.mem_gb * 1024)
            node.plugin_args = {"sbatch_args": f"--cpus-per-task={node.n_procs} --mem={mem_mb}M"}


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
