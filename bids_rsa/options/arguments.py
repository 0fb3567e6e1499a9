"""From a command line and a configuration file to settings."""

import dataclasses
import logging
import shlex
from collections.abc import Sequence
from typing import Any

import tomli_w

from bids_rsa._version import __version__
from bids_rsa.errors import OptionError
from bids_rsa.options.bold_options import check_bold_options
from bids_rsa.options.config_file import as_arguments
from bids_rsa.options.noise_options import check_noise_options
from bids_rsa.options.null_options import check_null_options
from bids_rsa.options.option_group import without_effect, without_effect_beside
from bids_rsa.options.parser import build_parser
from bids_rsa.options.region_options import check_region_options
from bids_rsa.options.rsa_options import check_centering, check_comparisons, check_patch_size
from bids_rsa.options.swallowed import find_swallowed
from bids_rsa.settings import (
    BoldSettings,
    GroupSettings,
    InputSettings,
    RegionSettings,
    RsaSettings,
    RunSettings,
    Selection,
    Settings,
)

LOGGER = logging.getLogger(__name__)

# what --null stelzer uses unless another number is given (Stelzer et al. 2013)
STELZER_DEFAULTS = {"primary": "cluster-fdr", "n_permutations": 100_000}


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
    parser, arguments = build_parser(), _with_dashes(argv)
    try:
        given = vars(parser.parse_args(arguments))
    except OptionError as error:
        swallowed = find_swallowed(parser, arguments)
        raise OptionError(f"{error.message} {swallowed}".rstrip(), error.hint) from None
    on_line = dict(given)
    if "config_file" in given:
        given = _read_config(given["config_file"]) | given
    for option in without_effect(parser, on_line, given["analysis_level"]):
        LOGGER.warning("%s has no effect at the %s level.", option, given["analysis_level"])
    for option, why in without_effect_beside(given, on_line):
        LOGGER.warning("%s has no effect %s.", option, why)
    settings = _bundle({key: _frozen(value) for key, value in given.items()})
    _check_combinations(settings)
    return settings


def as_toml(settings: Settings) -> str:
    """Write settings as a configuration file that repeats the run.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    str
        TOML for ``--config-file``, with the settings that the level uses; the positional arguments
        are in a comment.
    """
    values: dict[str, Any] = {}
    is_group = settings.analysis_level == "group"
    participant = (settings.inputs, settings.bold, settings.rsa, settings.regions)
    science = (settings.group,) if is_group else participant
    for part in (settings.inputs.selection, *science, settings.run):
        values |= {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    if is_group:  # the other level's settings had no part in this
        values |= {"comparisons": values["comparison"], "models": values["model"]}
        values["derivatives"] = settings.inputs.derivatives
    lines = {}
    for action in build_parser(positionals=False)._actions:
        value = values.get(action.dest)
        options = [option for option in action.option_strings if option.startswith("--")]
        if options and value not in (None, (), False) and action.dest != "verbosity":
            lines[options[0][2:]] = list(value) if isinstance(value, tuple) else value
    positionals = (settings.inputs.bids_dir, settings.run.output_dir, settings.analysis_level)
    return f"# bids_rsa {__version__}: bids_rsa {shlex.join(positionals)}\n{tomli_w.dumps(lines)}"


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
    parser = build_parser(positionals=False)
    given: dict[str, Any] = {}
    option: list[str] = []
    try:
        for option in as_arguments(path):
            given |= vars(parser.parse_args(option))
    except OptionError as error:
        at = f", {' '.join(option)}" if option else ""
        raise OptionError(
            f"In the configuration file {path}{at}: {error.message}", error.hint
        ) from None
    return given


def _frozen(value: Any) -> Any:
    """Make tuples of lists."""
    return tuple(value) if isinstance(value, list) else value


def _bundle(given: dict[str, Any]) -> Settings:
    """Sort what was given into the settings it belongs to."""
    if given["analysis_level"] == "group":
        # the same two options name what to select from the maps that are there
        given["comparison"] = given.pop("comparisons", ())
        given["model"] = given.pop("models", ())
        if given.get("null") == "stelzer":
            given = STELZER_DEFAULTS | given
    given["selection"] = _pick(Selection, given)
    return Settings(
        analysis_level=given["analysis_level"],
        rsa=_pick(RsaSettings, given),
        inputs=_pick(InputSettings, given),
        bold=_pick(BoldSettings, given),
        regions=_pick(RegionSettings, given),
        group=_pick(GroupSettings, given),
        run=_pick(RunSettings, given),
    )


def _pick(settings: Any, given: dict[str, Any]) -> Any:
    """Make one settings object of what was given for its fields."""
    names = {field.name for field in dataclasses.fields(settings)}
    return settings(**{name: value for name, value in given.items() if name in names})


def _check_combinations(settings: Settings) -> None:
    """Check what only the options together can tell."""
    inputs, rsa, run = settings.inputs, settings.rsa, settings.run
    if run.reports_only and run.no_report:
        raise OptionError("--reports-only and --no-report exclude each other.", "Give one of them.")
    if run.dry_run_table and not run.dry_run:
        raise OptionError(
            f"--dry-run-table {run.dry_run_table} is written by --dry-run.", "Add --dry-run."
        )
    if settings.analysis_level != "participant" or run.list_participants or run.reports_only:
        return
    check_patch_size(rsa)
    check_centering(rsa)
    check_bold_options(settings.bold, inputs, run.keep_residuals)
    check_noise_options(rsa, inputs.residuals)
    check_null_options(rsa)
    check_region_options(settings.regions)
    check_comparisons(rsa, inputs)
