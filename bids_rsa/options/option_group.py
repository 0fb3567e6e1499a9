"""Groups of options whose help says the defaults."""

import argparse
import dataclasses
from collections.abc import Mapping
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


# of the participant level; regions are patches of their own
OF_SEARCHLIGHTS = ("radius_mm", "patch_size", "center_density")


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
    level : str
        The level at which the options take effect: participant, group or both.
    both : tuple of str
        Those that also take effect at the other level.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        title: str,
        level: str,
        both: tuple[str, ...] = (),
    ) -> None:
        others = f"; {', '.join(both)} at both" if both else ""
        words = "both levels" if level == "both" else f"{level} level{others}"
        self._group = parser.add_argument_group(f"{title} ({words})")
        self._level, self._both = level, both

    def add(self, *flags: str, **keywords: Any) -> None:
        """Add an option; its default is in the settings field that is named like its dest."""
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
        action = self._group.add_argument(*flags, **keywords)
        vars(action)["level"] = "both" if set(flags) & set(self._both) else self._level


def without_effect(
    parser: argparse.ArgumentParser, given: Mapping[str, Any], level: str
) -> list[str]:
    """List the options given that take no effect at a level."""
    return [
        max(action.option_strings, key=len)
        for action in parser._actions
        if action.dest in given and vars(action).get("level", "both") not in ("both", level)
    ]


def without_effect_beside(
    given: Mapping[str, Any], on_line: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """List the options of the command line that others leave without effect, and why.

    Parameters
    ----------
    given : mapping
        The values of all options given, by dest, with ``analysis_level``.
    on_line : mapping
        Those given on the command line.
    """
    participant = given["analysis_level"] == "participant"
    rules = (
        (participant and given.get("roi_only"), OF_SEARCHLIGHTS, "with --roi-only"),
        (
            participant and not given.get("condition_permutations"),
            ("alpha", "random_seed"),
            "without --condition-permutations",
        ),
        (
            not participant and given.get("null") == "conditions",
            ("n_permutations", "random_seed"),
            "with --null conditions, which uses each null map once",
        ),
    )
    return [
        (f"--{dest.removesuffix('_mm').replace('_', '-')}", why)
        for holds, idle, why in rules
        for dest in idle
        if holds and dest in on_line
    ]
