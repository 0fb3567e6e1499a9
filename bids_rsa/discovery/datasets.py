"""Which BIDS datasets are searched: the input, its derivatives, never the app's own output."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bids_rsa.discovery.folders import Problems, subfolders
from bids_rsa.entities import LABEL
from bids_rsa.errors import InputError, OptionError, ReadWriteError, SelectionError
from bids_rsa.settings import InputSettings
from bids_rsa.tables import json_object_of, refuse_unwritable_name

OWN_NAMES = {"bids_rsa", "bids-rsa"}
# datasets are in derivatives/<pipeline>, sometimes one folder deeper
MAX_DEPTH = 2


@dataclass(frozen=True)
class Dataset:
    """A folder with ``sub-*`` folders: its name in BIDS URIs, its path, the programs that made it.

    ``kind`` is ``raw`` or ``derivative``.
    """

    name: str
    path: str
    producers: tuple[str, ...] = ()
    kind: str = "derivative"

    def __str__(self) -> str:
        made_by = f" (made by {', '.join(self.producers)})" if self.producers else ""
        return f"{self.path}{made_by}"


@dataclass(frozen=True)
class Datasets:
    """What is searched, and what was passed over, in words."""

    searched: tuple[Dataset, ...]
    passed_over: tuple[str, ...]

    def notes(self) -> list[str]:
        """Say what was searched and what was not, for the log."""
        told = [f"Searched: {'; '.join(str(d) for d in self.searched)}."]
        return told + [f"Not searched: {'; '.join(self.passed_over)}."] * bool(self.passed_over)


def find_datasets(inputs: InputSettings, output_dir: str) -> Datasets:
    """List the datasets to search.

    Parameters
    ----------
    inputs : InputSettings
    output_dir : str
        Never searched, wherever it is.

    Raises
    ------
    InputError
        A folder that is not there, is empty, or is the app's own output.
    """
    root = _folder(inputs.bids_dir, "The input folder")
    named = [split_name(text) for text in inputs.derivatives]
    found: list[Dataset] = []
    passed: list[str] = []
    candidates = [("", root), *named] if named else [("", root), *_below(root)]
    refuse_unwritable_name(str(Path(output_dir).absolute()))
    for name, path in candidates:
        refuse_unwritable_name(str(path))
        if _same_or_inside(path, output_dir):
            passed.append(f"{path} (the output folder)")
            continue
        dataset = _describe(name, path)
        if OWN_NAMES & {p.lower() for p in dataset.producers}:
            passed.append(f"{path} (made by bids_rsa)")
        elif str(path) not in {d.path for d in found}:
            found.append(dataset)
    if not found:
        raise InputError(
            f"Nothing to search: {'; '.join(passed)}.",
            "BIDS_DIR is a folder of condition images (a GLM's output), or the raw dataset "
            "whose derivatives contain them.",
        )
    return Datasets(tuple(found), tuple(passed))


def subject_folders(
    dataset: Dataset, problems: Problems, misnamed: list[str]
) -> Iterator[tuple[str, str]]:
    """Every ``sub-<label>`` folder as (label, path), those under fitlins' ``node-*`` too.

    What cannot be read is appended to ``problems``, folders with another name to ``misnamed``.
    """
    there = subfolders(dataset.path, problems)
    for node in [entry for entry in there if entry.name.startswith("node-")]:
        there += subfolders(node.path, problems)
    for entry in there:
        key, hyphen, label = entry.name.partition("-")
        if key == "sub" and hyphen:
            if LABEL.fullmatch(label):
                yield label, entry.path
            else:
                misnamed.append(entry.path)


def _folder(text: str, what: str) -> Path:
    """Return an existing folder with something in it."""
    path = Path(os.path.normpath(Path(text).absolute()))  # links keep their names
    if not path.exists():
        parent = next(p for p in path.parents if p.exists())
        there = sorted(p.name for p in parent.iterdir())[:10] if parent.is_dir() else []
        raise InputError(
            f"{what} {path} does not exist.",
            f"{parent} contains: {', '.join(there) or 'nothing'}.",
        )
    if not path.is_dir():
        raise InputError(f"{what} {path} is a file, and a folder is needed.")
    try:
        empty = not any(path.iterdir())
    except OSError as error:
        raise ReadWriteError(f"{what} {path} cannot be read: {error.strerror}.") from error
    if empty:
        raise InputError(
            f"{what} {path} is empty.", "Expected a BIDS dataset with sub-* folders in it."
        )
    return path


def split_name(text: str) -> tuple[str, Path]:
    """Part ``[NAME=]PATH`` of --derivatives."""
    name, equals, rest = text.partition("=")
    if not equals or "/" in name or Path(text).exists():
        name, rest = "", text
    elif not name.isalnum():
        raise OptionError(f"--derivatives {text}: {name!r} may contain letters and digits only.")
    try:
        return name, _folder(rest, "--derivatives: the folder")
    except InputError as error:  # an option that selects nothing
        raise SelectionError(error.message, error.hint) from None


def _below(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield the derivative datasets under ``root``, or under ``root`` itself as a collection."""
    start = root / "derivatives"
    if start.is_dir():
        if _has_subjects(start):
            yield "", start
        yield from _collection(start)
    elif not _has_subjects(root):
        yield from _collection(root)


def _has_subjects(folder: Path) -> bool:
    """Tell whether participants' folders are directly in a folder."""
    return any(entry.name.startswith(("sub-", "node-")) for entry in subfolders(str(folder)))


def _collection(folder: Path, depth: int = 1) -> Iterator[tuple[str, Path]]:
    """Yield datasets in a folder of datasets."""
    for entry in subfolders(str(folder)):
        path = Path(entry.path)
        inner = [e.name for e in subfolders(entry.path)]
        if entry.name.startswith((".", "sub-", "node-")):
            continue
        if (path / "dataset_description.json").exists() or any(
            name.startswith(("sub-", "node-")) for name in inner
        ):
            yield "", path
        if depth < MAX_DEPTH:
            yield from _collection(path, depth + 1)


def _same_or_inside(path: Path, output_dir: str) -> bool:
    """Tell whether a folder is the output, or is in it."""
    real, out = os.path.realpath(path), os.path.realpath(output_dir)
    return real == out or real.startswith(out + os.sep)


def _describe(name: str, path: Path) -> Dataset:
    """Read what dataset_description.json says; a broken one says nothing."""
    text = json_object_of(path / "dataset_description.json") or {}
    made_by = text.get("GeneratedBy") or text.get("PipelineDescription") or []
    entries: Sequence[object] = made_by if isinstance(made_by, list) else [made_by]
    producers = tuple(str(e["Name"]) for e in entries if isinstance(e, dict) and e.get("Name"))
    is_raw = text.get("DatasetType", "derivative" if producers else "raw") == "raw"
    label = name or "".join(c for c in path.name if c.isalnum()) or "input"
    return Dataset(label, str(path), producers, "raw" if text and is_raw else "derivative")
