"""Options that say which images, masks and models to take, and from where."""

import argparse
from collections.abc import Callable

from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.producers.names import SOURCES


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which of the images found are wanted."""
    add = OptionGroup(parser, "Which images").add
    for flag, prefix, what in (
        ("--participant-label", "sub", "participants to analyse"),
        ("--exclude-participant-label", "sub", "participants to leave out"),
        ("--session-label", "ses", "sessions to analyse, each by itself"),
        ("--task-label", "task", "tasks to analyse, each by itself"),
        ("--run-label", "run", "runs to use"),
        (
            "--space",
            "space",
            "spaces to analyse, each by itself; needed where there are several; also as X:res-2",
        ),
        ("--res", "res", "resolutions to analyse, each by itself; needed where there are several"),
    ):
        add(
            flag,
            nargs="+",
            metavar="LABEL",
            type=types.space if flag == "--space" else types.label(prefix),
            help=f"{what}, with or without {prefix}-",
        )
    add(
        "--bids-filter-file",
        metavar="FILE",
        help=(
            "JSON with filters by pybids' entities, for condition images and for masks: "
            '{"statmap": {"run": [1, 2]}, "mask": {"desc": "brain"}}'
        ),
    )


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where images, masks and models come from."""
    add = OptionGroup(parser, "Images, masks and models").add
    add(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="[NAME=]PATH",
        help=(
            "derivative datasets that hold the condition images; without it BIDS_DIR and those "
            "under BIDS_DIR/derivatives. At group level those that hold the participants' maps; "
            "without it OUTPUT_DIR"
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
        "--basis-function",
        metavar="N",
        type=types.whole_number(1),
        help=(
            "which of SPM's basis functions (from 1) the images are of; needed for sets other than "
            "the canonical response with its derivatives"
        ),
    )
    _add_model_options(add)


def _add_model_options(add: Callable[..., None]) -> None:
    """Add the options that say what images are compared with."""
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
    _add_mask_options(add)


def _add_mask_options(add: Callable[..., None]) -> None:
    """Add the options that say where centres and patches may lie."""
    add(
        "--brain-mask",
        metavar="FILE",
        help=(
            "patches use only voxels inside it (above 0.5); without it the runs' brain masks, "
            "intersected, or the anatomical one, where found"
        ),
    )
    add(
        "--roi-mask",
        metavar="FILE|LABEL",
        help="centres only inside it; a file, or the desc- label of a mask in the dataset",
    )
    add(
        "--surface",
        nargs="+",
        metavar="PATTERN",
        help=(
            "surface of each hemisphere that distances are measured along, or white and pial "
            "surface, whose mean is taken; may hold {subject}, {session} and {hemi}. Without it "
            "the participant's own, where found, else the template's"
        ),
    )
    add(
        "--cortex-mask",
        metavar="PATTERN|LABEL",
        help=(
            "which vertices of a surface are cortex: a file of each hemisphere, whose path may "
            "hold {subject}, {session} and {hemi}, or the desc- label of masks; without it "
            "desc-cortex, where found, else the template's"
        ),
    )
    add("--bids-database-dir", metavar="DIR", help="keep pybids' index here, and use it again")
