"""Options that say how condition images are estimated from BOLD and events."""

import argparse
import dataclasses
from collections.abc import Callable

from bids_rsa.errors import OptionError
from bids_rsa.estimation.names import (
    CONFOUND_STRATEGIES,
    ESTIMATES,
    HRF_NAMES,
    NOISE_MODELS,
    SCALES,
)
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import BoldSettings, InputSettings


def add_bold_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the participant level that go with --from-bold."""
    add = OptionGroup(parser, "Condition images from BOLD", "participant").add
    add(
        "--from-bold",
        action="store_true",
        help=(
            "estimate the condition images, with one GLM per run, from fMRIPrep's preprocessed "
            "BOLD (volumes, surfaces or grayordinates) and the events of the raw dataset"
        ),
    )
    add(
        "--hrf",
        choices=HRF_NAMES,
        help=(
            "model of the haemodynamic response. With a derivative, the estimate is that of the "
            "canonical regressor; with fir, the mean from 4 to 8 s after onset"
        ),
    )
    add(
        "--estimate",
        choices=ESTIMATES,
        help=(
            "what gets a regressor and an image: each condition, each trial with all trials in one "
            "model (trials), or each trial in a separate model (lss)"
        ),
    )
    add(
        "--glm-noise",
        choices=NOISE_MODELS,
        help="ordinary least squares, or a first-order autoregressive model",
    )
    add(
        "--scale",
        choices=SCALES,
        help=(
            "express effects in percent of the run's mean inside its mask (run) or of each voxel's "
            "mean (voxel), or keep the units of the image (none)"
        ),
    )
    _add_nuisance_options(add)
    _add_event_options(add)


def _add_nuisance_options(add: Callable[..., None]) -> None:
    """Add the options that say what is taken out of the BOLD."""
    add(
        "--confounds",
        nargs="+",
        metavar="NAME",
        help=(
            f"nuisance regressors: {', '.join(CONFOUND_STRATEGIES)}; also column "
            "names and regular expressions; several are combined"
        ),
    )
    add(
        "--high-pass",
        metavar="SECONDS",
        type=types.number_from_zero("seconds"),
        help=(
            "high-pass filter: the cut-off of the cosine regressors that replace fMRIPrep's; 0 for "
            "none (default: fMRIPrep's cosines, or 128 s if the confounds have none)"
        ),
    )
    add(
        "--fd-threshold",
        metavar="MM",
        type=types.positive_number("millimetres"),
        help="censor volumes with a larger framewise displacement, with one regressor each",
    )
    add(
        "--dummy-scans",
        metavar="N",
        type=types.whole_number(0),
        help=(
            "censor the first N volumes, with one regressor each; fMRIPrep's "
            "non_steady_state_outlier volumes are always censored"
        ),
    )


def _add_event_options(add: Callable[..., None]) -> None:
    """Add the options that say what happened when."""
    add(
        "--start-time",
        metavar="SECONDS",
        type=types.number_from_zero("seconds"),
        help=(
            "time within each volume to which its slices refer (default: StartTime in the BOLD's "
            "JSON, or else half a repetition time)"
        ),
    )
    add(
        "--condition-column",
        metavar="NAME",
        help="column of the events table with the condition names",
    )
    add(
        "--event-duration",
        metavar="SECONDS",
        type=types.number_from_zero("seconds"),
        help="duration of events without one in the table",
    )
    add(
        "--keep-residuals",
        action="store_true",
        help="write the residuals of each run (stat-errorts)",
    )


def check_bold_options(bold: BoldSettings, inputs: InputSettings, keep_residuals: bool) -> None:
    """Check that options of estimation come with --from-bold, and others without it.

    Raises
    ------
    OptionError
        Names the option that does not belong.
    """
    if not bold.from_bold:
        changed = [
            field.name
            for field in dataclasses.fields(bold)
            if getattr(bold, field.name) != field.default
        ]
        changed += ["keep_residuals"] * keep_residuals
        if changed:
            raise OptionError(
                f"--{changed[0].replace('_', '-')} says how images are estimated from BOLD.",
                "Add --from-bold, or leave it out.",
            )
        return
    if bold.high_pass is not None and 0 < bold.high_pass < 1:
        raise OptionError(
            f"--high-pass is {bold.high_pass:g} seconds; a cut-off of {bold.high_pass:g} Hz is "
            f"{1 / bold.high_pass:.4g} seconds.",
            "Give the cut-off in seconds, for example --high-pass 128.",
        )
    if "none" in bold.confounds and len(set(bold.confounds)) > 1:
        raise OptionError("--confounds none was given together with others.", "Use one of them.")
    others = {
        "--betas": inputs.betas,
        "--labels": inputs.labels,
        "--reference-image": inputs.reference_image,
        "--source": inputs.source != "auto",
        "--stat": inputs.stat != "effect",
    }
    given = [name for name, value in others.items() if value]
    if given:
        raise OptionError(
            f"{given[0]} says which condition images to read, and --from-bold estimates them.",
            "Use one of the two.",
        )
