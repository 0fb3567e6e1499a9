"""Options of noise normalisation, and what goes with them."""

import argparse
from collections.abc import Sequence

from bids_rsa.core.dissimilarity.codes import SQUARES_PER_VOXEL
from bids_rsa.core.dissimilarity.table import (
    Dissimilarity,
    cross_validated_with_noise,
    dissimilarities_with_noise,
    find_dissimilarity,
)
from bids_rsa.errors import OptionError
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import (
    AUTO,
    IMAGES,
    NOISE_SOURCES,
    POOLED_IMAGES,
    RsaSettings,
)

NOISE = ("none", "diagonal", "shrinkage", "shrinkage-identity", "full")


def add_noise_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of noise normalisation."""
    add = OptionGroup(parser, "Noise normalisation", "participant").add
    add(
        "--noise",
        choices=NOISE,
        help=(
            "normalise patterns by the noise covariance of the voxels of each patch: only the "
            "variances (diagonal), shrunk towards the variances (shrinkage, recommended) or "
            "towards a multiple of the identity (shrinkage-identity), or not shrunk (full); "
            f"available for {', '.join(dissimilarities_with_noise())}"
        ),
    )
    add(
        "--noise-from",
        choices=NOISE_SOURCES,
        help=(
            "data from which the noise is estimated. residuals: those of the first-level models. "
            "images: deviations of images from the mean of their condition; with folds, each fold "
            "uses those of the other folds. pooled-images: the deviations of all folds together, "
            "as in rsatoolbox, which biases cross-validated distances upwards. auto: residuals if "
            "every run has them, else images"
        ),
    )
    add(
        "--residuals",
        nargs="+",
        metavar="PATTERN",
        help=(
            "path of the residuals, with the fields of --betas, relative to BIDS_DIR: one 4D image "
            "per run, or one image per volume (default: those found next to the images: "
            "stat-errorts, res4d, Res_*, errts)"
        ),
    )
    add(
        "--residual-dof",
        metavar="N",
        type=types.positive_number("degrees of freedom"),
        help=(
            "degrees of freedom of the residuals of all runs together, i.e. volumes minus the rank "
            "of the designs (default: as recorded by the first-level models, else volumes minus "
            "one per run)"
        ),
    )


def check_noise_options(rsa: RsaSettings, residuals: Sequence[str]) -> None:
    """Check what only the options together can tell.

    Raises
    ------
    OptionError
    """
    known = find_dissimilarity(rsa.dissimilarity)
    if known.needs_folds and rsa.folds == "none":
        raise OptionError(
            f"--dissimilarity {known.name} is cross-validated, and --folds is none.",
            "Give --folds runs (one run per fold) or a number of folds.",
        )
    if known.noise_code == SQUARES_PER_VOXEL and not known.needs_folds and rsa.folds != "none":
        raise OptionError(
            f"--dissimilarity {known.name} is not cross-validated, and --folds is {rsa.folds}.",
            f"Cross-validated it is --dissimilarity {' or '.join(cross_validated_with_noise())}.",
        )
    if rsa.noise == "none":
        _refuse_without_noise(rsa, residuals)
    else:
        _refuse_with_noise(rsa, known)
    if residuals and rsa.noise_from in (IMAGES, POOLED_IMAGES):
        raise OptionError(
            f"--residuals names residuals, and --noise-from is {rsa.noise_from}.",
            "Remove one of the two.",
        )


def _refuse_without_noise(rsa: RsaSettings, residuals: Sequence[str]) -> None:
    """Refuse options that mean nothing without noise normalisation."""
    given = {
        "--noise-from": rsa.noise_from != AUTO,
        "--residuals": bool(residuals),
        "--residual-dof": rsa.residual_dof is not None,
    }
    for option, is_given in given.items():
        if is_given:
            raise OptionError(
                f"{option} was given, and --noise is none.",
                "Choose an estimator as well, for example --noise shrinkage.",
            )


def _refuse_with_noise(rsa: RsaSettings, known: Dissimilarity) -> None:
    """Refuse what does not go with noise normalisation."""
    if known.noise_code is None:
        raise OptionError(
            f"--noise {rsa.noise} cannot be used with --dissimilarity {known.name}.",
            f"It can be used with {', '.join(dissimilarities_with_noise())}.",
        )
    if rsa.dissimilarity_params != "{}":
        raise OptionError(
            f"--noise {rsa.noise} cannot be combined with --dissimilarity-params "
            f"{rsa.dissimilarity_params}.",
            "Remove one of the two.",
        )
    if rsa.normalize != "none":
        raise OptionError(
            f"--normalize {rsa.normalize} divides by each voxel's noise already, and --noise is "
            f"{rsa.noise}.",
            "Remove --normalize.",
        )
