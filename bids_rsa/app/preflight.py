"""What is checked before the first node runs: folders, validation, every analysis's headers."""

import json
import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from bids_rsa.app.compared import covariance_of, models_of
from bids_rsa.app.work_folder import work_dir
from bids_rsa.core.dissimilarity.params import check_params
from bids_rsa.errors import BidsRsaError, OptionError, OutputError, ValidationError
from bids_rsa.models.cells import scored
from bids_rsa.models.fits import check_models
from bids_rsa.models.permutable import check_permutable
from bids_rsa.needs import (
    AnalysisSize,
    analysis_size,
    estimation_needs,
    memory_needs,
    refuse_too_large,
)
from bids_rsa.patterns.stacking import check_analysis
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.regions.sources import choose_regions
from bids_rsa.settings import RegionSettings, RsaSettings, RunSettings

LOGGER = logging.getLogger(__name__)
VALIDATOR = "bids-validator-deno"
_CHECKED_AT_A_TIME = 8


def check_folders(bids_dir: str, run: RunSettings) -> None:
    """Check that output and work directory can be written, and are not where the input is.

    Raises
    ------
    OutputError
        The output directory is or contains the input, or cannot be written.
    OptionError
        The work directory is inside the input.
    """
    source = Path(bids_dir).resolve()
    output = Path(run.output_dir).resolve()
    work = work_dir(run.work_dir, run.output_dir).resolve()
    if output == source:
        raise OutputError(
            f"The output directory {output} is the input directory.",
            "Choose another one, for example BIDS_DIR/derivatives/bids_rsa.",
        )
    if source.is_relative_to(output):
        raise OutputError(
            f"The input {source} is inside the output directory {output}, which is never searched.",
            "Choose another one, for example BIDS_DIR/derivatives/bids_rsa.",
        )
    if work.is_relative_to(source) and not work.is_relative_to(output):
        raise OptionError(
            f"The work directory {work} is inside the input {source}.",
            "Choose one outside of it with -w, or remove -w.",
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
            "Install it with: pip install bids-validator-deno, or remove --validate.",
        )
    found = subprocess.run(
        [command, "--ignoreWarnings", bids_dir], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise ValidationError(
            f"The BIDS validator found errors in {bids_dir}:\n{found.stdout.strip()}",
            "Correct them, or run without --validate.",
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
            "Remove VI; rsa_nifti takes it for a whole region (spatial_radius=None).",
        )
    try:
        check_params(rsa.dissimilarity, params, n_grid)
    except ValueError as error:
        raise OptionError(
            f"--dissimilarity-params {rsa.dissimilarity_params} with {rsa.dissimilarity}: {error}.",
            f"V and w have one entry for each of the grid's {n_grid} voxels.",
        ) from None


@dataclass(frozen=True)
class CheckedAnalysis:
    """An analysis that can run, and the sizes that decide how much memory it needs."""

    analysis: Analysis
    size: AnalysisSize


def check_analyses(
    analyses: Sequence[Analysis],
    models: Sequence[ModelRdm],
    rsa: RsaSettings,
    memory: tuple[float, str],
    regions: RegionSettings,
) -> tuple[list[CheckedAnalysis], list[tuple[str, BidsRsaError]]]:
    """Check runs, folds, headers, grids, masks, models and regions of all analyses.

    Of the images no values are read.

    Parameters
    ----------
    analyses : sequence of Analysis
    models : sequence of ModelRdm
    rsa : RsaSettings
    memory : (float, str)
        What may be used, in GiB, and where that number comes from.
    regions : RegionSettings

    Returns
    -------
    analyses : list of CheckedAnalysis
        Those of the participants that can run.
    failures : list of (str, BidsRsaError)
        Participants that cannot, and why.
    """
    failures: dict[str, BidsRsaError] = {}
    fine: list[CheckedAnalysis] = []

    def check(analysis: Analysis) -> CheckedAnalysis | BidsRsaError:
        try:
            return CheckedAnalysis(analysis, _check(analysis, models, rsa, memory, regions))
        except BidsRsaError as error:
            return error

    # opening files is waiting, and decompressing masks needs no Python
    with ThreadPoolExecutor(_CHECKED_AT_A_TIME) as pool:
        for analysis, found in zip(analyses, pool.map(check, analyses), strict=True):
            if isinstance(found, CheckedAnalysis):
                fine.append(found)
            else:
                failures.setdefault(analysis.subject, found)
    fine = [checked for checked in fine if checked.analysis.subject not in failures]
    return fine, list(failures.items())


def _check(
    analysis: Analysis,
    models: Sequence[ModelRdm],
    rsa: RsaSettings,
    memory: tuple[float, str],
    regions: RegionSettings,
) -> AnalysisSize:
    """Check one analysis; return what decides how much memory it needs."""
    plan = check_analysis(analysis, rsa)
    own = models_of(analysis, plan, models, rsa)
    check_models(own, rsa.comparisons, plan.conditions)
    covariance_of(analysis, plan, rsa)
    if rsa.condition_permutations:
        check_permutable(own, plan.conditions)
    size = replace(
        analysis_size(analysis, plan, rsa, len(scored(models)) * len(rsa.comparisons)),
        n_permutations=rsa.condition_permutations,
        n_kept_null=rsa.keep_null,
    )
    check_metric_parameters(rsa, size.n_grid)
    choose_regions(analysis.regions, regions.roi)
    refuse_too_large(analysis.label, memory_needs(size, 1), *memory)
    for run in analysis.bold_runs:
        refuse_too_large(run.label, estimation_needs(run), *memory)
    return size
