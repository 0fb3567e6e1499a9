"""The Boutiques descriptor of the command line, made from the parser itself.

Format: Boutiques descriptor schema 0.5 (Glatard et al. 2018, GigaScience 7:giy016).
"""

import argparse
import dataclasses
import inspect
import json
import re
import sys
from typing import Any, get_args, get_type_hints

from bids_rsa import errors, settings
from bids_rsa._version import __version__

# what they print is no part of a run
_NOT_FOR_RUNS = ("help", "version", "bids_exec_spec")
_FOLDERS_READ = ("bids_dir",)


def print_descriptor(parser: argparse.ArgumentParser) -> None:
    """Write the descriptor of ``parser`` to standard output, as JSON."""
    json.dump(descriptor(parser), sys.stdout, indent=2)
    sys.stdout.write("\n")


def descriptor(parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Describe a parser to Boutiques.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        The parser; the name in its usage is the command.

    Returns
    -------
    dict
        The descriptor: one input for each positional and each option, and the exit codes.
    """
    actions = [action for action in parser._actions if action.dest not in _NOT_FOR_RUNS]
    # options that take several values would swallow positionals behind them
    actions.sort(key=lambda action: bool(action.option_strings))
    inputs = [_input(action) for action in actions]
    return {
        "name": parser.prog,
        "description": parser.description,
        "tool-version": __version__,
        "schema-version": "0.5",
        "command-line": " ".join([parser.prog, *(entry["value-key"] for entry in inputs)]),
        "inputs": inputs,
        "output-files": [
            {
                "id": "results",
                "name": "BIDS derivatives",
                "description": "Maps, sidecars, pictures and reports.",
                "path-template": "[OUTPUT_DIR]",
            }
        ],
        "error-codes": _error_codes(),
    }


def _input(action: argparse.Action) -> dict[str, Any]:
    """Describe one positional or option."""
    entry: dict[str, Any] = {
        "id": action.dest,
        "name": action.dest.replace("_", " "),
        "description": action.help,
        "type": _type(action),
        "optional": bool(action.option_strings),
        "value-key": f"[{action.dest.upper()}]",
    }
    if action.option_strings:
        entry["command-line-flag"] = _flag(action)
    if action.choices is not None:
        entry["value-choices"] = list(action.choices)
    if action.nargs == "+":
        entry |= {"list": True, "min-list-entries": 1}
    return entry


def _flag(action: argparse.Action) -> str:
    """Choose the option's first long form."""
    long = (flag for flag in action.option_strings if flag.startswith("--"))
    return next(long, action.option_strings[0])


def _type(action: argparse.Action) -> str:
    """Choose one of Boutiques' types, from the settings field that the option fills."""
    if action.nargs == 0:
        return "Flag"
    if action.dest in _FOLDERS_READ or action.metavar == "FILE":
        return "File"
    hint = _field_types().get(action.dest, str)
    number = bool({int, float} & {hint, *get_args(hint)}) and action.nargs != "+"
    return "Number" if number else "String"


def _field_types() -> dict[str, Any]:
    """Collect the type of every settings field."""
    bundles = [value for value in vars(settings).values() if dataclasses.is_dataclass(value)]
    return {name: hint for bundle in bundles for name, hint in get_type_hints(bundle).items()}


def _error_codes() -> list[dict[str, Any]]:
    """List the exit codes, with the sentence that each error class begins with."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    codes = {
        kind.exit_code: (inspect.getdoc(kind) or "").splitlines()[0]
        for kind in kinds
        if issubclass(kind, errors.BidsRsaError) and kind is not errors.BidsRsaError
    }
    codes |= {1: "Some participants failed, and others ran.", 143: "Stopped by SIGTERM."}
    return [
        {"code": code, "description": re.sub(r"\s+", " ", text)}
        for code, text in sorted(codes.items())
    ]
