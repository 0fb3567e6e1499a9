"""Runs whose operations on files are watched, and that stop themselves before one of them.

Python tells of each operation (its audit events) before it happens. A test that is to disturb a
run at a certain moment lets the run stop there by itself: none hits a moment by time, which a busy
machine does not keep.
"""

import fnmatch
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
# where each path stands in the arguments of an event, and the folder that it is relative to
OPERATIONS = {
    "open": ((0, None),),
    "os.rename": ((1, 3), (0, 2)),
    "os.remove": ((0, 1),),
    "os.mkdir": ((0, 2),),
    "os.rmdir": ((0, 1),),
    "os.link": ((0, 2), (1, 3)),
    "os.symlink": ((1, 2),),
    "os.chmod": ((0, 2),),
    "os.truncate": ((0, None),),
    "os.utime": ((0, 3),),
    "fcntl.flock": ((0, None),),
}
Hook = Callable[[str, str], None]


def watch(place: Path, hook: Hook) -> None:
    """Call ``hook`` with the name and the path of each operation below a folder, before it."""
    inside, busy = f"{place}/", False

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy or event not in OPERATIONS:
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & WRITING):
            return
        busy = True
        try:
            for path in _paths(event, arguments):
                if path.startswith(inside):
                    hook(event, path.removeprefix(inside))
                    break
        finally:
            busy = False

    sys.addaudithook(listen)


def _paths(event: str, arguments: tuple[Any, ...]) -> Iterator[str]:
    """The absolute paths that an operation is about."""
    for at, folder in OPERATIONS[event]:
        path = arguments[at]
        try:
            if isinstance(path, int):
                yield str(_opened(path))
                continue
            above = -1 if folder is None else arguments[folder]
            path = Path(os.fsdecode(path))
            yield str((_opened(above) / path if above not in (-1, None) else path).absolute())
        except (OSError, TypeError):
            continue


def _opened(descriptor: int) -> Path:
    """What an open descriptor stands for."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def start_until(
    place: Path, arguments: list[object], *, before: str = "", there: str = "", count: int = 1
) -> subprocess.Popen[str]:
    """Start the app in a session of its own, which stops itself and its workers at a moment.

    Parameters
    ----------
    place : Path
        Where its operations on files are watched.
    arguments : list
        Of the app.
    before : str
        It stops before the operation number ``count`` on a path of this pattern,
    there : str
        or before the first operation once ``count`` paths of this pattern are there.
    count : int
    """
    spec = {"place": str(place), "before": before, "there": there, "count": count}
    return subprocess.Popen(
        [sys.executable, __file__, json.dumps(spec), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until_stopped(process: subprocess.Popen[str]) -> None:
    """Wait until a process of `start_until` has stopped itself."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        process.returncode = os.waitstatus_to_exitcode(status)
        _, errors = process.communicate()
        raise AssertionError(f"ended before, with exit code {process.returncode}: {errors}")


def go_on(process: subprocess.Popen[str]) -> None:
    """Let a stopped process go on, with its workers."""
    os.killpg(process.pid, signal.SIGCONT)


def _stop_when(place: Path, before: str, there: str, count: int) -> None:
    """Stop this process and its workers, once: the first of them that gets there."""
    seen, once = 0, multiprocessing.get_context("fork").Semaphore()

    def look(_: str, path: str) -> None:
        nonlocal seen
        if before:
            seen += fnmatch.fnmatch(path, before)
        else:
            seen = len(list(place.glob(there)))
        if seen >= count and once.acquire(block=False):
            os.killpg(0, signal.SIGSTOP)

    watch(place, look)


if __name__ == "__main__":
    spec = json.loads(sys.argv.pop(1))
    _stop_when(Path(spec["place"]), spec["before"], spec["there"], spec["count"])
    from bids_rsa.cli import main

    sys.exit(main())
