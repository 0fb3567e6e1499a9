"""Options of the group level."""

import argparse
from collections.abc import Callable

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup


def add_group_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the group level."""
    add = OptionGroup(parser, "Group tests", "group", ("--alpha", "--random-seed")).add
    add(
        "--label",
        metavar="NAME",
        type=types.label("analysis"),
        help=(
            "name of this analysis; its files go to OUTPUT_DIR/group/analysis-NAME and have "
            "analysis-NAME in their names, so that several analyses can share OUTPUT_DIR"
        ),
    )
    _add_test_options(add)
    _add_scores_options(add)
    _add_relabeling_options(add)
    _add_significance_options(add)
    add(
        "--null",
        choices=("subjects", "conditions", "stelzer"),
        help=(
            "source of the null distribution. subjects: sign flips or permutations of "
            "participants. conditions: permutations of the conditions, the same one in all "
            "participants of a draw, from the null maps of the participant level. stelzer: each "
            "draw combines one random null map of each participant, and clusters are tested by "
            "size (Stelzer et al. 2013)"
        ),
    )
    add(
        "--noise-ceiling",
        action="store_true",
        help=(
            "write maps of the lower and upper noise ceiling, and of the mean score relative to "
            "them; the participants' RDMs are recomputed from their images"
        ),
    )
    _add_correction_options(add)


def _add_test_options(add: Callable[..., None]) -> None:
    """Add the options that say what is compared with what."""
    add(
        "--compare-models",
        nargs="+",
        metavar="MODEL",
        help=(
            "test the difference between two models (first minus second), or between every pair "
            "(all)"
        ),
    )
    add(
        "--group-column",
        metavar="COLUMN",
        help="test the difference between two groups, named in this column of "
        "BIDS_DIR/participants.tsv",
    )
    add(
        "--groups",
        nargs="+",
        metavar="GROUP",
        help="the two groups, first minus second (default: the two values in alphabetical order)",
    )
    add(
        "--covariates",
        nargs="+",
        metavar="COLUMN",
        help=(
            "nuisance covariates: columns of participants.tsv, demeaned over the participants "
            "tested; a column with two text values (M, F) is coded as 0 and 1"
        ),
    )
    add(
        "--test-covariate",
        metavar="COLUMN",
        help="test the slope on this column of participants.tsv",
    )
    add(
        "--participants-file",
        metavar="FILE",
        help=(
            "the table for --group-column, --covariates and --test-covariate (default: "
            "BIDS_DIR/participants.tsv)"
        ),
    )


def _add_scores_options(add: Callable[..., None]) -> None:
    """Add the options that say how maps become the scores tested."""
    untransformed = [entry.name for entry in COMPARISONS.values() if entry.transform == "none"]
    add(
        "--average-sessions",
        action="store_true",
        help=(
            "average each participant's sessions after the transform (default: test each session "
            "separately)"
        ),
    )
    add(
        "--assume-common-space",
        action="store_true",
        help="test maps even if they have no space- entity or are in a participant's own space",
    )
    add(
        "--coverage",
        metavar="SHARE",
        type=types.share(whole=True),
        help="share of participants that must have a score at a voxel for it to be tested",
    )
    add("--group-mask", metavar="FILE", help="test only voxels inside it (above 0.5)")
    add(
        "--transform",
        choices=("auto", "none", "fisher"),
        help=f"auto: Fisher's z for correlations, no transform for {', '.join(untransformed)}",
    )
    add(
        "--smoothing-fwhm",
        metavar="MM",
        type=types.number_from_zero("mm", most=50),
        help="smooth the transformed maps inside the mask (at most 50 mm); on surfaces along the "
        "surface",
    )


def _add_relabeling_options(add: Callable[..., None]) -> None:
    """Add the options that say how the null distribution is drawn."""
    add(
        "--tail",
        choices=("greater", "less", "two-sided"),
        help=(
            "the alternative hypothesis (default: greater for scores against 0, two-sided for "
            "differences and slopes)"
        ),
    )
    add(
        "--n-permutations",
        metavar="N",
        type=types.whole_number(1),
        help=(
            "number of random relabelings; if no more than that exist, each is used once. With "
            "--null stelzer, the number of draws of null maps (default there: 100000). No effect "
            "with --null conditions, which uses each null map once"
        ),
    )
    add(
        "--random-seed",
        metavar="N",
        type=types.whole_number(0),
        help="seed of the random relabelings; no effect with --null conditions",
    )


def _add_significance_options(add: Callable[..., None]) -> None:
    """Add the options that say what counts as significant."""
    add(
        "--primary",
        choices=("tfce", "maxt", "cluster-mass", "cluster-size", "fdr", "cluster-fdr"),
        help=(
            "the correction for the thresholded map, the tables and the pictures; --null stelzer "
            "requires cluster-fdr, which is not available otherwise"
        ),
    )
    add("--alpha", metavar="P", type=types.share(), help="significance level")


def _add_correction_options(add: Callable[..., None]) -> None:
    """Add the options that say over what is corrected, and what clusters are."""
    add(
        "--fwe-over",
        choices=("none", "models"),
        help="models: correct over all maps of this call, by the maximum over them",
    )
    add(
        "--cluster-p",
        metavar="P",
        type=types.share(),
        help=(
            "cluster-forming threshold, as the p of t (with --null stelzer, of the mean); halved "
            "for each sign in two-sided tests"
        ),
    )
    add(
        "--connectivity",
        type=int,
        choices=(6, 18, 26),
        help="number of neighbours of a voxel, for TFCE and clusters",
    )
