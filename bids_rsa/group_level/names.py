"""Names of the group level's files, flat in group/ and pictures in group/figures/."""

from bids.layout.writing import build_path

from bids_rsa.derivatives import stat_label
from bids_rsa.group_level.records import GroupTest

PATTERN = (
    "[ses-{session}_][task-{task}_][acq-{acquisition}_][space-{space}_][res-{resolution}_]"
    "meas-{comparison}[_contrast-{contrast}][_stat-{stat}]_desc-{desc}_{suffix}{extension}"
)

DESCRIPTIONS = {
    "mean": "Mean of the transformed scores (groups and models: their difference)",
    "meanBacktransformed": "Mean of the transformed scores, brought back to the scores' own units",
    "t": "t (Welch's for two groups without covariates)",
    "z": "z with the tail probability of t",
    "cohensd": "Cohen's d: mean / standard deviation (pooled for groups)",
    "nsubjects": "Number of subjects with a score",
    "tfce": "Threshold-free cluster enhancement of t, extent^0.5 h^2 integrated exactly from 0",
    "p": "Voxel-wise p, not corrected",
    "tFWEp": "p of t, family-wise corrected by the maximum over voxels",
    "tfceFWEp": "p of TFCE, family-wise corrected by the maximum over voxels",
    "clusterSizeFWEp": "p of the cluster's extent, family-wise corrected; 1 outside clusters",
    "clusterMassFWEp": "p of the cluster's mass, family-wise corrected; 1 outside clusters",
    "fdrq": "Benjamini and Hochberg's q of the voxel-wise p",
    "tThr": "t where significant by the primary method, 0 elsewhere",
}


def describe(stat: str) -> str:
    """Describe a map by its label."""
    if stat.startswith("neglog10"):
        return f"-log10 of: {DESCRIPTIONS[stat.removeprefix('neglog10')]}"
    return DESCRIPTIONS[stat]


def group_path(
    test: GroupTest,
    stat: str | None = None,
    suffix: str = "statmap",
    extension: str = ".nii.gz",
    folder: str = "group/",
) -> str:
    """Name a file of a test, relative to the dataset.

    Parameters
    ----------
    test : GroupTest
        The test.
    stat : str, optional
        Label of the statistic.
    suffix, extension : str
        What kind of file it is.
    folder : str
        Where it lies.
    """
    entities = {
        "session": test.first.session,
        "task": test.first.task,
        "acquisition": test.first.acquisition,
        "space": test.first.space,
        "resolution": test.first.resolution,
        "comparison": stat_label(test.first.comparison),
        "contrast": test.contrast,
        "stat": stat,
        "desc": test.desc,
        "suffix": suffix,
        "extension": extension,
    }
    given = {name: value for name, value in entities.items() if value}
    return str(build_path(given, [folder + PATTERN], strict=True))


def figure_path(test: GroupTest, kind: str) -> str:
    """Name a picture of a test."""
    return group_path(test, None, kind, ".png", "group/figures/")
