"""Options of regions: atlases, masks, spheres, and what is required of a region."""

import argparse
from collections.abc import Callable

from bids_rsa.errors import OptionError
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import RegionSettings


def add_region_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which regions are analysed."""
    add = OptionGroup(
        parser,
        "Regions",
        "participant",
        (
            "--atlas",
            "--roi",
            "--roi-only",
        ),
    ).add
    _add_atlas_options(add)
    _add_roi_options(add)
    add(
        "--min-coverage",
        metavar="SHARE",
        type=types.share(whole=True, none=True),
        help=(
            "smallest share of a region that must be inside the images and the masks; regions "
            "below it, or with fewer voxels than --min-voxels, get n/a"
        ),
    )


def _add_atlas_options(add: Callable[..., None]) -> None:
    """Add the options of atlases, which contain several regions each."""
    add(
        "--atlas",
        nargs="+",
        metavar="[NAME=]FILE|LABEL",
        help=(
            "atlases whose regions are analysed: a label image (or a 4D image with one probability "
            "volume per region), or the atlas-, seg- or desc- label of a dseg in the datasets or "
            "under TEMPLATEFLOW_HOME; on surfaces, .label.gii or .annot files whose path contains "
            "{hemi}, a .dlabel.nii, or a label; at group level, the labels of those to test"
        ),
    )
    add(
        "--atlas-table",
        nargs="+",
        metavar="FILE",
        help=(
            "TSV with the columns index and name for each --atlas, in the same order (default: the "
            "..._dseg.tsv next to the image or above it in its dataset)"
        ),
    )
    add(
        "--atlas-threshold",
        metavar="P",
        type=types.share(none=True),
        help=(
            "assign a voxel of a 4D atlas to its most probable region if that probability is above "
            "P"
        ),
    )


def _add_roi_options(add: Callable[..., None]) -> None:
    """Add the options of single regions, and of the choice among all."""
    add(
        "--rois",
        nargs="+",
        metavar="[NAME=]MASK",
        help=(
            "masks of single regions (inside above 0.5); the path may contain {subject}, and on "
            "surfaces {hemi}"
        ),
    )
    add(
        "--roi-sphere",
        nargs="+",
        dest="roi_spheres",
        metavar="NAME:x,y,z:R",
        help=(
            "spherical regions: centre and radius in mm, in the space of the images; on surfaces "
            "discs around the nearest vertex, or around a vertex (NAME:L1234:R)"
        ),
    )
    add(
        "--roi",
        nargs="+",
        metavar="NAME",
        help="names of the regions to analyse (default: all)",
    )
    add("--roi-only", action="store_true", help="analyse regions only, without a searchlight")


def check_region_options(regions: RegionSettings) -> None:
    """Check what only the options together can tell.

    Raises
    ------
    OptionError
    """
    defaults = RegionSettings()
    for option, given in (
        ("--roi-only", regions.roi_only),
        ("--roi", regions.roi),
        ("--min-coverage", regions.min_coverage != defaults.min_coverage),
        ("--atlas-threshold", regions.atlas_threshold != defaults.atlas_threshold),
    ):
        if given and not regions.any_given:
            raise OptionError(
                f"{option} needs regions, and none were given.",
                "Name them with --atlas, --rois or --roi-sphere.",
            )
    if regions.atlas_threshold != defaults.atlas_threshold and not regions.atlas:
        raise OptionError(
            f"--atlas-threshold {regions.atlas_threshold:g} is for atlases, and none was given.",
            "Name one with --atlas, or leave it out.",
        )
    n_tables = len(regions.atlas_table)
    if n_tables and n_tables != len(regions.atlas):
        raise OptionError(
            f"--atlas-table names {n_tables} table{'s' * (n_tables != 1)}, and --atlas "
            f"{len(regions.atlas)} atlas{'es' * (len(regions.atlas) != 1)}.",
            "Name one table for each atlas, in the same order, or none.",
        )
