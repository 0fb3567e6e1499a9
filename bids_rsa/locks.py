"""Locks on open files: the system frees them when their holder dies, so none is ever stale."""

import errno
import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bids_rsa.errors import OutputError

LOGGER = logging.getLogger(__name__)
# what file systems without locks answer
NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
HELD = (errno.EWOULDBLOCK, errno.EACCES)
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 300.0
_told: set[str] = set()


def try_lock(descriptor: int, path: Path, shared: bool = False) -> bool:
    """Lock an open file; False where another process holds it.

    Where the file system knows no locks, every process is told that it has it, with a word in the
    log.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in HELD:
            return False
        if error.errno not in NO_LOCKS:
            raise
        _tell_once(path.parent)
    return True


def _tell_once(folder: Path) -> None:
    """Say that a file system knows no locks."""
    if str(folder) not in _told:
        _told.add(str(folder))
        LOGGER.warning(
            "%s is on a file system without locks: do not run two jobs for one participant, or "
            "for one group test, at the same time.",
            folder,
        )


@contextmanager
def locked(path: Path, patience_seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the lock on a file, which is made where it is not there.

    Whoever may write to its folder may take the lock.

    Raises
    ------
    OutputError
        Another process held it for minutes.
    """
    descriptor = _open(path)
    try:
        end = time.monotonic() + patience_seconds
        while not try_lock(descriptor, path):
            if time.monotonic() > end:
                raise OutputError(
                    f"Another process has held {path} for {patience_seconds / 60:.0f} minutes.",
                    "Look for a bids_rsa that hangs, on this machine or another.",
                )
            time.sleep(POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Open a lock file, which its owner gives the permissions of its folder."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:  # another user's; a lock needs no right to write
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    found, wanted = os.fstat(descriptor), path.parent.stat().st_mode & 0o066
    # also where it was there: a run may have been killed between the two
    if found.st_uid == os.geteuid() and wanted & ~found.st_mode:
        os.fchmod(descriptor, found.st_mode & 0o777 | wanted)
    return descriptor
