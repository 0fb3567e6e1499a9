"""Options of permuted conditions, and what goes with them."""

import argparse

from bids_rsa.errors import OptionError
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import RsaSettings


def add_null_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of inference within a participant."""
    add = OptionGroup(parser, "Inference within a participant", "participant").add
    add(
        "--condition-permutations",
        metavar="N",
        type=types.whole_number(0),
        help=(
            "permute the conditions of the models N times, for p, z and corrected p (by the "
            "maximum) within each participant; if no more than N distinct relabelings exist, each "
            "is used once; 0 for none (see --random-seed and --alpha)"
        ),
    )
    add(
        "--keep-null",
        metavar="M",
        type=types.whole_number(0),
        help=(
            "save the score maps of the first M permutations, for --null at group level; use 100 "
            "or more"
        ),
    )
    add(
        "--reliability",
        action="store_true",
        help=(
            "map the split-half reliability of the RDMs: odd against even runs (with --folds, odd "
            "against even folds), compared with rho-a, or with Pearson's correlation if the first "
            "--comparison is not rank-based"
        ),
    )


def check_null_options(rsa: RsaSettings) -> None:
    """Check what only the options together can tell.

    Raises
    ------
    OptionError
    """
    if rsa.keep_null > rsa.condition_permutations:
        raise OptionError(
            f"--keep-null {rsa.keep_null} keeps more null maps than there are permutations "
            f"(--condition-permutations {rsa.condition_permutations}).",
            f"Give --condition-permutations {max(1000, rsa.keep_null)}.",
        )
