"""Walking folders: links followed, cycles stopped, and what cannot be read kept in mind."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

SKIPPED_FOLDERS = {"figures", "log", "logs", "dwi", "fmap", "eeg", "meg", "ieeg"}
Identity = tuple[int, int]
Problems = list[tuple[str, str]]
"""Paths that cannot be read, and why, in sentences."""


def subfolders(path: str, problems: Problems | None = None) -> list[os.DirEntry[str]]:
    """List the folders in a folder, links to folders among them, sorted by name.

    What cannot be read, and links of participants that lead nowhere, go to ``problems``.
    """
    problems = [] if problems is None else problems
    entries = _entries(path, problems)
    problems += [
        (e.path, dangling(e.path))
        for e in entries
        if e.name.startswith("sub-") and _leads_nowhere(e)
    ]
    return [entry for entry in entries if entry.is_dir()]


def walk(
    folder: str, skipped: str, problems: Problems, seen: set[Identity] | None = None
) -> Iterator[os.DirEntry[str]]:
    """Yield the files under a folder in a stable order, each folder once.

    Parameters
    ----------
    folder : str
    skipped : str
        A folder that is never entered, as its real path.
    problems : list of (str, str)
        What cannot be read is appended: its path, and a sentence.
    seen : set, optional
        Folders that are not entered (again); those that ``folder`` is in from the start.
    """
    try:
        if seen is None:
            seen = {_identity(parent) for parent in Path(folder).parents}
        here = _identity(folder)
    except OSError as error:
        problems.append((folder, f"{folder} cannot be read: {error.strerror}."))
        return
    if here in seen:
        return
    seen.add(here)
    entries = _entries(folder, problems)
    for entry in entries:
        if not entry.is_dir():
            if _leads_nowhere(entry) and "." not in entry.name:  # a file is missed when it is read
                problems.append((entry.path, dangling(entry.path)))
            yield entry
    inner = [e for e in entries if e.is_dir() and _is_entered(e, skipped)]
    for entry in sorted(inner, key=lambda e: e.is_symlink()):  # a folder before links to it
        yield from walk(entry.path, skipped, problems, seen)


def _identity(path: str | Path) -> Identity:
    """Tell a folder from all others, whatever links lead to it."""
    found = os.stat(path)  # noqa: PTH116  (thousands of folders)
    return found.st_dev, found.st_ino


def _is_entered(entry: os.DirEntry[str], skipped: str) -> bool:
    """Tell whether a folder can contain what is looked for."""
    if entry.name in SKIPPED_FOLDERS or entry.name.startswith("."):
        return False
    return os.path.realpath(entry.path) != skipped


def _entries(folder: str, problems: Problems) -> list[os.DirEntry[str]]:
    """List a folder, sorted by name; what macOS leaves next to each file (``._*``) is left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if not e.name.startswith("._")), key=lambda e: e.name)
    except OSError as error:
        problems.append((folder, f"{folder} cannot be read: {error.strerror}."))
        return []


def _leads_nowhere(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a link without a target."""
    return entry.is_symlink() and not Path(entry.path).exists()


def dangling(path: str) -> str:
    """Say that a folder is a link that leads nowhere."""
    return f"{path} is a broken link ({Path(path).readlink()})."


def count_kinds(folders: list[str]) -> dict[str, dict[str, int]]:
    """Count image files by format and suffix: volumes, GIFTI and CIFTI."""
    counts: dict[str, dict[str, int]] = {}
    for folder in folders:
        for entry in walk(folder, "", []):
            for form, ending in FORMATS:
                if match := re.search(rf"([A-Za-z0-9]+){ending}$", entry.name):
                    kinds = counts.setdefault(form, {})
                    kinds[match[1]] = kinds.get(match[1], 0) + 1
                    break
    return counts


# the first that fits
FORMATS = (
    ("CIFTI", r"\.(?:dscalar|dtseries|dlabel|dconn|pscalar|ptseries)\.nii"),
    ("GIFTI", r"(?:\.(?:func|shape|surf|label|time))?\.gii(?:\.gz)?"),
    ("NIfTI", r"\.nii(?:\.gz)?"),
)
