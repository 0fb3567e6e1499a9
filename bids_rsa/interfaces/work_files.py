"""Results of one node as files for the next: arrays as .npy, all else as JSON, no pickle."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import nibabel as nib
import numpy as np
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from bids_rsa.patterns.places import SPACES
from bids_rsa.patterns.stacked import MaskUse, StackedPatterns
from bids_rsa.records import ModelRdm
from bids_rsa.spaces.images import volume_image

Record = TypeVar("Record")


class DamagedWorkError(Exception):
    """A file of the work directory is not as it was written; a run without it starts afresh."""


# smaller arrays are read at once: each mapped one keeps a file open
MAPPED_BYTES = 2**20
FAILURE_FILE = "failure.json"


def save_record(record: Any, folder: Path, name: str) -> list[str]:
    """Save a dataclass of arrays and plain values.

    Parameters
    ----------
    record : dataclass
        Arrays, images (of which only the header is kept), other dataclasses, tuples, lists,
        dicts with texts for keys, and plain values.
    folder : Path
    name : str
        What the files' names begin with.

    Returns
    -------
    list of str
        The files: first the JSON, which is written last, then the arrays. Nipype clears away what
        a node does not name as its output.
    """
    files = _Files(folder, name)
    text = json.dumps(files.encode(record))
    path = folder / f"{name}.json"
    path.write_text(text, encoding="utf-8")
    return [str(path), *(str(folder / file) for file in files.written)]


def load_record(paths: Sequence[str], kind: type[Record], *inner: type) -> Record:
    """Load what `save_record` saved; large arrays are mapped into memory, not read.

    Parameters
    ----------
    paths : sequence of str
        As `save_record` returned them.
    kind : type
        The dataclass that was saved.
    *inner : type
        The dataclasses inside it.

    Raises
    ------
    DamagedWorkError
        The files are damaged, or contain something else.
    """
    classes = {one.__name__: one for one in (kind, *inner)}
    path = Path(paths[0])
    try:
        record = _decode(json.loads(path.read_text(encoding="utf-8")), path.parent, classes)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedWorkError(f"{path} is damaged: {error}") from error
    if not isinstance(record, kind):
        raise DamagedWorkError(f"{path} contains no {kind.__name__}")
    return record


def load_stacked(paths: Sequence[str]) -> StackedPatterns:
    """Load the patterns of an analysis that were saved; they are mapped into memory."""
    return load_record(paths, StackedPatterns, MaskUse, *SPACES)


@dataclasses.dataclass(frozen=True)
class Compared:
    """What the RDMs of an analysis are compared with."""

    models: tuple[ModelRdm, ...]
    condition_covariance: NDArray[np.float64] | None = None


def save_models(
    models: tuple[ModelRdm, ...],
    folder: Path,
    condition_covariance: NDArray[np.float64] | None = None,
) -> str:
    """Save what RDMs are compared with, once, in a folder that is named by what it holds.

    Parameters
    ----------
    models : tuple of ModelRdm
    folder : Path
        The working directory of a job, which no one else writes to.
    condition_covariance : (n_conditions, n_conditions), optional

    Returns
    -------
    str
        The path of the JSON file: the same for the same models.
    """
    content = hashlib.sha256(repr(models).encode())
    arrays = [model.cells for model in models]
    if condition_covariance is not None:
        arrays.append(condition_covariance)
    for array in arrays:
        content.update(np.ascontiguousarray(array).data)
    final = folder / f"models_{content.hexdigest()[:16]}"
    beside = folder / "unfinished_models"
    shutil.rmtree(beside, ignore_errors=True)  # a killed run left it
    if not final.exists():
        beside.mkdir(parents=True)
        save_record(Compared(models, condition_covariance), beside, "models")
        beside.rename(final)
    return str(final / "models.json")


def load_compared(path: str) -> Compared:
    """Load what `save_models` saved."""
    return load_record([path], Compared, ModelRdm)


class _Files:
    """The files of one record, numbered, and named by what they hold."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self.written: list[str] = []

    def encode(self, value: Any, what: str = "") -> Any:
        """Write a value as JSON knows it, and arrays next to it."""
        if isinstance(value, np.ndarray):
            file = self._file(what, ".npy")
            np.save(self.folder / file, value, allow_pickle=False)
            return {"array": file}
        if isinstance(value, SpatialImage):
            file = self._file(what, ".nii")
            corner = np.zeros((1, 1, 1), np.uint8)
            nib.save(volume_image(corner, value.affine, value), self.folder / file)
            return {"image": file}
        if dataclasses.is_dataclass(value):
            names = [field.name for field in dataclasses.fields(value)]
            fields = {name: self.encode(getattr(value, name), name) for name in names}
            return {"record": type(value).__name__, "fields": fields}
        if isinstance(value, dict):
            return {"dict": {key: self.encode(one, f"{what}-{key}") for key, one in value.items()}}
        if isinstance(value, tuple | list):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [self.encode(one, what) for one in value]}
        return value.item() if isinstance(value, np.generic) else value

    def _file(self, what: str, ending: str) -> str:
        """Name the next file."""
        words = "".join(c if c.isalnum() or c == "-" else "_" for c in what)[:60]
        self.written.append(f"{self.name}_{len(self.written) + 1}_{words}{ending}")
        return self.written[-1]


def _decode(value: Any, folder: Path, classes: dict[str, type]) -> Any:
    """Undo `_Files.encode`."""
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()))
    if kind == "array":
        return _array(folder / content)
    if kind == "image":
        return nib.load(folder / content)
    if kind == "record":
        fields = {name: _decode(one, folder, classes) for name, one in value["fields"].items()}
        return classes[content](**fields)
    if kind == "dict":
        return {key: _decode(one, folder, classes) for key, one in content.items()}
    values = [_decode(one, folder, classes) for one in content]
    return tuple(values) if kind == "tuple" else values


def _array(path: Path) -> np.ndarray:
    """Read a small array, and map a large one; what is written to it stays in this process."""
    mode: Any = "c" if path.stat().st_size > MAPPED_BYTES else None
    return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
