"""The command line: every option, documented once."""

import argparse

from bids_rsa.options import argument_types as types
from bids_rsa.options.app_parser import DESCRIPTION, EXAMPLES, USAGE, HelpFormatter, Parser
from bids_rsa.options.bold_options import add_bold_options
from bids_rsa.options.group_options import add_group_options
from bids_rsa.options.input_options import (
    add_input_options,
    add_mask_options,
    add_model_options,
    add_selection_options,
    add_surface_options,
)
from bids_rsa.options.noise_options import add_noise_options
from bids_rsa.options.null_options import add_null_options
from bids_rsa.options.region_options import add_region_options
from bids_rsa.options.rsa_options import add_rsa_options
from bids_rsa.options.run_options import add_run_options


def build_parser(positionals: bool = True) -> argparse.ArgumentParser:
    """Build the parser; its result contains only what was given.

    Parameters
    ----------
    positionals : bool
        Whether BIDS_DIR, OUTPUT_DIR and the level are part of it (not in a configuration file).
    """
    parser = Parser(
        prog="bids_rsa",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=HelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    if positionals:
        _add_positionals(parser)
    for add_options in (
        add_selection_options,
        add_input_options,
        add_model_options,
        add_rsa_options,
        add_noise_options,
        add_mask_options,
        add_surface_options,
        add_bold_options,
        add_region_options,
        add_null_options,
        add_group_options,
        add_run_options,
    ):
        add_options(parser)
    return parser


def _add_positionals(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every BIDS App has."""
    parser.add_argument(
        "bids_dir",
        metavar="BIDS_DIR",
        help="dataset with condition images, or a raw dataset whose derivatives contain them",
    )
    parser.add_argument(
        "output_dir", metavar="OUTPUT_DIR", help="where the derivatives are written"
    )
    parser.add_argument(
        "analysis_level",
        metavar="{participant,group}",
        type=types.level,
        choices=types.LEVELS,
        help=(
            "participant: maps of each participant; group: tests across participants, from the "
            "maps in OUTPUT_DIR"
        ),
    )
