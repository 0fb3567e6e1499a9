"""Options of the group level."""

import argparse
from collections.abc import Callable

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup


def add_group_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the group level."""
    add = OptionGroup(parser, "Group tests").add
    add(
        "--label",
        metavar="NAME",
        type=types.label("analysis"),
        help=(
            "name of this analysis: its files lie in OUTPUT_DIR/group/analysis-NAME, with "
            "analysis-NAME in their names, beside those of other analyses"
        ),
    )
    _add_test_options(add)
    _add_scores_options(add)
    add(
        "--tail",
        choices=("greater", "less", "two-sided"),
        help=(
            "the alternative; without it greater for scores against 0, two-sided for differences "
            "and slopes"
        ),
    )
    add(
        "--n-permutations",
        metavar="N",
        type=types.whole_number(1),
        help=(
            "relabelings to draw; all of them are used when there are no more. With --null stelzer "
            "draws of null maps, 100000 unless given; no effect with --null conditions, which uses "
            "each null map once"
        ),
    )
    add(
        "--random-seed",
        metavar="N",
        type=types.whole_number(0),
        help="seed of the relabelings; no effect with --null conditions",
    )
    add(
        "--primary",
        choices=("tfce", "maxt", "cluster-mass", "cluster-size", "fdr", "cluster-fdr"),
        help=(
            "the correction that makes the thresholded map, the tables and the pictures; "
            "cluster-fdr goes with --null stelzer, and is what it uses"
        ),
    )
    add("--alpha", metavar="P", type=types.share(), help="significance level")
    add(
        "--null",
        choices=("subjects", "conditions", "stelzer"),
        help=(
            "what is relabelled: subjects (sign flips, permutations), or the conditions of the "
            "models, from the null maps of the participant level. conditions: the same order of "
            "the conditions in all subjects of a draw; stelzer: each draw takes a null map of each "
            "subject at random, and clusters are tested by their size (Stelzer et al. 2013)"
        ),
    )
    add(
        "--noise-ceiling",
        action="store_true",
        help=(
            "maps of the lower and upper noise ceiling, and of the mean score relative to them; "
            "the subjects' RDMs are computed again from their images"
        ),
    )
    add(
        "--fwe-over",
        choices=("none", "models"),
        help="models: take the maximum over all maps of this call, so that all are corrected",
    )
    add(
        "--cluster-p",
        metavar="P",
        type=types.share(),
        help=(
            "p of the t (with --null stelzer of the mean) above which voxels form clusters; halved "
            "for each sign when two-sided"
        ),
    )
    add(
        "--connectivity",
        type=int,
        choices=(6, 18, 26),
        help="how many neighbours a voxel has, for TFCE and clusters",
    )


def _add_test_options(add: Callable[..., None]) -> None:
    """Add the options that say what is compared with what."""
    add(
        "--compare-models",
        nargs="+",
        metavar="MODEL",
        help="test the difference of two models, first minus second; or all: every pair",
    )
    add(
        "--group-column",
        metavar="COLUMN",
        help="test the difference of two groups: a column of BIDS_DIR/participants.tsv",
    )
    add(
        "--groups",
        nargs="+",
        metavar="GROUP",
        help="the two groups, first minus second; without it both values, sorted",
    )
    add(
        "--covariates",
        nargs="+",
        metavar="COLUMN",
        help=(
            "columns of participants.tsv to take out, demeaned over the subjects tested; two texts "
            "(M, F) are coded as 0 and 1"
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
            "the table for --group-column, --covariates and --test-covariate, instead of "
            "BIDS_DIR/participants.tsv"
        ),
    )


def _add_scores_options(add: Callable[..., None]) -> None:
    """Add the options that say how maps become the scores tested."""
    untransformed = [entry.name for entry in COMPARISONS.values() if entry.transform == "none"]
    add(
        "--average-sessions",
        action="store_true",
        help="average a subject's sessions after the transform; without it each is tested apart",
    )
    add(
        "--assume-common-space",
        action="store_true",
        help="test maps without a space- entity, or in a subject's own space",
    )
    add(
        "--coverage",
        metavar="SHARE",
        type=types.share(whole=True),
        help="share of the subjects that must have a score at a voxel",
    )
    add("--group-mask", metavar="FILE", help="test only voxels inside it (above 0.5)")
    add(
        "--transform",
        choices=("auto", "none", "fisher"),
        help=f"auto: Fisher's z for correlations, none for {' and '.join(untransformed)}",
    )
    add(
        "--smoothing-fwhm",
        metavar="MM",
        type=types.number_from_zero("mm"),
        help="smooth the transformed maps inside the mask",
    )
