"""A small synthetic BIDS dataset: noise everywhere, and a planted model effect in a known place."""

import argparse
import sys

from bids_rsa.example.images import make_example
from bids_rsa.example.planted import BOLD_SUBJECTS, ExampleSettings


def _parser() -> argparse.ArgumentParser:
    """Build the parser of the command."""
    defaults = ExampleSettings()
    parser = argparse.ArgumentParser(prog="python -m bids_rsa.example", description=__doc__)
    parser.add_argument("directory", metavar="DIR", help="a new folder")
    parser.add_argument(
        "--bold",
        action="store_true",
        help="BOLD runs and events as fMRIPrep leaves them, in place of condition images",
    )
    parser.add_argument(
        "--surface",
        action="store_true",
        help="with --bold: also BOLD on the cortical surface (fsaverage5)",
    )
    parser.add_argument(
        "--n-subjects",
        type=int,
        help=f"default: {defaults.n_subjects}, with --bold {BOLD_SUBJECTS}",
    )
    parser.add_argument("--seed", type=int, default=defaults.seed, help="default: %(default)s")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Write the example dataset into the folder named on the command line."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.surface and not arguments.bold:
        parser.error("--surface adds BOLD on the surface to that of --bold: give both.")
    default = BOLD_SUBJECTS if arguments.bold else ExampleSettings.n_subjects
    n_subjects = arguments.n_subjects or default
    try:
        if arguments.bold:
            from bids_rsa.example.bold import BoldExampleSettings, make_bold_example

            bold = BoldExampleSettings(
                n_subjects=n_subjects, seed=arguments.seed, on_surface=arguments.surface
            )
            root = make_bold_example(arguments.directory, bold)
        else:
            settings = ExampleSettings(n_subjects=n_subjects, seed=arguments.seed)
            root = make_example(arguments.directory, settings)
    except OSError as error:
        parser.error(str(error))
    models = root / "derivatives" / "models" if arguments.bold else root / "models"
    sys.stdout.write(f"The example dataset is in {root} and its model in {models}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
