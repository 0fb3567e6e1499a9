"""What is checked before the first node runs: folders, validation, every group's headers."""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bids_rsa.core.dissimilarity.params import check_params
from bids_rsa.errors import BidsRsaError, OptionError, OutputError, ValidationError
from bids_rsa.models.loading import check_models
from bids_rsa.needs import GroupSize, group_size, memory_needs, refuse_too_large
from bids_rsa.patterns.stacking import check_group
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings, Settings

LOGGER = logging.getLogger(__name__)
VALIDATOR = "bids-validator-deno"
WORK_FOLDER = ".work"


def work_dir(settings: Settings) -> Path:
    """Say where intermediate results lie."""
    given = settings.run.work_dir
    return Path(given).absolute() if given else Path(settings.run.output_dir) / WORK_FOLDER


def check_folders(settings: Settings) -> None:
    """Check that output and work directory can be written, and don't lie where the input does.

    Raises
    ------
    OutputError
        The output directory is or holds the input, or cannot be written.
    OptionError
        The work directory lies inside the input.
    """
    source = Path(settings.inputs.bids_dir).resolve()
    output = Path(settings.run.output_dir).resolve()
    work = work_dir(settings).resolve()
    if output == source:
        raise OutputError(
            f"The output directory {output} is the input directory.",
            "Choose another one, for example BIDS_DIR/derivatives/bids_rsa.",
        )
    if source.is_relative_to(output):
        raise OutputError(
            f"The input {source} lies inside the output directory {output}, which is never "
            "searched.",
            "Choose another one, for example BIDS_DIR/derivatives/bids_rsa.",
        )
    if work.is_relative_to(source) and not work.is_relative_to(output):
        raise OptionError(
            f"The work directory {work} lies inside the input {source}.",
            "Choose one outside of it with -w, or leave -w away.",
        )
    for folder, name in ((output, "output"), (work, "work")):
        _check_writable(folder, name)


def make_folder(folder: Path, name: str) -> None:
    """Make a folder to write to.

    Raises
    ------
    OutputError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"The {name} directory {folder} cannot be made: {error.strerror}.",
            f"Choose another {name} directory.",
        ) from error


def _check_writable(folder: Path, name: str) -> None:
    """Check that a folder can be written, or made; without making it."""
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not there.is_dir():
        raise OutputError(
            f"The {name} directory {folder} cannot be made: {there} is not a folder.",
            f"Choose another {name} directory.",
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"The {name} directory {folder} cannot be written: {there} is not writable for you.",
            f"Choose another {name} directory, or mount it writable.",
        )


def validate_input(bids_dir: str) -> None:
    """Run the official BIDS validator.

    Raises
    ------
    OptionError
        The validator is not installed.
    ValidationError
        It found errors.
    """
    command = validator_command()
    if command is None:
        raise OptionError(
            f"--validate needs {VALIDATOR}, which is not installed.",
            "Install it with: pip install bids-validator-deno, or leave --validate away.",
        )
    found = subprocess.run(
        [command, "--ignoreWarnings", bids_dir], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise ValidationError(
            f"The BIDS validator found errors in {bids_dir}:\n{found.stdout.strip()}",
            "Mend them, or run without --validate.",
        )
    LOGGER.info("The BIDS validator found no errors in %s.", bids_dir)


def validator_command() -> str | None:
    """Find the installed validator, also where its folder is not on the search path."""
    try:
        installed = metadata.files(VALIDATOR) or []
    except metadata.PackageNotFoundError:
        installed = []
    for file in installed:
        if file.name == VALIDATOR:
            return str(file.locate())
    return shutil.which(VALIDATOR)


def check_metric_parameters(rsa: RsaSettings, n_grid: int) -> None:
    """Check the parameters of the dissimilarity against the size of the grid.

    Raises
    ------
    OptionError
        A parameter that the dissimilarity does not have, or one of the wrong size.
    """
    params = json.loads(rsa.dissimilarity_params)
    if "VI" in params:
        raise OptionError(
            "--dissimilarity-params: VI is a matrix of one fixed set of voxels, and every patch of "
            "a given radius has other ones.",
            "Leave VI away; rsa_nifti takes it for a whole region (spatial_radius=None).",
        )
    try:
        check_params(rsa.dissimilarity, params, n_grid)
    except ValueError as error:
        raise OptionError(
            f"--dissimilarity-params {rsa.dissimilarity_params} with {rsa.dissimilarity}: {error}.",
            f"V and w have one entry for each of the grid's {n_grid} voxels.",
        ) from None


@dataclass(frozen=True)
class CheckedGroup:
    """A group that can run, and the sizes that decide how much memory it needs."""

    group: Analysis
    size: GroupSize


def check_groups(
    groups: Sequence[Analysis],
    models: Sequence[ModelRdm],
    rsa: RsaSettings,
    memory: tuple[float, str],
) -> tuple[list[CheckedGroup], list[tuple[str, BidsRsaError]]]:
    """Check runs, folds, headers, grids, masks and models of all groups, without reading values.

    Parameters
    ----------
    groups : sequence of Analysis
    models : sequence of ModelRdm
    rsa : RsaSettings
    memory : (float, str)
        What may be used, in GiB, and where that number comes from.

    Returns
    -------
    groups : list of CheckedGroup
        Those of the subjects that can run.
    failures : list of (str, BidsRsaError)
        Subjects that cannot, and why.
    """
    failures: dict[str, BidsRsaError] = {}
    fine: list[CheckedGroup] = []
    n_maps = len(models) * len(rsa.comparisons)
    for group in groups:
        if group.subject in failures:
            continue
        try:
            plan = check_group(group, rsa)
            check_models(models, rsa.comparisons, plan.conditions)
            size = group_size(group, plan, n_maps)
            check_metric_parameters(rsa, size.n_grid)
            refuse_too_large(group.label, memory_needs(size, 1), *memory)
        except BidsRsaError as error:
            failures[group.subject] = error
        else:
            fine.append(CheckedGroup(group, size))
    fine = [checked for checked in fine if checked.group.subject not in failures]
    return fine, list(failures.items())
