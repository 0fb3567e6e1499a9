"""The argument parser: readable help, and errors that say what to do."""

import argparse
import textwrap
from difflib import get_close_matches
from typing import NoReturn

from bids_rsa.errors import OptionError

USAGE = "%(prog)s BIDS_DIR OUTPUT_DIR {participant,group} [options]"
DESCRIPTION = "Searchlight representational similarity analysis of fMRI, as a BIDS App."
EXAMPLES = """\
examples:
  Score maps of each participant (correlation distance, Spearman, 10 mm), then the group test:
    bids_rsa BIDS OUT participant --model animacy.tsv
    bids_rsa BIDS OUT group
  Cross-validated, noise-normalised distances:
    bids_rsa BIDS OUT participant --model animacy.tsv --dissimilarity crossnobis \\
        --folds runs --noise shrinkage --comparison whitened-cosine
  From fMRIPrep's BOLD and the events of the raw dataset:
    bids_rsa RAW OUT participant --from-bold -d FMRIPREP --space T1w --model animacy.tsv \\
        --folds runs
  Show what would be read and written:
    bids_rsa BIDS OUT participant --model animacy.tsv --dry-run

Options follow the three positional arguments. Words in their names may be joined by - or _.
"""
_MOST_SUGGESTIONS = 4


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help with each value named once, and no option's name broken at a hyphen."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        """Write ``NAME ...`` for ``NAME [NAME ...]``."""
        if action.nargs != "+":
            return super()._format_args(action, default_metavar)
        return f"{self._metavar_formatter(action, default_metavar)(1)[0]} ..."

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Write ``-w, --work-dir DIR`` for ``-w DIR, --work-dir DIR``."""
        if not action.option_strings:
            return super()._format_action_invocation(action)
        names = ", ".join(action.option_strings)
        if action.nargs == 0:
            return names
        return f"{names} {self._format_args(action, action.dest.upper())}"

    def _split_lines(self, text: str, width: int) -> list[str]:
        """Break lines at spaces only."""
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are the project's own."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            self._refuse_unknown(unknown.split())
        sentence = f"{message[0].upper()}{message[1:]}".rstrip(".")
        raise OptionError(f"{sentence}.", "See bids_rsa --help.")

    def _refuse_unknown(self, words: list[str]) -> NoReturn:
        """Name the first unknown option, or the text where no argument is expected."""
        option = next((word for word in words if word.startswith("-")), None)
        if option is None:
            raise OptionError(
                f"Unexpected argument: {' '.join(words)}.",
                "Expected: BIDS_DIR OUTPUT_DIR {participant,group}, then options. See bids_rsa "
                "--help.",
            )
        name = option.partition("=")[0]
        near = self._similar_options(name)
        guess = f"Did you mean {' or '.join(near)}? " if near else ""
        raise OptionError(f"Unknown option {name}.", f"{guess}See bids_rsa --help.")

    def _similar_options(self, name: str) -> list[str]:
        """Find options that contain the word, are spelled alike, or take what it names."""
        known = {
            flag: str(action.metavar)
            for flag, action in self._option_string_actions.items()
            if flag.startswith("--")
        }
        word = name.lstrip("-")
        containing = [flag for flag in known if len(word) > 2 and word in flag]
        alike = get_close_matches(name, known, n=1, cutoff=0.75)
        taking = [flag for flag, value in known.items() if value == word.upper()]
        return (containing or alike or taking)[:_MOST_SUGGESTIONS]
