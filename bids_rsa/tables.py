"""Small text files (TSV, CSV, JSON), read with clear errors."""

import csv
import difflib
import json
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bids_rsa.errors import ContentError, InputError, ReadWriteError

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # zip: xlsx, ods; OLE: xls
_DECIMAL_COMMA = re.compile(r"^(-?\d*),(\d+(?:[eE][-+]?\d+)?)$")
MISSING = {"", "nan", "n/a", "na"}


def expanded(path: str | os.PathLike[str]) -> Path:
    """Replace a leading ``~`` by the home folder, which a shell does not do behind ``=``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # no one of that name
        return Path(path)


def existing_file(path: str, option: str) -> Path:
    """Return the path if a file is there, else say what is near."""
    path = str(expanded(path))
    if not Path(path).exists():
        folder = Path(path).resolve().parent
        found = sorted(p.name for p in folder.glob("*")) if folder.is_dir() else []
        near = difflib.get_close_matches(Path(path).name, found, 3)
        raise InputError(
            f"{option}: there is no file {path}.",
            f"In {folder} there is: {', '.join(near)}" if near else f"Looked in {folder}.",
        )
    if Path(path).is_dir():
        raise InputError(f"{option}: {path} is a folder, and a file is needed.")
    if not Path(path).is_file():
        raise InputError(
            f"{option}: {path} is not a regular file; write what it gives into a file."
        )
    return Path(path)


def refuse_special(path: str | os.PathLike[str], what: str = "a file") -> None:
    """Refuse what is not a regular file: opening a named pipe would wait for ever.

    Raises
    ------
    InputError
        A folder, a pipe, a device.
    FileNotFoundError, OSError
        No such file, or one that cannot be looked at.
    """
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "no regular file (a pipe, socket or device)"
        raise InputError(f"{os.fspath(path)} is {kind}; {what} is expected.")


def refuse_unwritable_name(path: str) -> None:
    """Refuse a path that no sidecar can name: JSON is UTF-8.

    Raises
    ------
    InputError
        Shows the bytes that are none.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise InputError(
            f"The path {shown} is not written in UTF-8, and sidecars could not name it.",
            "Rename the file or folder.",
        ) from None


def json_of(text: str | bytes) -> Any:
    """Read JSON.

    Raises
    ------
    ValueError
        It is none, or is nested too deeply to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def json_object_of(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that contains an object; None for anything else, and for no file."""
    try:
        content = json_of(path.read_bytes()) if path.is_file() else None
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def read_table(path: Path) -> list[list[str]]:
    """Return the cells of a TSV or CSV, without empty lines and empty columns at the end.

    Spreadsheets separate cells by semicolons where the decimal mark is a comma; such numbers are
    returned with a point.
    """
    try:
        refuse_special(path)
        raw = path.read_bytes()
        if raw.startswith(_SPREADSHEETS):
            raise ContentError(
                f"{path} is a spreadsheet (Excel or OpenDocument), and a text file was expected.",
                "Save the table as TSV or CSV.",
            )
        text = raw.decode("utf-16" if raw[:2] in _UTF16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContentError(
            f"{path} is not a text file in UTF-8 ({error.reason} at byte {error.start}).",
            "Expected a table with tabs, commas or semicolons (TSV or CSV), saved as UTF-8 (in "
            "Excel: CSV UTF-8).",
        ) from error
    except OSError as error:
        raise ReadWriteError(f"{path} cannot be read: {error.strerror}.") from error
    if _is_json(text):
        raise ContentError(
            f"{path} is a JSON file, and a table was expected.",
            "Expected a table with tabs or commas (TSV or CSV).",
        )
    lines = text.splitlines()
    delimiter = _delimiter(lines)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    if delimiter == ";":
        rows = [[_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    if not rows:
        raise ContentError(f"{path} is empty, and a table was expected.")
    width = max(i + 1 for row in rows for i, cell in enumerate(row) if cell)
    return [row[:width] for row in rows]


def _is_json(text: str) -> bool:
    """Tell whether a text is a JSON object or list."""
    try:
        return text.lstrip()[:1] in ("{", "[") and isinstance(json_of(text), (dict, list))
    except ValueError:
        return False


def composed(name: str) -> str:
    """Return a name with composed accents, as keyboards write it (Unicode's NFC).

    Some programs write an accent as a separate character; both look the same.
    """
    return unicodedata.normalize("NFC", name)


def _delimiter(lines: Sequence[str]) -> str:
    """Find what separates the cells of the header."""
    header = next((line for line in lines if line.strip()), "")
    return "\t" if "\t" in header else max(",;", key=header.count)


def read_number(text: str, path: Path, row: str, column: str) -> float:
    """Return a cell's value, NaN where it is missing."""
    if text.lower() in MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        raise ContentError(
            f"{path}: row {row!r}, column {column!r} contains {text!r}, and a number (or n/a) "
            "was expected.",
            "Write decimals with a point." if "," in text else "",
        ) from None


def check_unique(names: Sequence[str], path: Path) -> None:
    """Refuse names that occur twice, and empty ones."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContentError(
            f"{path}: duplicate condition names: {', '.join(twice)}.",
            "Each name may occur only once.",
        )
    if "" in names:
        raise ContentError(f"{path}: condition number {list(names).index('') + 1} has no name.")
