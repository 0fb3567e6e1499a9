"""Groups of options whose help says the defaults."""

import argparse
import dataclasses
from typing import Any

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


class ExecSpec(argparse.Action):
    """Print the Boutiques descriptor and leave."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Make the descriptor from the parser itself."""
        from bids_rsa.options.boutiques import print_descriptor

        print_descriptor(parser)
        parser.exit()


class OptionGroup:
    """A titled group of options that says each option's default in its help.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    title : str
    levels : str
        The levels at which the options take effect.
    """

    def __init__(self, parser: argparse.ArgumentParser, title: str, levels: str) -> None:
        self._group = parser.add_argument_group(f"{title} ({levels})")

    def add(self, *flags: str, **keywords: Any) -> None:
        """Add an option; its default stands in the settings field that is named like its dest."""
        dest = keywords.setdefault("dest", flags[-1].lstrip("-").replace("-", "_"))
        default = DEFAULTS.get(dest)
        # 0 is a default worth saying, though it equals False
        unset = default is None or default is False or default in ((), "", "{}")
        if not unset and keywords.get("action") != "count":
            shown = " ".join(default) if isinstance(default, tuple) else default
            shown = f"{shown:g}" if isinstance(shown, float) else shown
            keywords["help"] += f" (default: {shown})"
        if keywords.get("nargs") == "+":
            keywords.setdefault("action", "extend")
        self._group.add_argument(*flags, **keywords)
