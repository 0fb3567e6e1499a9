"""The configuration file: TOML with the same names as the options."""

import json
import tomllib
from pathlib import Path
from typing import Any

from bids_rsa.errors import InputError, OptionError
from bids_rsa.tables import refuse_special


def read_config(path: str) -> dict[str, Any]:
    """Read a TOML file of options; names may be written with ``-`` or ``_``.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    dict
        Option names with dashes, without the leading ones, and their values.

    Raises
    ------
    InputError
        The file does not exist or cannot be read.
    OptionError
        It is not TOML.
    """
    try:
        refuse_special(path)
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"The configuration file {path} cannot be read: {error.strerror}."
        ) from None
    try:
        values = tomllib.loads(content.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(
            f"It is not TOML: {error}.",
            'Write one option a line, like: radius = 8, or: model = ["a.tsv", "b.tsv"].',
        ) from None
    return {name.replace("_", "-"): value for name, value in values.items()}


def as_arguments(path: str) -> list[list[str]]:
    """Turn each option of a configuration file into the part of a command line that says it."""
    arguments = []
    for name, value in read_config(path).items():
        if isinstance(value, dict) and name != "dissimilarity-params":
            raise OptionError(
                f"It has a table [{name}].", "Put all options at the top level of the file."
            )
        if name == "config-file":
            raise OptionError("It names another configuration file.", "Write all options in one.")
        arguments.append(_option(name, value))
    return arguments


def _option(name: str, value: Any) -> list[str]:
    """Write one option of the file as it would be on the command line."""
    if isinstance(value, bool):
        return [f"--{name}"] if value else []
    if isinstance(value, dict):
        return [f"--{name}", json.dumps(value)]
    values = value if isinstance(value, list) else [value]
    return [f"--{name}", *map(str, values)] if values else []
