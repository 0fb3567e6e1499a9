"""Where intermediate results are: a private folder, and in it one for each job while it runs."""

import errno
import logging
import os
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.errors import OutputError
from bids_rsa.locks import try_lock

LOGGER = logging.getLogger(__name__)
WORK_FOLDER = ".work"
WRITABLE_BY_OTHERS = 0o022
ATTEMPTS = 100  # at what other runs may undo meanwhile
_BESIDE, _LOCK = "_beside", ".lock"


def work_dir(work_dir: str | None, output_dir: str) -> Path:
    """Say where intermediate results are: where asked, else in the user's part of OUTPUT/.work."""
    if work_dir:
        return Path(work_dir).absolute()
    return Path(output_dir).absolute() / WORK_FOLDER / str(os.geteuid())


def make_work_dir(folder: Path, output: Path) -> Path:
    """Make the work directory, which no one else may write to: Nipype's files there are pickles.

    Parameters
    ----------
    folder : Path
        From `work_dir`.
    output : Path
        The output directory. Whoever may write there may have a work directory in it, too.

    Returns
    -------
    Path
        The same folder; or a temporary one, where the default is on a file system without
        permissions.

    Raises
    ------
    OutputError
        It cannot be made, or others may write to it.
    """
    default = folder.parent == output / WORK_FOLDER
    try:
        if _make(folder, output if default else None):
            return folder
    except OSError as error:
        raise OutputError(
            f"The work directory {folder} cannot be made: {error.strerror}.",
            "Choose another work directory with -w.",
        ) from error
    if not default:
        raise OutputError(
            f"The work directory {folder} belongs to another user, or others may write to it.",
            f"Nipype reads pickles from it, which can run code. Use chmod go-w {folder}, or name a "
            "folder that does not exist yet.",
        )
    temporary = Path(tempfile.mkdtemp(prefix="bids_rsa-"))
    LOGGER.warning(
        "%s is writable by others, so intermediate results are kept in %s: a stopped run starts "
        "over.",
        folder,
        temporary,
    )
    return temporary


def _make(folder: Path, output: Path | None) -> bool:
    """Make the work directory, and tell whether it is private.

    ``output`` is the output directory where the work directory is in its default place.
    """
    for _ in range(ATTEMPTS):
        with suppress(FileNotFoundError):  # another run removed a folder, which was empty
            folder.parent.mkdir(parents=True, exist_ok=True)
            if output is not None:
                _let_in_whom(output, folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            return is_private(folder)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))


def _let_in_whom(output: Path, folder: Path) -> None:
    """Let those into our folder who may enter the output; a killed run may only have made it."""
    found, wanted = folder.stat(), output.stat().st_mode & 0o7777
    if found.st_uid == os.geteuid() and wanted & ~found.st_mode:
        folder.chmod(found.st_mode & 0o7777 | wanted)


def is_private(folder: Path) -> bool:
    """Tell whether a folder is the caller's own (root's: anybody's), and only its owner writes."""
    found = folder.stat()
    own = found.st_uid == os.geteuid() or os.geteuid() == 0
    return own and not found.st_mode & WRITABLE_BY_OTHERS


@dataclass
class Claim:
    """A folder that one job has for itself until `release`, or until its process ends.

    ``also`` are endings: folders of its name with one of them belong to it.
    """

    name: str
    folder: Path
    lock_path: Path
    descriptor: int
    also: tuple[str, ...] = ()

    def release(self, remove: bool) -> None:
        """Give the folder back; remove it first if asked, and those that killed runs left."""
        if remove:
            _remove(self.lock_path, self.also)
        os.close(self.descriptor)
        if remove:
            name = re.sub(rf"{_BESIDE}\d+$", "", self.name)
            for pattern in (name, f"{name}{_BESIDE}*"):
                remove_abandoned(self.lock_path.parent, pattern, self.also)


def claim(parent: Path, name: str, also: tuple[str, ...] = ()) -> Claim:
    """Claim the folder ``name``, or one next to it while another run works there.

    The system frees the claim when the process ends, however it ends. ``also`` as in `Claim`.
    """
    number = failed = 0
    while True:
        chosen = f"{name}{_BESIDE}{number}" if number else name
        lock_path = parent / f".{chosen}{_LOCK}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            descriptor = _lock(lock_path)
        except FileNotFoundError:  # another run removed the folder, which was empty
            failed += 1
            if failed == ATTEMPTS:
                raise
            continue
        if descriptor is not None:
            return Claim(chosen, parent / chosen, lock_path, descriptor, also)
        number += 1


def _remove(lock_path: Path, also: tuple[str, ...]) -> None:
    """Remove the folders that a lock is for, and then the lock."""
    folder = lock_path.name.removeprefix(".").removesuffix(_LOCK)
    for ending in ("", *also):
        shutil.rmtree(lock_path.with_name(f"{folder}{ending}"), ignore_errors=True)
    with suppress(OSError):
        lock_path.unlink()


def remove_abandoned(parent: Path, pattern: str = "*", also: tuple[str, ...] = ()) -> None:
    """Remove the claimed folders with such names that no one holds: killed runs left them."""
    for path in parent.glob(f".{pattern}{_LOCK}"):
        with suppress(FileNotFoundError):  # another run was faster, and removed the folder as well
            descriptor = _lock(path)
            if descriptor is not None:
                _remove(path, also)
                os.close(descriptor)


def _lock(path: Path) -> int | None:
    """Lock a file of this name; None where another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not try_lock(descriptor, path):
            os.close(descriptor)
            return None
        # its holder may have removed the file between the two calls
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
        os.close(descriptor)
