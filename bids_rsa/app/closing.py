"""The end of a run at either level: old logs and empty folders go."""

import fcntl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def remove_old_logs(work: Path) -> None:
    """Remove logs that killed runs left: each living run holds a lock on its own."""
    for path in work.glob("*_*.log"):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that are empty, in this order."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            continue  # another run's files are still in it, or it was never made
