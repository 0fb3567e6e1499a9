"""The command line: every option, documented once."""

import argparse
from collections.abc import Callable

from bids_rsa._version import __version__
from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES
from bids_rsa.options import argument_types as types
from bids_rsa.options.bold_options import add_bold_options
from bids_rsa.options.group_options import add_group_options
from bids_rsa.options.input_options import add_input_options, add_selection_options
from bids_rsa.options.noise_options import add_noise_options
from bids_rsa.options.null_options import add_null_options
from bids_rsa.options.option_group import ExecSpec, OptionGroup, Parser
from bids_rsa.options.region_options import add_region_options


def _add_science_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the participant level."""
    add = OptionGroup(parser, "Searchlight RSA").add
    add(
        "--radius",
        dest="radius_mm",
        metavar="MM",
        type=types.positive_number("millimetres"),
        help="radius of the searchlight in mm",
    )
    add(
        "--patch-size",
        metavar="N",
        type=types.whole_number(1),
        help=(
            "use only the N voxels (or vertices) nearest to each centre, and none beyond --radius "
            "(default: all within the radius)"
        ),
    )
    add(
        "--dissimilarity",
        metavar="METRIC",
        type=types.dissimilarity,
        help=f"measure of the dissimilarity of two patterns: {', '.join(DISSIMILARITIES)}",
    )
    add(
        "--dissimilarity-params",
        metavar="JSON",
        type=types.json_object,
        help="parameters of the dissimilarity, such as '{\"p\": 3}' for minkowski",
    )
    add(
        "--comparison",
        nargs="+",
        dest="comparisons",
        metavar="METRIC",
        type=types.comparison,
        help=(
            "measure that compares the RDM with the model; several use the same RDMs: "
            f"{', '.join(COMPARISONS)}; at group level, those to test (all if not given)"
        ),
    )
    add(
        "--folds",
        metavar="none|runs|max|N",
        type=types.folds,
        help=(
            "cross-validate distances over folds: none, runs (one run per fold), max (the same), "
            "or N folds of consecutive runs"
        ),
    )
    _add_rule_options(add)
    _add_cell_options(add)


def _add_rule_options(add: Callable[..., None]) -> None:
    """Add the options that say what is done with missing values, voxels and runs."""
    add(
        "--ignore-nan",
        action="store_true",
        help="treat NaN as a missing value (default: a centre with NaN in its patch is NaN)",
    )
    add(
        "--min-voxels",
        metavar="N",
        type=types.whole_number(1),
        help="skip centres with fewer voxels in their patch",
    )
    add(
        "--missing-runs",
        choices=("error", "complete", "average"),
        help=(
            "if a condition is missing from some runs: stop with an error, use only complete runs, "
            "or average the runs that have it"
        ),
    )
    add(
        "--normalize",
        choices=("none", "variance"),
        help=(
            "univariate noise normalisation: divide each effect by the square root of its variance "
            "image"
        ),
    )
    add(
        "--standardize",
        action="store_true",
        help="z-score the RDM and the models before regression",
    )
    add(
        "--center",
        choices=("none", "conditions"),
        help="subtract the mean pattern over conditions from each fold first",
    )


def _add_cell_options(add: Callable[..., None]) -> None:
    """Add the options that say which cells of RDMs are compared, and how they are weighed."""
    add(
        "--nuisance",
        nargs="+",
        metavar="NAME",
        help=(
            "models of no interest: included in joint fits (partial correlations, regressions, "
            "shares of variance), but without a map"
        ),
    )
    add(
        "--exclude-cells",
        metavar="FILE",
        help="square table of the conditions; pairs whose cell is 0 or empty are left out",
    )
    add(
        "--exclude-within",
        choices=("none", "run"),
        help="leave out pairs of conditions whose images all come from the same single run",
    )
    add(
        "--condition-covariance",
        metavar="none|design|FILE",
        help=(
            "covariance of the condition estimates, for whitened comparisons: none (independent "
            "and equally noisy), design (from the runs' design matrices, with --from-bold), or a "
            "square table"
        ),
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where and how to run; none changes a number in the results."""
    add = OptionGroup(parser, "Running").add
    add(
        "-w",
        "--work-dir",
        metavar="DIR",
        help=(
            "folder for intermediate results, which later runs reuse (default: "
            "OUTPUT_DIR/.work/UID); each job has its own folder there, which is removed "
            "after success unless -w is given"
        ),
    )
    add(
        "--nprocs",
        "--n-cpus",
        dest="n_procs",
        metavar="N",
        type=types.whole_number(1),
        help="number of CPUs to use (default: all that this process may use)",
    )
    add(
        "--omp-nthreads",
        metavar="N",
        type=types.whole_number(1),
        help=(
            "threads per searchlight node (default: all CPUs, shared by the subjects that run at "
            "once)"
        ),
    )
    add(
        "--mem-gb",
        metavar="GB",
        type=types.positive_number("GB"),
        help="memory to use (default: all that this process may use)",
    )
    add(
        "--use-plugin",
        "--nipype-plugin-file",
        dest="use_plugin",
        metavar="NAME|FILE",
        help=(
            "Nipype execution plugin: Linear, MultiProc, or a YAML file with plugin and "
            "plugin_args (SLURM, PBS ...)"
        ),
    )
    _add_mode_options(add)


def _add_mode_options(add: Callable[..., None]) -> None:
    """Add the options that say how far a run goes."""
    add(
        "--stop-on-first-crash",
        action="store_true",
        help="stop at the first subject that fails (default: continue with the others)",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace outputs that were made with other settings or inputs",
    )
    add(
        "--dry-run",
        action="store_true",
        help="print what was found and what would be written; write nothing",
    )
    add(
        "--dry-run-table",
        metavar="FILE",
        help="with --dry-run: write what was found as a TSV with one row per condition and run",
    )
    add(
        "--no-figures",
        action="store_true",
        help="draw no pictures of maps and regions; the pages then say so",
    )
    add("--no-report", action="store_true", help="write no HTML pages")
    add(
        "--reports-only",
        action="store_true",
        help="write the HTML pages of the results in OUTPUT_DIR again, without computing anything",
    )
    add(
        "--list-participants",
        action="store_true",
        help="print the participants found, one per line; write nothing",
    )
    add(
        "--validate",
        action="store_true",
        help="run the official BIDS validator on BIDS_DIR first; requires bids-validator-deno",
    )
    add(
        "--skip-bids-validation",
        action="store_true",
        help="accepted for compatibility with other BIDS Apps; validation is off unless "
        "--validate is given",
    )
    _add_common_options(add)


def _add_common_options(add: Callable[..., None]) -> None:
    """Add the options that every program has."""
    add(
        "--config-file",
        metavar="FILE",
        help="TOML file with these options; the command line takes precedence",
    )
    add("--debug", action="store_true", help="show tracebacks and keep the work directory")
    add(
        "-v",
        "--verbose",
        dest="verbosity",
        action="count",
        help="log each step with its time; -vv adds Nipype's messages",
    )
    add(
        "--bids-exec-spec",
        nargs=0,
        action=ExecSpec,
        help="print the Boutiques descriptor of this command line and exit",
    )
    add(
        "--version",
        action="version",
        version=f"bids_rsa {__version__}",
        help="print the version and exit",
    )


def build_parser(positionals: bool = True) -> argparse.ArgumentParser:
    """Build the parser; options that are not given leave no trace in its result.

    Parameters
    ----------
    positionals : bool
        Whether BIDS_DIR, OUTPUT_DIR and the level are part of it (not in a configuration file).
    """
    parser = Parser(
        prog="bids_rsa",
        description="Searchlight representational similarity analysis of fMRI, as a BIDS App.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    if positionals:
        parser.add_argument(
            "bids_dir",
            metavar="BIDS_DIR",
            help="dataset with condition images, or a raw dataset whose derivatives hold them",
        )
        parser.add_argument(
            "output_dir", metavar="OUTPUT_DIR", help="where the derivatives are written"
        )
        parser.add_argument(
            "analysis_level",
            metavar="{participant,group}",
            choices=("participant", "group"),
            help=(
                "participant: maps of each subject; group: tests across subjects, from the maps in "
                "OUTPUT_DIR"
            ),
        )
    for add_options in (
        add_selection_options,
        add_input_options,
        add_bold_options,
        _add_science_options,
        add_noise_options,
        add_null_options,
        add_region_options,
        add_group_options,
        _add_run_options,
    ):
        add_options(parser)
    return parser
