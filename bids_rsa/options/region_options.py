"""Options of regions: atlases, masks, spheres, and what is required of a region."""

import argparse

from bids_rsa.errors import OptionError
from bids_rsa.options import argument_types as types
from bids_rsa.options.option_group import OptionGroup
from bids_rsa.settings import Settings


def add_region_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which regions are analysed."""
    add = OptionGroup(parser, "Regions").add
    add(
        "--atlas",
        nargs="+",
        metavar="[NAME=]FILE|LABEL",
        help=(
            "label images whose regions are analysed: a file (4D: one volume of probabilities a "
            "region), or the atlas-, seg- or desc- label of a dseg in the datasets or under "
            "TEMPLATEFLOW_HOME; at group level the labels of those to test"
        ),
    )
    add(
        "--atlas-table",
        nargs="+",
        metavar="FILE",
        help=(
            "TSV with columns index and name for each --atlas, in their order; without it the "
            "..._dseg.tsv beside the image or above it in its dataset"
        ),
    )
    add(
        "--atlas-threshold",
        metavar="P",
        type=types.share(none=True),
        help="a voxel of a 4D atlas belongs to its most probable region where that is above P",
    )
    add(
        "--rois",
        nargs="+",
        metavar="[NAME=]MASK",
        help="single masks, a region each (above 0.5); may hold {subject}",
    )
    add(
        "--roi-sphere",
        nargs="+",
        dest="roi_spheres",
        metavar="NAME:x,y,z:R",
        help="spheres: centre and radius in mm of the images' space",
    )
    add(
        "--roi",
        nargs="+",
        metavar="NAME",
        help="which of the regions to analyse, by name; all without it",
    )
    add("--roi-only", action="store_true", help="regions only, no searchlight")
    add(
        "--min-coverage",
        metavar="SHARE",
        type=types.share(whole=True, none=True),
        help=(
            "regions of which a smaller share lies in the images and the masks are n/a, as are "
            "those with fewer voxels than --min-voxels"
        ),
    )


def check_region_options(settings: Settings) -> None:
    """Check what only the options together can tell.

    Raises
    ------
    OptionError
    """
    regions = settings.regions
    for option, given in (("--roi-only", regions.roi_only), ("--roi", regions.roi)):
        if given and not regions.any_given:
            raise OptionError(
                f"{option} needs regions, and none were given.",
                "Name them with --atlas, --rois or --roi-sphere.",
            )
    n_tables = len(regions.atlas_table)
    if n_tables and n_tables != len(regions.atlas):
        raise OptionError(
            f"--atlas-table names {n_tables} table{'s' * (n_tables != 1)}, and --atlas "
            f"{len(regions.atlas)} atlas{'es' * (len(regions.atlas) != 1)}.",
            "Name one table for each atlas, in the same order, or none.",
        )
