"""Options that say where and how to run; none changes a number in the results."""

import argparse
from collections.abc import Callable

from bids_rsa._version import __version__
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import ExecSpec, OptionGroup


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the run, whatever is computed."""
    add = OptionGroup(parser, "Running", "both").add
    _add_resource_options(add)
    _add_mode_options(add)
    _add_page_options(add)
    _add_input_check_options(add)
    _add_common_options(add)


def _add_resource_options(add: Callable[..., None]) -> None:
    """Add the options that say where to work, with which CPUs and how much memory."""
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
            "threads per searchlight node (default: all CPUs, shared by the participants that "
            "run at once)"
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


def _add_mode_options(add: Callable[..., None]) -> None:
    """Add the options that say how far a run goes."""
    add(
        "--stop-on-first-crash",
        action="store_true",
        help="stop at the first participant that fails (default: continue with the others)",
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


def _add_page_options(add: Callable[..., None]) -> None:
    """Add the options that say which pictures and pages are written."""
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


def _add_input_check_options(add: Callable[..., None]) -> None:
    """Add the options that look at the input before any analysis."""
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
