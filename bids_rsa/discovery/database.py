"""--bids-database-dir: pybids' index of a dataset, made once and used again.

Without it folders are walked again, which is faster than making an index (one participant of 100 in
a fraction of a second) but slow on some network disks. One index is kept for each dataset; it is
never made where no one asked for it, because SQLite locks on network disks and fails in read-only
folders.
"""

import hashlib
import logging
import os
import re
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.folders import SKIPPED_FOLDERS
from bids_rsa.errors import OutputError, ReadWriteError
from bids_rsa.locks import locked

LOGGER = logging.getLogger(__name__)
LOCK_SECONDS = 600
VERSION = 2  # increased when an index contains other files than before
_SUBJECT = re.compile(r"^(?:node-[^/]+/)?sub-([^/]+)/")
Paths = dict[str, list[str]]


def indexed_paths(
    dataset: Dataset, database_dir: str, config: dict[str, Any], wanted: re.Pattern[str]
) -> Paths:
    """List the files in a dataset's index by participant, making the index where there is none.

    Parameters
    ----------
    dataset : Dataset
    database_dir : str
    config : dict
        pybids configuration with the entities to index.
    wanted : re.Pattern
        Only files whose names match are kept in the index.

    Raises
    ------
    OutputError
        The folder cannot be created or written.
    ReadWriteError
        The index cannot be read.
    """
    # an index made for other files is not used again
    key = hashlib.sha256(f"{dataset.path}\0{wanted.pattern}\0{VERSION}".encode()).hexdigest()[:8]
    folder = Path(database_dir).absolute() / f"{dataset.name}-{key}"
    if not (folder / "layout_index.sqlite").is_file():
        _make(dataset, folder, config, wanted)
    try:
        found = _read(dataset, folder)
    except Exception as error:  # sqlalchemy and sqlite raise many kinds
        raise ReadWriteError(
            f"pybids' index in {folder} cannot be read: {type(error).__name__}: {error}.",
            "Delete the folder; it is then created again.",
        ) from error
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(folder.stat().st_mtime))
    LOGGER.info("Using pybids' index of %s in %s, made %s.", dataset.path, folder, made)
    return found


def _make(dataset: Dataset, folder: Path, config: dict[str, Any], wanted: re.Pattern[str]) -> None:
    """Index a dataset beside, and rename the index when it is whole."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(Path(f"{folder}.lock"), LOCK_SECONDS):
            if (folder / "layout_index.sqlite").is_file():
                return  # another process made it meanwhile
            for unfinished in folder.parent.glob(f".{folder.name}.*"):  # a killed process left it
                shutil.rmtree(unfinished, ignore_errors=True)
            LOGGER.info("Indexing %s with pybids into %s ...", dataset.path, folder)
            unneeded = _Unneeded(dataset.path, wanted)
            indexer = BIDSLayoutIndexer(validate=False, index_metadata=False, ignore=[unneeded])
            BIDSLayout(
                dataset.path, validate=False, config=[config], indexer=indexer, database_path=beside
            ).connection_manager.engine.dispose()
            beside.rename(folder)
    except OSError as error:
        raise OutputError(
            f"--bids-database-dir {folder.parent} cannot be written: {error.strerror or error}.",
            "Give a folder on a local disk, or leave the option out.",
        ) from error
    finally:
        with suppress(OSError):
            shutil.rmtree(beside)


@dataclass(frozen=True)
class _Unneeded:
    """The files and folders that are not indexed; pybids calls ``search`` with each path.

    A regular expression will not do: it cannot tell a file from a folder with a dot in its name.
    """

    root: str
    wanted: re.Pattern[str]

    def search(self, path: str) -> bool:
        """Tell whether a path (relative to the dataset, with a leading slash) is left out."""
        name = path.rpartition("/")[2]
        if Path(f"{self.root}{path}").is_dir():
            return name in SKIPPED_FOLDERS
        return not self.wanted.search(name)


def _read(dataset: Dataset, folder: Path) -> Paths:
    """Read the paths of all files from an index."""
    from bids.layout.db import ConnectionManager
    from bids.layout.models import BIDSFile

    manager = ConnectionManager(folder)
    found: Paths = {}
    try:
        for (path,) in manager.session.query(BIDSFile.path).order_by(BIDSFile.path):
            match = _SUBJECT.match(os.path.relpath(path, dataset.path))
            if match:
                found.setdefault(match[1], []).append(path)
    finally:
        manager.session.close()
        manager.engine.dispose()
    return found
