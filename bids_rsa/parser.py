"""The command line: every option, documented once."""

import argparse
from collections.abc import Callable

from bids_rsa import argument_types as types
from bids_rsa._version import __version__
from bids_rsa.core.names import COMPARISON_NAMES, DISSIMILARITY_NAMES
from bids_rsa.option_group import ExecSpec, OptionGroup, Parser
from bids_rsa.producers.names import SOURCES


def _add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which of the images found are wanted."""
    add = OptionGroup(parser, "Which images").add
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
    add = OptionGroup(parser, "Images, masks and models").add
    add(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="[NAME=]PATH",
        help=(
            "derivative datasets that hold the condition images; without it BIDS_DIR and those "
            "under BIDS_DIR/derivatives"
        ),
    )
    add("--stat", metavar="STAT", help="which statistic's images to use: effect, t, z ...")
    add(
        "--betas",
        nargs="+",
        metavar="PATTERN",
        help=(
            "where images without BIDS names lie, from BIDS_DIR: a folder for each participant "
            "(SPM.mat, FEAT, AFNI, GLMsingle) like 'spm/sub-{subject}', or image files like "
            "'{subject}/run{run}_{condition}.nii'; fields {subject} {session} {task} {run} {space} "
            "{condition}, and * and ?"
        ),
    )
    add(
        "--source",
        choices=SOURCES,
        help=(
            "whose images they are, where that is not clear; statmaps are those of nilearn, "
            "fitlins and other BIDS-named ones"
        ),
    )
    add(
        "--labels",
        metavar="FILE",
        help=(
            "TSV that says what images or volumes are: columns condition, and where needed volume "
            "(from 0), image, run, session, subject, n (trials behind it); may hold {subject}"
        ),
    )
    add(
        "--reference-image",
        metavar="FILE",
        help="image on the grid of GLMsingle's betas, which have no affine; may hold {subject}",
    )
    add(
        "--model",
        nargs="+",
        dest="models",
        metavar="[NAME=]FILE",
        help=(
            "model RDMs: a square TSV or CSV with condition names as header and first column, "
            "or an .npy (square or condensed) with --conditions; at group level the names of "
            "the models to test"
        ),
    )
    add(
        "--features",
        nargs="+",
        metavar="[NAME=]FILE:METRIC",
        help=(
            "models from features: a TSV with a column 'condition' and feature columns, and "
            "the dissimilarity that makes an RDM of it"
        ),
    )
    add(
        "--conditions",
        nargs="+",
        metavar="NAME",
        help="which conditions, in this order; names the rows of an .npy model",
    )
    add(
        "--condition-map",
        metavar="FILE",
        help=(
            "TSV with columns label and condition: renames conditions of images, pools those with "
            "one name, leaves out n/a"
        ),
    )
    add(
        "--missing",
        choices=("error", "skip", "drop"),
        help=(
            "when a participant has no image of a condition: fail, leave the participant out, or "
            "leave out the cells (with --ignore-nan)"
        ),
    )
    add(
        "--brain-mask",
        metavar="FILE",
        help=(
            "patches use only voxels inside it; without it the brain masks of the runs, "
            "intersected, or the anatomical one, where found"
        ),
    )
    add(
        "--roi-mask",
        metavar="FILE|LABEL",
        help="centres only inside it; a file, or the desc- label of a mask in the dataset",
    )
    add("--bids-database-dir", metavar="DIR", help="keep pybids' index here, and use it again")


def _add_science_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the participant level."""
    add = OptionGroup(parser, "Searchlight RSA").add
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
        help=(
            "what compares RDM and model; several share the RDMs: "
            f"{', '.join(COMPARISON_NAMES)}; at group level those to test, all without it"
        ),
    )
    add(
        "--folds",
        metavar="none|runs|max|N",
        type=types.folds,
        help=(
            "cross-validate distances over folds: none, runs (one run a fold), max (the same), "
            "or N folds of consecutive runs"
        ),
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
        help=(
            "when a condition is missing from some runs: end with an error, use only complete "
            "runs, or average what there is"
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
    add("--standardize", action="store_true", help="z-score RDM and models before regression")


def _add_group_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that change the numbers of the group level."""
    add = OptionGroup(parser, "Group tests").add
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
        help="relabelings to draw; all of them are used when there are no more",
    )
    add(
        "--random-seed",
        metavar="N",
        type=types.whole_number(0),
        help="seed of the relabelings",
    )
    add(
        "--primary",
        choices=("tfce", "maxt", "cluster-mass", "cluster-size", "fdr"),
        help="the correction that makes the thresholded map, the tables and the pictures",
    )
    add("--alpha", metavar="P", type=types.share(), help="significance level")
    add(
        "--fwe-over",
        choices=("none", "models"),
        help="models: take the maximum over all maps of this call, so that all are corrected",
    )
    add(
        "--cluster-p",
        metavar="P",
        type=types.share(),
        help="p of the t above which voxels form clusters; halved for each sign when two-sided",
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
        help="columns of participants.tsv to take out, demeaned over the subjects tested",
    )
    add(
        "--test-covariate",
        metavar="COLUMN",
        help="test the slope on this column of participants.tsv",
    )


def _add_scores_options(add: Callable[..., None]) -> None:
    """Add the options that say how maps become the scores tested."""
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
    add("--group-mask", metavar="FILE", help="test only voxels inside it")
    add(
        "--transform",
        choices=("auto", "none", "fisher"),
        help="auto: Fisher's z for correlations, none for kendall-tau-a and regression",
    )
    add(
        "--smoothing-fwhm",
        metavar="MM",
        type=types.number_from_zero("mm"),
        help="smooth the transformed maps inside the mask",
    )


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where and how to run; none changes a number in the results."""
    add = OptionGroup(parser, "Running").add
    add(
        "-w",
        "--work-dir",
        metavar="DIR",
        help=(
            "where intermediate results lie, so that a second run recomputes nothing; without "
            "it OUTPUT_DIR/.work, removed after success"
        ),
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
        help=(
            "threads of one searchlight node; without it all CPUs, shared among the subjects "
            "that run at once"
        ),
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
        help=(
            "Nipype's way to run: Linear, MultiProc, or a YAML file with plugin and "
            "plugin_args (SLURM, PBS ...)"
        ),
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
        "--dry-run-table",
        metavar="FILE",
        help="with --dry-run: write what was found as TSV, a row for each condition and run",
    )
    add(
        "--list-participants",
        action="store_true",
        help="print the participants found, one a line, and write nothing",
    )
    add(
        "--validate",
        action="store_true",
        help=(
            "run the official BIDS validator on BIDS_DIR first, where bids-validator-deno is "
            "installed"
        ),
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
        action=ExecSpec,
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
    parser = Parser(
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
            help=(
                "participant: maps of each subject; group: tests across subjects, from the "
                "maps in OUTPUT_DIR"
            ),
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
