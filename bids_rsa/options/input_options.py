"""Options that say which images, masks and models to take, and from where."""

import argparse
from collections.abc import Callable

from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.producers.names import SOURCES


def add_selection_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which of the images found are wanted."""
    add = OptionGroup(parser, "Which images", "both").add
    for flag, prefix, what in (
        ("--participant-label", "sub", "participants to analyse"),
        ("--exclude-participant-label", "sub", "participants to leave out"),
        ("--session-label", "ses", "sessions to analyse, each separately"),
        ("--task-label", "task", "tasks to analyse, each separately"),
        ("--run-label", "run", "runs to use"),
        (
            "--space",
            "space",
            "spaces to analyse, each separately (required if there are several; X:res-2 also "
            "selects a resolution)",
        ),
        ("--res", "res", "resolutions to analyse, each separately (required if there are several)"),
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
            "JSON with pybids entity filters for condition images and masks: "
            '{"statmap": {"run": [1, 2]}, "mask": {"desc": "brain"}}'
        ),
    )


def add_input_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where images are, and how those without BIDS names are read."""
    add = OptionGroup(parser, "Where the images are", "participant", ("-d",)).add
    add(
        "-d",
        "--derivatives",
        nargs="+",
        metavar="[NAME=]PATH",
        help=(
            "derivative datasets with the condition images (default: BIDS_DIR and the datasets "
            "under BIDS_DIR/derivatives); at group level, those with the participants' maps "
            "(default: OUTPUT_DIR)"
        ),
    )
    add("--stat", metavar="STAT", help="statistic of the images to use: effect, t, z ...")
    add("--bids-database-dir", metavar="DIR", help="folder where pybids' index is kept and reused")
    _add_program_options(add)


def _add_program_options(add: Callable[..., None]) -> None:
    """Add the options that say how images without BIDS names are found and read."""
    add(
        "--betas",
        nargs="+",
        metavar="PATTERN",
        help=(
            "path of images without BIDS names, relative to BIDS_DIR: one folder per participant "
            "(SPM.mat, FEAT, AFNI, GLMsingle) such as 'spm/sub-{subject}', or image files such as "
            "'{subject}/run{run}_{condition}.nii'; with the fields {subject} {session} {task} "
            "{run} {space} {condition}, and the wildcards * and ?"
        ),
    )
    add(
        "--source",
        choices=SOURCES,
        help=(
            "program that wrote the images, if that is ambiguous; statmaps are BIDS-named images "
            "of nilearn, fitlins and others"
        ),
    )
    add(
        "--labels",
        metavar="FILE",
        help=(
            "TSV that assigns images or volumes to conditions: the column condition and, where "
            "needed, volume (from 0), image, run, session, subject and n (number of trials); the "
            "path may contain {subject}"
        ),
    )
    add(
        "--reference-image",
        metavar="FILE",
        help="image on the grid of GLMsingle's betas, which have no affine; the path may contain "
        "{subject}",
    )
    add(
        "--basis-function",
        metavar="N",
        type=types.whole_number(1),
        help=(
            "SPM basis function (from 1) whose images are used; required for basis sets other than "
            "the canonical response with its derivatives"
        ),
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what images are compared with."""
    add = OptionGroup(parser, "Models", "participant", ("--model",)).add
    add(
        "--model",
        nargs="+",
        dest="models",
        metavar="[NAME=]FILE",
        help=(
            "model RDMs: a square TSV or CSV with the condition names in the header and the first "
            "column, or an .npy file (square or condensed) with --conditions; at group level, the "
            "names of the models to test"
        ),
    )
    add(
        "--features",
        nargs="+",
        metavar="[NAME=]FILE:METRIC",
        help=(
            "models computed from features: a TSV with a column 'condition' and feature columns, "
            "and the dissimilarity between the features of two conditions"
        ),
    )
    _add_condition_options(add)


def _add_condition_options(add: Callable[..., None]) -> None:
    """Add the options that say how images are named by the models' conditions."""
    add(
        "--conditions",
        nargs="+",
        metavar="NAME",
        help="conditions to analyse, in this order; also names the rows of an .npy model",
    )
    add(
        "--condition-map",
        metavar="FILE",
        help=(
            "TSV with the columns label and condition: renames the conditions of images, pools "
            "those with the same name, and drops n/a"
        ),
    )
    add(
        "--missing",
        choices=("error", "skip", "drop"),
        help=(
            "if a participant has no image of a condition: fail (error), leave the participant out "
            "(skip), or leave out the cells of the RDM (drop, with --ignore-nan)"
        ),
    )


def add_mask_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which voxels may be centres, and which may be in patches."""
    add = OptionGroup(parser, "Masks", "participant").add
    add(
        "--brain-mask",
        metavar="FILE",
        help=(
            "mask of the voxels that patches may contain (inside above 0.5; default: the "
            "intersection of the runs' brain masks, or the anatomical one, if found)"
        ),
    )
    add(
        "--roi-mask",
        metavar="FILE|LABEL",
        help="mask of the searchlight centres: a file, or the desc- label of a mask in the dataset",
    )


def add_surface_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for maps on the cortex, and for volumes searched along it."""
    add = OptionGroup(parser, "Surfaces", "participant", ("--surface", "--cortex-mask")).add
    add(
        "--surface",
        nargs="+",
        metavar="PATTERN",
        help=(
            "surface of each hemisphere along which distances are measured, or the white and the "
            "pial surface, which are averaged; the path may contain {subject}, {session} and "
            "{hemi} (default: the participant's own, if found, else the template's)"
        ),
    )
    add(
        "--cortex-mask",
        metavar="PATTERN|LABEL",
        help=(
            "mask of the cortical vertices: a file per hemisphere, whose path may contain "
            "{subject}, {session} and {hemi}, or the desc- label of masks (default: desc-cortex, "
            "if found, else the template's)"
        ),
    )
    _add_patch_options(add)


def _add_patch_options(add: Callable[..., None]) -> None:
    """Add the options that say what centres and patches are."""
    add(
        "--center-density",
        metavar="LABEL",
        help=(
            "coarser mesh of fsaverage or fsLR, such as 10k (fsaverage5) or 32k (fsLR), whose "
            "vertices are the centres of the searchlight; maps are on this mesh, and regions use "
            "all vertices (default: every vertex is a centre)"
        ),
    )
    add(
        "--cifti-volume",
        choices=("structures", "skip"),
        help=(
            "voxels below the cortex in CIFTI files: search each structure separately "
            "(structures), or leave these voxels out (skip)"
        ),
    )
    add(
        "--patches",
        choices=("auto", "ribbon", "lines"),
        help=(
            "auto: spheres in volumes, discs on surfaces; ribbon: in volumes, the voxels between "
            "the participant's white and pial surfaces (or those of --surface WHITE PIAL) within "
            "the radius along the cortex; centres are the vertices, and nothing is resampled; "
            "lines: the same with all voxels that the lines between white and pial vertices hit. "
            "Images must be in the participant's own space, and surfaces in scanner coordinates "
            "(fMRIPrep's, or mris_convert --to-scanner)"
        ),
    )
