"""How long something takes, and on what machine."""

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

PACKAGES = ("bids-rsa", "mne-rsa", "rsatoolbox", "nilearn", "numpy", "scipy", "numba")


def best_of(function: Callable[[], object], repeats: int, clock=time.process_time) -> float:
    """Fewest seconds of several runs.

    By default the processor time of this process: on one thread that is the wall time of a machine
    that does nothing else.
    """
    seconds = []
    for _ in range(repeats):
        start = clock()
        function()
        seconds.append(clock() - start)
    return min(seconds)


def machine() -> dict[str, object]:
    """Processor, cores and versions."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def _processor() -> str:
    """Name of the processor, as the system calls it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown"


def _version(name: str) -> str | None:
    """Installed version, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
