"""The project's kind of argument parser: its errors, its defaults, its groups of options."""

import argparse
import dataclasses
from difflib import get_close_matches
from typing import Any, NoReturn

from bids_rsa.errors import OptionError
from bids_rsa.settings import (
    BoldSettings,
    GroupSettings,
    InputSettings,
    RegionSettings,
    RsaSettings,
    RunSettings,
    Selection,
)

DEFAULTS = {
    field.name: field.default
    for settings in (
        GroupSettings,
        RsaSettings,
        Selection,
        InputSettings,
        BoldSettings,
        RegionSettings,
        RunSettings,
    )
    for field in dataclasses.fields(settings)
}


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are the project's own."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        sentence = f"{message[0].upper()}{message[1:]}".rstrip(".")
        raise OptionError(f"{sentence}.", self._hint(message))

    def _hint(self, message: str) -> str:
        """Suggest the nearest option for an unknown one."""
        known = [option for option in self._option_string_actions if option.startswith("--")]
        for word in message.split():
            near = get_close_matches(word, known, n=1) if word.startswith("--") else []
            if near and near[0] != word and "unrecognized" in message:
                return f"Did you mean {near[0]}? See bids_rsa --help."
        return "See bids_rsa --help."


class ExecSpec(argparse.Action):
    """Print the Boutiques descriptor and leave."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Make the descriptor from the parser itself."""
        from bids_rsa.options.boutiques import print_descriptor

        print_descriptor(parser)
        parser.exit()


class OptionGroup:
    """A titled group of options that says each option's default in its help."""

    def __init__(self, parser: argparse.ArgumentParser, title: str) -> None:
        self._group = parser.add_argument_group(title)

    def add(self, *flags: str, **keywords: Any) -> None:
        """Add an option; its default stands in the settings field that is named like its dest."""
        dest = keywords.setdefault("dest", flags[-1].lstrip("-").replace("-", "_"))
        default = DEFAULTS.get(dest)
        # 0 is a default worth saying, though it equals False
        unset = default is None or default is False or default in ((), "")
        if not unset and keywords.get("action") != "count":
            shown = " ".join(default) if isinstance(default, tuple) else default
            keywords["help"] += f" (default: {shown})"
        if keywords.get("nargs") == "+":
            keywords.setdefault("action", "extend")
        self._group.add_argument(*flags, **keywords)
