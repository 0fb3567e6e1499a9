"""Options of the searchlight at participant level, and what goes with them."""

import argparse
import json
from collections.abc import Callable

from bids_rsa.core.comparison.table import COMPARISONS, find_comparison, single_model_comparisons
from bids_rsa.core.dissimilarity.codes import PRODUCTS
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES, find_dissimilarity
from bids_rsa.errors import OptionError
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import InputSettings, RsaSettings


def add_rsa_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the participant level."""
    add = OptionGroup(parser, "Searchlight RSA", "participant", ("--comparison",)).add
    _add_patch_options(add)
    _add_measure_options(add)
    _add_rule_options(add)
    _add_cell_options(add)


def _add_patch_options(add: Callable[..., None]) -> None:
    """Add the options that say what a patch is."""
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


def _add_measure_options(add: Callable[..., None]) -> None:
    """Add the options that say how RDMs are computed, and compared with models."""
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


def check_patch_size(rsa: RsaSettings) -> None:
    """Refuse patches that are smaller than the smallest that is evaluated."""
    if rsa.patch_size is not None and rsa.patch_size < rsa.min_voxels:
        raise OptionError(
            f"--patch-size {rsa.patch_size} is smaller than --min-voxels {rsa.min_voxels}: no "
            "patch would be large enough.",
            "Choose a larger --patch-size or a smaller --min-voxels.",
        )


def check_comparisons(rsa: RsaSettings, inputs: InputSettings) -> None:
    """Refuse comparisons without the models that they need, and options that none would use.

    Raises
    ------
    OptionError
    """
    models = (*inputs.models, *inputs.features)
    if not models:
        raise OptionError(
            "No model RDM was given.",
            "Name at least one with --model [NAME=]FILE or --features [NAME=]FILE:METRIC.",
        )
    _check_cell_options(rsa, inputs)
    for entry in map(find_comparison, rsa.comparisons):
        if len(models) < entry.min_models:
            raise OptionError(
                f"--comparison {entry.name} needs at least {entry.min_models} models, and "
                f"{len(models)} was given: {models[0]}.",
                "Name the other models as well, or use "
                f"{' or '.join(single_model_comparisons(2))}.",
            )


def _check_cell_options(rsa: RsaSettings, inputs: InputSettings) -> None:
    """Refuse options that no comparison asked for would use."""
    entries = [find_comparison(name) for name in rsa.comparisons]
    for option, given, used, needed in (
        (
            "--nuisance",
            inputs.nuisance,
            any(entry.joint for entry in entries),
            [entry.name for entry in COMPARISONS.values() if entry.joint],
        ),
        (
            "--condition-covariance",
            rsa.condition_covariance != "none",
            any(entry.whitened for entry in entries),
            [entry.name for entry in COMPARISONS.values() if entry.whitened],
        ),
        (
            "--standardize",
            rsa.standardize,
            any(entry.weights for entry in entries),
            [entry.name for entry in COMPARISONS.values() if entry.weights],
        ),
    ):
        if given and not used:
            raise OptionError(
                f"{option} changes nothing with --comparison {' '.join(rsa.comparisons)}.",
                f"It takes part in {', '.join(needed)}.",
            )


def check_centering(rsa: RsaSettings) -> None:
    """Refuse centred patterns where distances are the same without.

    Raises
    ------
    OptionError
    """
    known = find_dissimilarity(rsa.dissimilarity)
    params, n_folds = json.loads(rsa.dissimilarity_params), 1 if rsa.folds == "none" else 2
    if rsa.center == "none" or not known.ignores_shared(params, n_folds):
        return
    others = ", ".join(d.name for d in DISSIMILARITIES.values() if d.gram_code in PRODUCTS)
    raise OptionError(
        f"--center {rsa.center} changes nothing with --dissimilarity {known.name}, which depends "
        "only on differences between the patterns of a fold.",
        f"Omit it, or use another dissimilarity, such as {others}.",
    )
