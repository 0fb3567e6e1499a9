"""The command line: every option, documented once, and the settings made from it."""

import argparse
import dataclasses
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from bids_rsa import argument_types as types
from bids_rsa._version import __version__
from bids_rsa.config_file import as_arguments
from bids_rsa.core.names import COMPARISON_NAMES, DISSIMILARITY_NAMES, PARTIAL_COMPARISONS
from bids_rsa.errors import OptionError
from bids_rsa.settings import (
    GroupSettings,
    InputSettings,
    RsaSettings,
    RunSettings,
    Selection,
    Settings,
)

DEFAULTS = {
    field.name: field.default
    for settings in (GroupSettings, RsaSettings, Selection, InputSettings, RunSettings)
    for field in dataclasses.fields(settings)
}


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are the project's own."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and leaving."""
        raise OptionError(f"{message[0].upper()}{message[1:]}.", self._hint(message))

    def _hint(self, message: str) -> str:
        """Suggest the nearest option for an unknown one."""
        known = [option for option in self._option_string_actions if option.startswith("--")]
        for word in message.split():
            near = get_close_matches(word, known, n=1) if word.startswith("--") else []
            if near and near[0] != word and "unrecognized" in message:
                return f"Did you mean {near[0]}? See bids_rsa --help."
        return "See bids_rsa --help."


class _ExecSpec(argparse.Action):
    """Print the Boutiques descriptor and leave."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Make the descriptor from the parser itself."""
        from bids_rsa.boutiques import print_descriptor

        print_descriptor(parser)
        parser.exit()


class _OptionGroup:
    """A titled group of options that says each option's default in its help."""

    def __init__(self, parser: argparse.ArgumentParser, title: str) -> None:
        self._group = parser.add_argument_group(title)

    def add(self, *flags: str, **keywords: Any) -> None:
        """Add an option; its default stands in the settings field that is named like its dest."""
        dest = keywords.setdefault("dest", flags[-1].lstrip("-").replace("-", "_"))
        default = DEFAULTS.get(dest)
        if default not in (None, (), False, "") and keywords.get("action") != "count":
            shown = " ".join(default) if isinstance(default, tuple) else default
            keywords["help"] += f" (default: {shown})"
        if keywords.get("nargs") == "+":
            keywords.setdefault("action", "extend")
        self._group.add_argument(*flags, **keywords)


def _add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which of the images found are wanted."""
    add = _OptionGroup(parser, "Which images").add
    for flag, prefix, what in (
        ("--participant-label", "sub", "participants to analyse"),
        ("--exclude-participant-label", "sub", "participants to leave out"),
        ("--session-label", "ses", "sessions to analyse, each by itself"),
        ("--task-label", "task", "tasks to analyse, each by itself"),
        ("--run-label", "run", "runs to use"),
        ("--space", "space", "spaces to analyse, each by itself; needed where there are several"),
        ("--res", "res", "resolutions to analyse, each by itself; needed where there are several"),
    ):
        add(
            flag,
            nargs="+",
            metavar="LABEL",
            type=types.label(prefix),
            help=f"{what}, with or without {prefix}-",
        )
    add(
        "--bids-filter-file",
        metavar="FILE",
        help="JSON with pybids filters for the condition images",
    )


def _add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where images, masks and models come from."""
    add = _OptionGroup(parser, "Images, masks and models").add
    add(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="[NAME=]PATH",
        help="derivative datasets that hold the condition images; without it BIDS_DIR and those under BIDS_DIR/derivatives",
    )
    add("--stat", metavar="STAT", help="which statistic's images to use: effect, t, z ...")
    add(
        "--model",
        nargs="+",
        dest="models",
        metavar="[NAME=]FILE",
        help="model RDMs: a square TSV or CSV with condition names as header and first column, or an .npy (square or condensed) with --conditions; at group level the names of the models to test",
    )
    add(
        "--features",
        nargs="+",
        metavar="[NAME=]FILE:METRIC",
        help="models from features: a TSV with a column 'condition' and feature columns, and the dissimilarity that makes an RDM of it",
    )
    add(
        "--conditions",
        nargs="+",
        metavar="NAME",
        help="which conditions, in this order; names the rows of an .npy model",
    )
    add(
        "--brain-mask",
        metavar="FILE",
        help="patches use only voxels inside it; without it the brain masks of the runs, intersected, or the anatomical one, where found",
    )
    add(
        "--roi-mask",
        metavar="FILE|LABEL",
        help="centres only inside it; a file, or the desc- label of a mask in the dataset",
    )
    add("--bids-database-dir", metavar="DIR", help="keep pybids' index here, and use it again")


def _add_science_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the participant level."""
    add = _OptionGroup(parser, "Searchlight RSA").add
    add(
        "--radius",
        dest="radius_mm",
        metavar="MM",
        type=types.positive_number("millimetres"),
        help="radius of the searchlight in mm",
    )
    add(
        "--dissimilarity",
        metavar="METRIC",
        type=types.dissimilarity,
        help=f"what makes an RDM of patterns: {', '.join(DISSIMILARITY_NAMES)}",
    )
    add(
        "--dissimilarity-params",
        metavar="JSON",
        type=types.json_object,
        help="its parameters, like '{\"p\": 3}' for minkowski",
    )
    add(
        "--comparison",
        nargs="+",
        dest="comparisons",
        metavar="METRIC",
        type=types.comparison,
        help=f"what compares RDM and model; several share the RDMs: {', '.join(COMPARISON_NAMES)}; at group level those to test (all by default)",
    )
    add(
        "--folds",
        metavar="none|runs|max|N",
        type=types.folds,
        help="cross-validate distances over folds: none, runs (one run a fold), max (the same), or N folds of consecutive runs",
    )
    add(
        "--ignore-nan",
        action="store_true",
        help="NaN is a missing value; without it NaN in a patch makes its centre NaN",
    )
    add(
        "--min-voxels",
        metavar="N",
        type=types.whole_number(1),
        help="leave out centres with fewer voxels in their patch",
    )
    add(
        "--missing-runs",
        choices=("error", "complete", "average"),
        help="when a condition is missing from some runs: end with an error, use only complete runs, or average what there is",
    )
    add("--standardize", action="store_true", help="z-score RDM and models before regression")


def _add_group_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the group level."""


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where and how to run; none changes a number in the results."""
    add = _OptionGroup(parser, "Running").add
    add(
        "-w",
        "--work-dir",
        metavar="DIR",
        help="where intermediate results lie, so that a second run recomputes nothing; without it OUTPUT_DIR/.work, removed after success",
    )
    add(
        "--nprocs",
        "--n-cpus",
        dest="n_procs",
        metavar="N",
        type=types.whole_number(1),
        help="CPUs to use; without it all this process may use",
    )
    add(
        "--omp-nthreads",
        metavar="N",
        type=types.whole_number(1),
        help="threads of one searchlight node; without it all CPUs, shared among the subjects that run at once",
    )
    add(
        "--mem-gb",
        metavar="GB",
        type=types.positive_number("GB"),
        help="memory to use; without it what this process may use",
    )
    add(
        "--use-plugin",
        "--nipype-plugin-file",
        dest="use_plugin",
        metavar="NAME|FILE",
        help="Nipype's way to run: Linear, MultiProc, or a YAML file with plugin and plugin_args (SLURM, PBS ...)",
    )
    add(
        "--stop-on-first-crash",
        action="store_true",
        help="stop at the first subject that fails; without it the others go on",
    )
    add(
        "--overwrite",
        action="store_true",
        help="replace outputs that were made with other settings or inputs",
    )
    add(
        "--dry-run",
        action="store_true",
        help="print what was found and what would be written, as a table, and write nothing",
    )
    add(
        "--list-participants",
        action="store_true",
        help="print the participants found, one a line, and write nothing",
    )
    add(
        "--validate",
        action="store_true",
        help="run the official BIDS validator on BIDS_DIR first, where bids-validator-deno is installed",
    )
    add(
        "--skip-bids-validation",
        action="store_true",
        help="accepted as other BIDS Apps know it; validation is off unless --validate is given",
    )
    add(
        "--config-file",
        metavar="FILE",
        help="TOML with the same names as these options; the command line wins",
    )
    add("--debug", action="store_true", help="show tracebacks, and keep the work directory")
    add("-v", "--verbose", dest="verbosity", action="count", help="say more; -vv says all")
    add(
        "--bids-exec-spec",
        nargs=0,
        action=_ExecSpec,
        help="print the Boutiques descriptor of this command line and leave",
    )
    add(
        "--version",
        action="version",
        version=f"bids_rsa {__version__}",
        help="print the version and leave",
    )


def build_parser(positionals: bool = True) -> argparse.ArgumentParser:
    """Build the parser; options that are not given leave no trace in its result.

    Parameters
    ----------
    positionals : bool
        Whether BIDS_DIR, OUTPUT_DIR and the level are part of it (not in a configuration file).
    """
    parser = _Parser(
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
            help="participant: maps of each subject; group: tests across subjects, from the maps in OUTPUT_DIR",
        )
    for add_options in (
        _add_selection_options,
        _add_input_options,
        _add_science_options,
        _add_group_options,
        _add_run_options,
    ):
        add_options(parser)
    return parser


def parse(argv: Sequence[str]) -> Settings:
    """Turn a command line into settings.

    Parameters
    ----------
    argv : sequence of str
        The arguments, without the program's name. Options may be written with ``-`` or ``_``.

    Returns
    -------
    Settings
        Defaults, overlaid by the configuration file, overlaid by the command line.

    Raises
    ------
    OptionError
        An option, a name or a number cannot be used.
    """
    given = vars(build_parser().parse_args(_with_dashes(argv)))
    if "config_file" in given:
        given = _read_config(given["config_file"]) | given
    settings = _bundle({key: _frozen(value) for key, value in given.items()})
    _check_combinations(settings)
    return settings


def _with_dashes(argv: Sequence[str]) -> list[str]:
    """Write --a_b as --a-b, and leave values as they are."""
    arguments = []
    for argument in argv:
        name, equals, value = argument.partition("=")
        name = name.replace("_", "-") if name.startswith("--") else name
        arguments.append(f"{name}{equals}{value}")
    return arguments


def _read_config(path: str) -> dict[str, Any]:
    """Parse a configuration file with the same rules as the command line."""
    try:
        return vars(build_parser(positionals=False).parse_args(as_arguments(path)))
    except OptionError as error:
        raise OptionError(
            f"In the configuration file {path}: {error.message}", error.hint
        ) from None


def _frozen(value: Any) -> Any:
    """Make tuples of lists."""
    return tuple(value) if isinstance(value, list) else value


def _bundle(given: dict[str, Any]) -> Settings:
    """Sort what was given into the settings it belongs to."""
    if given["analysis_level"] == "group":
        # the same two options name what to select from the maps that are there
        given["comparison"] = given.pop("comparisons", ())
        given["model"] = given.pop("models", ())
    given["selection"] = _pick(Selection, given)
    return Settings(
        analysis_level=given["analysis_level"],
        rsa=_pick(RsaSettings, given),
        inputs=_pick(InputSettings, given),
        group=_pick(GroupSettings, given),
        run=_pick(RunSettings, given),
    )


def _pick(settings: Any, given: dict[str, Any]) -> Any:
    """Make one settings object of what was given for its fields."""
    names = {field.name for field in dataclasses.fields(settings)}
    return settings(**{name: value for name, value in given.items() if name in names})


def _check_combinations(settings: Settings) -> None:
    """Check what only the options together can tell."""
    if settings.analysis_level != "participant" or settings.run.list_participants:
        return
    models = (*settings.inputs.models, *settings.inputs.features)
    if not models:
        raise OptionError(
            "No model RDM was given.",
            "Name at least one with --model [NAME=]FILE or --features [NAME=]FILE:METRIC.",
        )
    partial = [name for name in settings.rsa.comparisons if name in PARTIAL_COMPARISONS]
    if partial and len(models) < 2:
        raise OptionError(
            f"--comparison {partial[0]} needs at least two models, and one was given: {models[0]}.",
            "Name the models to partial out as well, or use spearman or pearson.",
        )
