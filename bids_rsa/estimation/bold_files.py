"""The preprocessed BOLD runs of a participant, and the files that belong to each.

File names are matched by BIDS's inheritance principle: a file belongs to a run when all its
entities are the run's; of several the one with most entities wins, and metadata add up.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids_rsa.discovery.datasets import Dataset
from bids_rsa.discovery.folders import walk
from bids_rsa.discovery.index import IndexedFile
from bids_rsa.discovery.misnamed import Misnamed
from bids_rsa.discovery.selection import Filters, passes, same_label
from bids_rsa.entities import FIELDS, Pairs, name_pairs, odd_part, others_of
from bids_rsa.errors import ContentError
from bids_rsa.estimation.names import bold_stem, without_hemisphere
from bids_rsa.records import Form

_KINDS = re.compile(
    r"(?:^|_)(?:bold\.(?:json|nii|nii\.gz|func\.gii|func\.gii\.gz|dtseries\.nii)|events\.tsv|desc-brain_mask\.(?:nii|nii\.gz)"
    r"|desc-confounds_(?:timeseries|regressors)\.tsv)$"
)
# entities of a preprocessed image that its raw run does not have
_OF_DERIVATIVES = {"space", "res", "den", "desc", "cohort", "hemi"}
_PREPROCESSED = {"desc": "preproc", "echo": None}
# fMRIPrep names no desc- on surfaces
_ON_SURFACES = {"desc": [None, "preproc"], "echo": None}
_FORMS: dict[str, Form] = {
    ".nii": "volume", ".nii.gz": "volume", ".func.gii": "surface", ".func.gii.gz": "surface",
    ".dtseries.nii": "grayordinates",
}  # fmt: skip


@dataclass(frozen=True)
class NamedFile:
    """A file as its name says; ``entities`` are all of them, by their short keys."""

    file: IndexedFile
    entities: Mapping[str, str]

    @property
    def path(self) -> str:
        """Where it is."""
        return self.file.path

    @property
    def dataset(self) -> Dataset:
        """Its dataset."""
        return self.file.dataset

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.file.path).name


@dataclass(frozen=True)
class BoldFile:
    """A preprocessed BOLD image, and what belongs to it.

    ``right`` is the image of the right hemisphere, where ``file`` is that of the left one.
    """

    file: IndexedFile
    entities: Mapping[str, str]
    events: str | None
    confounds: str | None
    mask: str | None
    preproc: Mapping[str, Any]
    raw: Mapping[str, Any]
    right: str | None = None

    @property
    def form(self) -> Form:
        """Whether its values are on a grid, on vertices, or on both."""
        return _FORMS[self.file.extension]

    @property
    def session(self) -> str | None:
        """The session in its name."""
        return self.file.session

    @property
    def paths(self) -> tuple[str, ...]:
        """The image, or those of both hemispheres."""
        return (self.file.path,) if self.right is None else (self.file.path, self.right)

    @property
    def others(self) -> Pairs:
        """The entities of its name for which there is no field; a hemisphere if it is alone."""
        if self.right is None:
            return self.file.others
        return tuple(pair for pair in self.file.others if pair[0] != "hemi")

    @property
    def label(self) -> str:
        """What the run is called in messages, and in the names of what is of both hemispheres."""
        stem = bold_stem(self.file.path)
        return stem if self.right is None else without_hemisphere(stem)


def find_bold_files(
    folders: Sequence[tuple[Dataset, str]],
    datasets: Sequence[Dataset],
    skipped: str,
    filters: Filters | None = None,
    misnamed: Misnamed | None = None,
) -> list[BoldFile]:
    """Find a participant's preprocessed BOLD runs.

    Parameters
    ----------
    folders : sequence of (Dataset, str)
        The participant's folders.
    datasets : sequence of Dataset
        All that are searched, in order: files at their roots belong to every participant.
    skipped : str
        The output folder.
    filters : dict, optional
        What --bids-filter-file says of ``bold``, ``events``, ``confounds`` and ``mask``. Without
        it BOLD images are those with ``desc-preproc`` and no single echo.
    misnamed : Misnamed, optional
        What is not used because of its name is appended.

    Returns
    -------
    list of BoldFile
        Sorted by path; images of derivative datasets only. Hemispheres are single files; see
        `bids_rsa.estimation.bold_hemispheres`.
    """
    odd = Misnamed() if misnamed is None else misnamed
    everything = [f for place in folders for f in _in_folder(*place, skipped, odd)]
    everything += [f for dataset in datasets for f in _at_root(dataset, odd)]
    found = [file for file in everything if _passes(file, filters or {})]
    runs = []
    for file in found:
        form = _FORMS.get(file.file.extension) if file.file.suffix == "bold" else None
        if form is None or file.dataset.kind == "raw":
            continue
        if form == "volume" and "desc" not in file.entities:
            continue
        runs.append(_with_files(file, found))
    return sorted(runs, key=lambda run: run.file.path)


def _passes(file: NamedFile, filters: Filters) -> bool:
    """Tell whether a file passes the filter of its kind."""
    queries: Filters = {
        "_bold.nii": _PREPROCESSED | filters.get("bold", {}),
        "_bold.func.gii": _ON_SURFACES | filters.get("bold", {}),
        "_bold.dtseries.nii": _ON_SURFACES | filters.get("bold", {}),
        "_events.tsv": filters.get("events", {}),
        "_desc-confounds": filters.get("confounds", {}),
        "_mask.nii": filters.get("mask", {}),
    }
    query = next((query for kind, query in queries.items() if kind in file.name), {})
    return passes(file.file, query)


def _in_folder(dataset: Dataset, folder: str, skipped: str, odd: Misnamed) -> Iterator[NamedFile]:
    """Yield the files of a participant's folder that can be needed."""
    entries = walk(folder, os.path.realpath(skipped), [])
    for file in _named(dataset, folder, [entry.path for entry in entries], odd):
        if file.file.subject in ("", Path(folder).name.removeprefix("sub-")):
            yield file
        else:
            odd.elsewhere.append(file.path)


def _at_root(dataset: Dataset, odd: Misnamed) -> Iterator[NamedFile]:
    """Yield the files at a dataset's root, which every participant inherits."""
    with os.scandir(dataset.path) as entries:
        paths = sorted(entry.path for entry in entries if entry.is_file())
    yield from _named(dataset, dataset.path, paths, odd)


def _named(
    dataset: Dataset, folder: str, paths: Iterable[str], odd: Misnamed
) -> Iterator[NamedFile]:
    """Read the names of the files that can be needed."""
    for path in paths:
        name = Path(path).name
        kind = _KINDS.search(name)
        if not kind or name.startswith("."):
            continue
        if part := odd_part(name[: kind.start()]):
            odd.files.append((path, part))
            continue
        entities = dict(name_pairs(path))
        fields = {FIELDS[key]: value for key, value in entities.items() if key in FIELDS}
        subject, desc = fields.pop("subject", ""), entities.get("desc")
        suffix, dot, ending = name.rpartition("_")[2].partition(".")
        file = IndexedFile(
            path, dataset, folder, subject, suffix, dot + ending,
            desc=desc, others=others_of(path), **fields,
        )  # fmt: skip
        yield NamedFile(file, entities)


def _with_files(bold: NamedFile, files: Sequence[NamedFile]) -> BoldFile:
    """Find what belongs to a BOLD image."""
    run = {k: v for k, v in bold.entities.items() if k not in _OF_DERIVATIVES}
    own = [f for f in files if f.dataset == bold.dataset]
    others = [f for f in files if f.dataset != bold.dataset]
    # events are in the raw dataset; a copy next to the BOLD image counts where there are none
    events = _nearest(_ending(others, "events.tsv"), run) or _nearest(
        _ending(own, "events.tsv"), run
    )
    confounds = _nearest(_ending(own, "timeseries.tsv", "regressors.tsv"), run)
    mask = None
    if _FORMS[bold.file.extension] == "volume":
        mask = _nearest(_ending(own, "_mask.nii", "_mask.nii.gz"), bold.entities)
    return BoldFile(
        file=bold.file,
        entities=bold.entities,
        events=events,
        confounds=confounds,
        mask=mask,
        preproc=_metadata(_ending(own, "bold.json"), bold.entities),
        raw=_metadata([f for f in _ending(others, "bold.json") if f.dataset.kind == "raw"], run),
    )


def _ending(files: Iterable[NamedFile], *endings: str) -> list[NamedFile]:
    """Keep the files with a given end of their names."""
    return [f for f in files if f.name.endswith(endings)]


def _belongs(file: NamedFile, run: Mapping[str, str]) -> bool:
    """Tell whether all entities of a file are a run's; ``desc`` says what the file holds."""
    return all(
        key in run and same_label(run[key], value)
        for key, value in file.entities.items()
        if key != "desc" or file.name.endswith("bold.json")
    )


def _nearest(files: Iterable[NamedFile], run: Mapping[str, str]) -> str | None:
    """Choose the file with most of a run's entities.

    Raises
    ------
    ContentError
        Two of one dataset fit equally well.
    """
    fitting = [f for f in files if _belongs(f, run)]
    if not fitting:
        return None
    most = max(len(f.entities) for f in fitting)
    best = [f for f in fitting if len(f.entities) == most]
    best = [f for f in best if f.dataset == best[0].dataset]
    depths = [f.path.count(os.sep) for f in best]
    best = [f for f, depth in zip(best, depths, strict=True) if depth == max(depths)]
    if len(best) > 1:
        raise ContentError(
            f"Two files belong to the same run: {best[0].path} and {best[1].path}.",
            "Remove one of them.",
        )
    return best[0].path


def _metadata(files: Iterable[NamedFile], run: Mapping[str, str]) -> dict[str, Any]:
    """Merge the sidecars that a run inherits, the nearest last."""
    fitting = sorted(
        (f for f in files if _belongs(f, run)),
        key=lambda f: (f.path.count(os.sep), len(f.entities)),
    )
    merged: dict[str, Any] = {}
    for file in fitting:
        try:
            content = json.loads(Path(file.path).read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise ContentError(f"{file.path} cannot be read as JSON: {error}.") from error
        merged |= content if isinstance(content, dict) else {}
    return merged
