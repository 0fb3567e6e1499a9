"""Options of permuted conditions, and what goes with them."""

import argparse

from bids_rsa.errors import OptionError
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import Settings


def add_null_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of inference within a participant."""
    add = OptionGroup(parser, "Inference within a participant").add
    add(
        "--condition-permutations",
        metavar="N",
        type=types.whole_number(0),
        help=(
            "permute the conditions of the models N times, for p, z and p corrected by the maximum "
            "in each participant (--random-seed, --alpha); all distinct relabelings where they "
            "are no more than N; 0: none"
        ),
    )
    add(
        "--keep-null",
        metavar="M",
        type=types.whole_number(0),
        help=(
            "keep the score maps of the first M permutations, for --null at group level; 100 "
            "or more"
        ),
    )

    add(
        "--reliability",
        action="store_true",
        help=(
            "compare the RDMs of odd and even runs (with --folds: of odd and even folds) at each "
            "centre: rho-a, or Pearson's correlation where --comparison begins with one that "
            "does not rank"
        ),
    )


def check_null_options(settings: Settings) -> None:
    """Check what only the options together can tell.

    Raises
    ------
    OptionError
    """
    rsa = settings.rsa
    if rsa.keep_null > rsa.condition_permutations:
        raise OptionError(
            f"--keep-null {rsa.keep_null} keeps more null maps than there are permutations "
            f"(--condition-permutations {rsa.condition_permutations}).",
            f"Give --condition-permutations {max(1000, rsa.keep_null)}.",
        )
