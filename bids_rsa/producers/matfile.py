"""SPM.mat of both kinds: MATLAB v7 through scipy, v7.3 through h5py."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from bids_rsa.errors import ContentError, InputError, MissingFileError, ReadWriteError


@dataclass(frozen=True)
class SpmDesign:
    """What is needed of SPM.mat: regressors, the betas' files, contrasts (name, con, t), basis.

    ``basis`` is SPM's name of the set of basis functions, empty where there is none. ``n_volumes``
    counts the volumes of each session; ``residual_dof`` are the effective degrees of freedom of all
    sessions.
    """

    regressors: tuple[str, ...]
    betas: tuple[str, ...]
    contrasts: tuple[tuple[str, str, str], ...]
    basis: str = ""
    n_volumes: tuple[int, ...] = ()
    residual_dof: float | None = None


def read_spm(path: Path) -> SpmDesign:
    """Read regressor names, beta files and contrasts.

    Raises
    ------
    MissingFileError, ReadWriteError
        No such file, or it cannot be read.
    ContentError
        The file is damaged, or contains no SPM design.
    """
    if not path.is_file():
        raise MissingFileError(f"There is no {path}.")
    try:
        start = path.open("rb").read(128)
        if b"MATLAB 7.3" in start or start.startswith(b"\x89HDF"):
            return _read_v73(path)
        contents = scipy.io.loadmat(
            path, struct_as_record=False, squeeze_me=True, variable_names=["SPM"]
        )
        return _read_v7(contents["SPM"])
    except (ContentError, InputError):
        raise
    except PermissionError as error:
        raise ReadWriteError(f"{path} cannot be read: {error.strerror}.") from error
    except Exception as error:  # scipy and h5py raise many kinds on damaged files
        raise ContentError(
            f"{path} cannot be read as SPM's design: {type(error).__name__}: {error}.",
            "Expected SPM.mat of an estimated first-level model; copy or save it again.",
        ) from error


def _read_v7(spm: Any) -> SpmDesign:
    """Take the design from scipy's objects."""
    betas = [_file_name(v) for v in _each(getattr(spm, "Vbeta", []))]
    contrasts = [
        (str(c.name), _file_name(getattr(c, "Vcon", "")), _file_name(getattr(c, "Vspm", "")))
        for c in _each(getattr(spm, "xCon", []))
        if str(getattr(c, "STAT", "T")) == "T"
    ]
    names = tuple(str(name) for name in _each(spm.xX.name))
    basis = str(getattr(getattr(spm, "xBF", None), "name", ""))
    counts = tuple(map(int, _numbers(getattr(spm, "nscan", []))))
    dof = _numbers(getattr(spm.xX, "erdf", []))
    return SpmDesign(names, tuple(betas), tuple(contrasts), basis, counts, dof[0] if dof else None)


def _numbers(value: Any) -> list[float]:
    """Return MATLAB's numbers as a list."""
    array = np.asarray(value)
    return [float(x) for x in array.ravel()] if array.dtype.kind in "iuf" else []


def _each(value: Any) -> Iterator[Any]:
    """Yield the elements of an array, or the one value that scipy squeezed."""
    if isinstance(value, np.ndarray | list):
        yield from np.atleast_1d(np.asarray(value, dtype=object)).ravel()
    else:
        yield value


def _file_name(value: Any) -> str:
    """Return the file of a volume handle (SPM99 has plain names), empty without one."""
    if isinstance(value, str):
        return value
    return str(getattr(value, "fname", "")) if not isinstance(value, np.ndarray) else ""


def _read_v73(path: Path) -> SpmDesign:
    """Take the design from an HDF5 file."""
    try:
        import h5py
    except ImportError:
        raise InputError(
            f"{path} is a MATLAB v7.3 file, which needs h5py.",
            "pip install h5py, or in MATLAB: save('SPM.mat', 'SPM', '-v7').",
        ) from None
    with h5py.File(path, "r") as file:
        spm = file["SPM"]
        names = [_text(file, item) for item in _items(file, spm["xX"]["name"])]
        betas = _field(file, spm.get("Vbeta"), "fname")
        contrasts = []
        con = spm.get("xCon")
        kinds = _field(file, con, "STAT")
        for i, name in enumerate(_field(file, con, "name")):
            if kinds[i] == "T":
                contrasts.append(
                    (name, _handle(file, con["Vcon"], i), _handle(file, con["Vspm"], i))
                )
        basis = "".join(_field(file, spm.get("xBF"), "name"))
        counts = tuple(map(int, _numbers(spm["nscan"][()]))) if "nscan" in spm else ()
        dof = _numbers(spm["xX"]["erdf"][()]) if "erdf" in spm["xX"] else []
    return SpmDesign(
        tuple(names), tuple(betas), tuple(contrasts), basis, counts, dof[0] if dof else None
    )


def _items(file: Any, dataset: Any) -> list[Any]:
    """Return what an array of references points to, or the dataset itself."""
    if dataset.dtype.kind == "O":
        return [file[reference] for reference in np.asarray(dataset).ravel()]
    return [dataset]


def _field(file: Any, group: Any, name: str) -> list[str]:
    """Return one text field of all elements of a struct array."""
    if group is None or not hasattr(group, "keys") or name not in group:
        return []
    return [_text(file, item) for item in _items(file, group[name])]


def _handle(file: Any, handles: Any, index: int) -> str:
    """Return the file name of the volume handle of one contrast."""
    item = handles if hasattr(handles, "keys") else _items(file, handles)[index]
    return _text(file, item["fname"]) if hasattr(item, "keys") and "fname" in item else ""


def _text(file: Any, dataset: Any) -> str:
    """Decode MATLAB's text: UTF-16 code units; an empty array is no text."""
    if dataset.attrs.get("MATLAB_empty", 0):
        return ""
    return "".join(map(chr, np.asarray(dataset).ravel(order="F").astype(int)))
