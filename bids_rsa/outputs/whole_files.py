"""Files that take their name only when they are whole, and what killed runs left of others.

What is not whole yet is next to its final name, and its writer holds a lock on it. The system
frees the lock when the writer dies, wherever it ran, so a file without one belongs to no one.
"""

import fcntl
import fnmatch
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import nibabel as nib

from bids_rsa.errors import OutputError, ReadWriteError

_PREFIX = ".partial-"
_KEY_LENGTH = 12

_unfinished: set[Path] = set()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its name only when all went well.

    Whatever writes there must open the file that is there, and not put another in its place.

    Raises
    ------
    OutputError, ReadWriteError
        If the file cannot be created, or writing failed.
    """
    final = Path(path)
    try:
        with _held_file_beside(final) as beside:
            yield beside
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
            beside.replace(final)
    except PermissionError as error:
        raise OutputError(f"{final} cannot be written: {error.strerror}.") from error
    except OSError as error:
        raise ReadWriteError(f"Writing {final} failed: {error.strerror or error}.") from error


@contextmanager
def replacing_together(
    paths: Sequence[Path], around: AbstractContextManager[None]
) -> Iterator[dict[Path, Path]]:
    """Give temporary paths that take their names together, when all went well.

    Parameters
    ----------
    paths : sequence of Path
    around : context manager
        What surrounds the moment at which the files take their names, as a lock does.

    Yields
    ------
    dict
        Temporary path of each path.
    """
    with ExitStack() as unfinished:
        yield {path: unfinished.enter_context(replacing(path)) for path in paths}
        with around:
            unfinished.pop_all().close()


@contextmanager
def _held_file_beside(final: Path) -> Iterator[Path]:
    """Make a file that is locked, and remove it at the end if it still has this name."""
    descriptor = -1
    while descriptor < 0:
        beside = final.with_name(f"{_PREFIX}{uuid.uuid4().hex[:_KEY_LENGTH]}-{final.name}")
        _unfinished.add(beside)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            # another run may have removed the folder, which was empty, since it was made
            with suppress(FileNotFoundError):
                descriptor = _create_locked(beside)
        finally:
            if descriptor < 0:
                _unfinished.discard(beside)
    try:
        yield beside
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        _unfinished.discard(beside)
        os.close(descriptor)


def _create_locked(path: Path) -> int:
    """Create a file and lock it; -1 if it was taken for a leftover before it was locked."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    # where the file system knows no locks, no one gets one, and nothing is taken away
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    if path.exists():
        return descriptor
    os.close(descriptor)
    return -1


def discard_unfinished() -> None:
    """Remove the files that `replacing` has not finished, when the process is told to end."""
    for path in tuple(_unfinished):
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path, with_subfolders: bool = True, name: str = "*") -> None:
    """Remove what killed runs had begun to write, and leave what a living one is writing.

    Parameters
    ----------
    folder : Path
    with_subfolders : bool
        Whether to look below it as well.
    name : str
        Of which files; a pattern.
    """
    pattern = f"{_PREFIX}{'[0-9a-f]' * _KEY_LENGTH}-{name}"
    # other runs may remove folders meanwhile, which os.walk passes over
    for place, _, names in os.walk(folder):
        for found in fnmatch.filter(names, pattern):
            # locked, finished since, another user's, or on a file system that knows no locks
            with suppress(OSError):
                _remove_unheld(Path(place, found))
        if not with_subfolders:
            return


def _remove_unheld(path: Path) -> None:
    """Remove a file that no one holds; OSError where somebody does, or may do."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def save_image(image: nib.Nifti1Image, path: str | os.PathLike[str]) -> None:
    """Write an image under its final name only when it is whole; errors as in `replacing`."""
    with replacing(path) as beside:
        nib.save(image, beside)
