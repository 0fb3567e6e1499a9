"""The end of a run at either level: its log is kept beside the results, empty folders go."""

import fcntl
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from bids_rsa.options.arguments import as_toml
from bids_rsa.outputs.dataset_files import write_text
from bids_rsa.settings import Settings


def keep_log(folder: Path, settings: Settings, log_file: Path) -> None:
    """Write a run's settings, and its log so far, into a folder beside its results.

    Parameters
    ----------
    folder : Path
    settings : Settings
        As ``--config-file`` reads them.
    log_file : Path
        The log in the work directory; it may not exist.
    """
    write_text(folder / "bids_rsa.toml", as_toml(settings))
    log = log_file.read_text(encoding="utf-8") if log_file.exists() else ""
    write_text(folder / "bids_rsa.log", log)


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
