"""Results of SPM, FEAT, AFNI and GLMsingle that are where only BIDS names were looked for."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from bids_rsa.discovery.folders import subfolders
from bids_rsa.producers.glmsingle import MODELS

DEEPEST = 5
MOST_FOLDERS = 2000
# a participant's folder in a path, and the field that stands for it
FIELDS = (("sub-", "subject"), ("ses-", "session"), ("task-", "task"))


def pointers(folders: list[str], base: str) -> str:
    """Say how to read what other programs left in some folders.

    Parameters
    ----------
    folders : list of str
        Where nothing with BIDS names was found.
    base : str
        BIDS_DIR, from which patterns start.

    Returns
    -------
    str
        Sentences, or nothing.
    """
    found: dict[str, str] = {}
    for folder in folders:
        for program, path in _results(folder):
            found.setdefault(program, path)
    return " ".join(
        f"There are results of {program} ({path}): read them with --betas '{_pattern(path, base)}'."
        for program, path in found.items()
    )


def _results(root: str) -> Iterator[tuple[str, str]]:
    """Yield programs and where their results are, level by level, within limits."""
    level, seen = [root], 0
    for _ in range(DEEPEST):
        deeper: list[str] = []
        for folder in level:
            seen += 1
            if seen > MOST_FOLDERS:
                return
            program = _program(folder)
            if program:
                yield program, folder if program != "FSL FEAT" else str(Path(folder).parent)
                continue
            deeper += [entry.path for entry in subfolders(folder) if entry.name[0] != "."]
        level = deeper


def _program(folder: str) -> str:
    """Name the program whose results are in a folder."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  (names only)
    except OSError:
        return ""
    if "SPM.mat" in names:
        return "SPM"
    if folder.endswith(".feat") or "design.con" in names:
        return "FSL FEAT"
    if any(name.endswith(".HEAD") for name in names):
        return "AFNI"
    return "GLMsingle" if any(name.startswith(MODELS) for name in names) else ""


def _pattern(path: str, base: str) -> str:
    """Put fields into the path of one participant's results."""
    parts = Path(os.path.relpath(path, base)).parts if path.startswith(base) else Path(path).parts
    filled = []
    for part in parts:
        for key, field in FIELDS:
            part = re.sub(rf"{key}[A-Za-z0-9]+", f"{key}{{{field}}}", part)
        filled.append(part)
    pattern = str(Path(*filled)) if filled else "."
    if "{subject}" in pattern:
        return pattern
    # some folder's name is the participant's
    return str(Path(*filled[:-1], "{subject}")) if filled else "{subject}"
