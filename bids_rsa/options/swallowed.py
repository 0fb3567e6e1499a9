"""Positional arguments that an option with several values took for itself."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from bids_rsa.options.argument_types import LEVELS


def find_swallowed(parser: argparse.ArgumentParser, argv: Sequence[str]) -> str:
    """Say which option took the positional arguments that are missing.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    argv : sequence of str
        A command line that the parser refused.

    Returns
    -------
    str
        A sentence; empty where no option can have done that.
    """
    for option, values in _lists(parser, argv):
        taken = next((i for i, value in enumerate(values) if _is_positional(option, value)), None)
        if taken is not None:
            return (
                f"{option} takes several values, and took {' '.join(values[taken:])} as well: "
                "put BIDS_DIR, OUTPUT_DIR and {participant,group} in front of it."
            )
    return ""


def _lists(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield the options that take several values, with those behind them."""
    several = {flag for action in parser._actions if action.nargs == "+"
               for flag in action.option_strings}  # fmt: skip
    for start, argument in enumerate(argv):
        if argument.partition("=")[0] in several and "=" not in argument:
            behind = argv[start + 1 :]
            end = next((i for i, v in enumerate(behind) if v.startswith("-")), len(behind))
            yield argument, behind[:end]


def _is_positional(option: str, value: str) -> bool:
    """Tell whether a value looks like a folder or a level; only -d takes folders."""
    if value in LEVELS:
        return True
    if not value or option in ("-d", "--derivatives"):
        return False
    return Path(value).is_dir() or (value.startswith("/") and option.endswith("-label"))
