"""Model files as they are: names and cells of square tables, arrays, and feature tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy

from bids_rsa.errors import ContentError, OptionError
from bids_rsa.tables import check_unique, composed, read_number, read_table

Floats = npt.NDArray[np.float64]

_SQUARE = "condition names in the header and in the first column, and a value for each pair"


def read_square(path: Path) -> tuple[list[str], Floats]:
    """Return names and cells of a square table with condition names as header and first column."""
    rows = read_table(path)
    _refuse_nameless(rows, path)
    n_rows = len(rows) - 1
    # a header may lack the corner: then it is one shorter than the rows
    header = rows[0][1:] if n_rows == 0 or len(rows[0]) == len(rows[1]) else rows[0]
    widths = {len(row) - 1 for row in rows[1:]}
    if widths != {n_rows} or len(header) != n_rows:
        found = "/".join(str(w) for w in sorted(widths)) or "0"
        raise ContentError(
            f"{path}: a model must be square, and this table has {n_rows} rows and {found} columns "
            f"of values under {len(header)} names.",
            f"Expected: {_SQUARE}.{_guess_fault(rows)}",
        )
    names = [composed(row[0]) for row in rows[1:]]
    header = [composed(name) for name in header]
    check_unique(names, path)
    check_unique(header, path)
    if set(header) != set(names):
        raise ContentError(
            f"{path}: the model's rows and columns name different conditions: rows "
            f"{', '.join(names)}; columns {', '.join(header)}.",
            "Expected: the same condition names in the header and in the first column.",
        )
    place = {name: i for i, name in enumerate(header)}
    return names, _numbers(rows[1:], header, path)[:, [place[name] for name in names]]


def _guess_fault(rows: Sequence[Sequence[str]]) -> str:
    """Say why a table is probably not square, in a sentence; empty where it is unclear."""
    widths = {len(row) for row in rows}
    if widths == {1}:
        return " No tabs, commas or semicolons separate its cells."
    if widths == {len(rows) - 1}:
        return " The condition names are probably missing in the first column."
    return ""


def _refuse_nameless(rows: Sequence[Sequence[str]], path: Path) -> None:
    """Refuse a square of numbers alone: its first row and column would be taken for names.

    Names may be numbers, but then they are not a symmetric matrix with equal numbers on its
    diagonal.
    """
    try:
        cells = np.array(rows, dtype=np.float64)
    except ValueError:  # a text, or rows of different widths
        return
    square = cells.ndim == 2 and cells.shape[0] == cells.shape[1] > 1
    if square and np.array_equal(cells, cells.T) and len(set(np.diag(cells))) == 1:
        raise ContentError(
            f"{path}: the model has no condition names: its {len(cells)} rows and columns contain "
            "numbers only.",
            f"Expected: {_SQUARE}.",
        )


def _numbers(rows: Sequence[Sequence[str]], header: Sequence[str], path: Path) -> Floats:
    """Read the cells behind each row's name, NaN where one is missing."""
    try:
        return np.array([row[1:] for row in rows], dtype=np.float64)
    except ValueError:  # a missing cell, or one that is no number
        values = [
            [read_number(c, path, r[0], header[j]) for j, c in enumerate(r[1:])] for r in rows
        ]
        return np.array(values, dtype=np.float64)


def read_npy(path: Path, conditions: Sequence[str]) -> tuple[list[str], Floats]:
    """Return names from --conditions, cells from a square or condensed array."""
    try:
        array = np.load(path, allow_pickle=False)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise ContentError(f"{path} cannot be read as an .npy array: {error}.") from error
        raise ContentError(
            f"{path} contains a Python object, and an array of numbers is needed. Objects are "
            "never opened, because they can execute code.",
            "Save the RDM alone: numpy.save(file, numpy.asarray(rdm, dtype=float)).",
        ) from None
    except (EOFError, OSError) as error:
        raise ContentError(f"{path} cannot be read as an .npy array: {error}.") from error
    if array.dtype.kind not in "biuf":
        raise ContentError(
            f"{path}: an array of numbers is needed, and this contains {array.dtype}."
        )
    array = array.astype(np.float64)
    if array.ndim == 1:
        n = round((1 + np.sqrt(1 + 8 * array.size)) / 2)
        if n * (n - 1) // 2 != array.size or n < 2:
            raise ContentError(
                f"{path}: {array.size} values are not a condensed RDM: n conditions have n(n-1)/2."
            )
        array = scipy.spatial.distance.squareform(array, checks=False)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ContentError(
            f"{path}: a model must be square (or condensed), and this array has "
            f"shape {array.shape}."
        )
    if len(conditions) != len(array):
        given = f"names {len(conditions)}" if conditions else "was not given"
        raise OptionError(
            f"{path} contains an RDM of {len(array)} conditions without names, and --conditions "
            f"{given}.",
            f"Give --conditions with {len(array)} names, in the order of its rows.",
        )
    check_unique(list(conditions), path)
    return list(conditions), array


def read_features(path: Path) -> tuple[list[str], Floats]:
    """Return names and features (n_conditions, n_features) of a table keyed by ``condition``."""
    header, *rows = read_table(path)
    if "condition" not in header:
        raise ContentError(
            f"{path}: a column 'condition' is needed, and the columns are {', '.join(header)}."
        )
    if any(len(row) != len(header) for row in rows) or len(header) < 2 or not rows:
        raise ContentError(
            f"{path}: expected a row for each condition, with a value in each of the "
            f"{len(header)} columns ({', '.join(header)}) and at least one feature column."
        )
    key = header.index("condition")
    names = [composed(row[key]) for row in rows]
    check_unique(names, path)
    columns = [i for i in range(len(header)) if i != key]
    values = [[read_number(row[i], path, row[key], header[i]) for i in columns] for row in rows]
    features = np.array(values, dtype=np.float64)
    if not np.isfinite(features).all():
        i, j = np.argwhere(~np.isfinite(features))[0]
        raise ContentError(
            f"{path}: the feature {header[columns[j]]} of {names[i]} has no finite value."
        )
    return names, features
