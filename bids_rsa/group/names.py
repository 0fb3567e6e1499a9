"""The files of a group test: their names, and the settings that determine their numbers."""

import json
from typing import Any

from bids_rsa.core.inference.design import Design
from bids_rsa.group.records import GroupTest
from bids_rsa.outputs.derivatives import EXTENSIONS, PlannedFile, with_vectors
from bids_rsa.outputs.input_hashes import digest, hash_file
from bids_rsa.spaces.hemispheres import of_hemisphere
from bids_rsa.words import listing

P_STATS = (
    "p",
    "tFWEp",
    "tfceFWEp",
    "clusterSizeFWEp",
    "clusterMassFWEp",
    "clusterSizep",
    "clusterSizefdrq",
    "fdrq",
)
# maps that only --null stelzer makes, and those that it does not
STELZER = ("clusterSizep", "clusterSizefdrq")
NOT_STELZER = ("tfce", "tFWEp", "tfceFWEp", "clusterSizeFWEp", "clusterMassFWEp")
# each map's stat- label and what it contains; {one} is a voxel or a vertex
STATS = {
    "mean": "Mean over participants, in the unit of the comparison",
    "meanFisherz": "Mean over participants of Fisher's z",
    "t": "t",
    "z": "z with the tail probability of t",
    "cohensd": "Cohen's d",
    "slope": "Slope: change of the transformed score per unit of the covariate",
    "nsubjects": "Number of participants with a score",
    "tfce": "Threshold-free cluster enhancement of the statistic",
    "p": "{One}-wise p, not corrected",
    "tFWEp": "p corrected for the family-wise error by the maximum of the statistic (max-T)",
    "tfceFWEp": "p corrected for the family-wise error by the maximum of TFCE",
    "clusterSizeFWEp": "p of the {one}'s cluster, corrected by the maximum cluster size",
    "clusterMassFWEp": "p of the {one}'s cluster, corrected by the maximum cluster mass",
    "clusterSizep": "p of the size of the {one}'s cluster among clusters of null maps",
    "clusterSizefdrq": "Benjamini and Hochberg's adjusted p of the {one}'s cluster",
    "fdrq": "Benjamini and Hochberg's adjusted {one}-wise p",
    **{f"neglog10{name}": f"-log10 of {name}" for name in P_STATS},
    "tThr": "t where the primary method is significant, 0 elsewhere",
}
TABLES = ("clusters", "peakscores", "subjects")
FIGURES = ("glass", "mosaic", "null", "peakscores")


def describe_stat(test: GroupTest, stat: str) -> str:
    """Say what a map contains, with the transform and contrast of its test."""
    one = test.words[0]
    what = STATS[stat].format(one=one, One=one.capitalize())
    if stat == "mean" and test.transform == "fisher":
        what = (
            "tanh of the mean over participants of Fisher's z, a correlation (not the plain mean)"
        )
    if stat.startswith("mean") and test.contrast:
        what = f"Difference of two means over participants. Each: {what}"
    return what


def stats_of(test: GroupTest) -> tuple[str, ...]:
    """List the maps of a test."""
    left_out = set(NOT_STELZER if test.settings.null == "stelzer" else STELZER)
    left_out |= {f"neglog10{name}" for name in left_out}
    if test.transform == "none":
        left_out.add("meanFisherz")
    left_out.add("cohensd" if test.kind == "slope" else "slope")
    return tuple(name for name in STATS if name not in left_out)


def file_stem(test: GroupTest, stat: str | None = None, part: str = "") -> str:
    """Name a file of a test without its suffix, relative to the dataset."""
    measure = f"_stat-{stat}" if stat else ""
    return f"{test.folder}/{test.file_stem(part)}{measure}_desc-{test.desc}"


def map_path(test: GroupTest, stat: str, part: str = "") -> str:
    """Name a map, or its part of one hemisphere."""
    return f"{file_stem(test, stat, part)}_statmap{EXTENSIONS[test.form][0]}"


def mask_path(test: GroupTest, part: str = "") -> str:
    """Name the mask of the voxels tested, or its part of one hemisphere."""
    return f"{file_stem(test, part=part)}_mask{EXTENSIONS[test.form][1]}"


def table_path(test: GroupTest, table: str) -> str:
    """Name a table."""
    return f"{file_stem(test)}_{table}.tsv"


def figure_path(test: GroupTest, figure: str) -> str:
    """Name a picture."""
    return f"{test.folder}/figures/{test.label}_{figure}.png"


def group_geometry_path(test: GroupTest) -> str:
    """Name the surfaces that the maps are drawn on, which are kept for the page."""
    return f"{test.folder}/figures/{test.label}_surfaces.json"


def test_settings(test: GroupTest, others: tuple[GroupTest, ...] = ()) -> dict[str, Any]:
    """List what determines the numbers of a test, as it is in its sidecars.

    ``others`` are the tests that share its family-wise correction.
    """
    group = test.settings
    codings = {
        name: {level: code for code, level in enumerate(levels)} for name, levels in test.codings
    }
    return {
        "Test": test.describe(),
        "Tail": test.tail,
        **_draws_asked_for(test),
        **({"Null": group.null} if group.null != "subjects" else {}),
        "Transform": test.transform,
        "SmoothingFWHM": group.smoothing_fwhm,
        **_smoothing(test),
        "Coverage": group.coverage,
        "AverageSessions": group.average_sessions,
        "GroupMask": _group_mask(test),
        **_geometry(test),
        "ClusterFormingP": group.cluster_p,
        **({} if test.form == "surface" else {"Connectivity": group.connectivity}),
        "PrimaryMethod": group.primary,
        "Alpha": group.alpha,
        "FWEOver": {one.label: input_hash(one) for one in others} if others else "this map",
        "Participants": [f"sub-{subject}" for subject in test.subjects],
        "Groups": list(test.group_of),
        "Covariates": dict(test.covariates),
        "TestedCovariate": dict(test.tested),
        "CovariateCoding": codings,
        "InputHash": input_hash(test),
    }


def group_mask_paths(test: GroupTest) -> tuple[str, ...]:
    """List the files of --group-mask: of each hemisphere where its path says {hemi}."""
    mask = test.settings.group_mask
    if not mask:
        return ()
    named = [of_hemisphere(mask, one.hemisphere) for one in test.surfaces]
    return tuple(dict.fromkeys(named or [mask]))


def _group_mask(test: GroupTest) -> Any:
    """Name the files of --group-mask, and hash them."""
    found = [
        {"File": path.rpartition("/")[2], "SHA256": hash_file(path)}
        for path in group_mask_paths(test)
    ]
    return found[0] if len(found) == 1 else found or None


def _geometry(test: GroupTest) -> dict[str, Any]:
    """Say which surfaces clusters are formed on; nothing for volumes."""
    if not test.surfaces:
        return {}
    return {
        "SurfaceGeometry": "; ".join(dict.fromkeys(one.origin for one in test.surfaces)),
        "SurfaceFiles": [
            {
                "Hemisphere": one.hemisphere,
                "File": path.rpartition("/")[2],
                "SHA256": hash_file(path),
            }
            for one in test.surfaces
            for path in one.files
        ],
        **_areas(test),
    }


def _areas(test: GroupTest) -> dict[str, Any]:
    """Say whose areas the vertices have."""
    if test.own_surfaces:
        files = [path for own in test.own_surfaces for one in own for path in one.meshes]
        return {
            "VertexAreas": "mean over the participants' own surfaces",
            "VertexAreasSHA256": digest([hash_file(path) for path in files]),
        }
    why = ""
    if test.without_surfaces:
        named = listing([f"sub-{subject}" for subject in test.without_surfaces])
        why = f"; not the mean over participants, because no own surface was found of {named}"
    return {"VertexAreas": f"those of SurfaceGeometry{why}"}


SMOOTHING = {
    "surface": "Gaussian of the distance along the surface, weighted by the areas of vertices",
    "grayordinates": "within each structure: on the cortex a Gaussian of the distance along the "
    "surface, weighted by the areas of vertices; below it a Gaussian in the volume",
}


def _smoothing(test: GroupTest) -> dict[str, Any]:
    """Say how maps on surfaces are smoothed; nothing for volumes."""
    if not test.settings.smoothing_fwhm or test.form not in SMOOTHING:
        return {}
    return {"SmoothingMethod": SMOOTHING[test.form]}


def _draws_asked_for(test: GroupTest) -> dict[str, Any]:
    """Say how many draws were asked for; --null conditions uses each null map once instead."""
    group = test.settings
    if group.null == "conditions":
        return {}
    return {"Permutations": group.n_permutations, "RandomSeed": group.random_seed}


def input_hash(test: GroupTest) -> str:
    """Hash the content of all maps and masks of a test, and whose they are."""
    return digest(
        [
            [member.subject, [[one.sha256 for one in maps] for maps in member.maps]]
            for member in test.members
        ]
    )


def plan_maps(test: GroupTest, others: tuple[GroupTest, ...] = ()) -> tuple[PlannedFile, ...]:
    """List the images of a test, with the settings that determine them."""
    settings = json.loads(json.dumps(test_settings(test, others)))
    frozen = tuple((key, json.dumps(value)) for key, value in settings.items())
    paths = [
        (path, part)
        for part in test.parts
        for path in (*(map_path(test, s, part) for s in stats_of(test)), mask_path(test, part))
    ]
    return tuple(PlannedFile(path, frozen, digest(settings), part=part) for path, part in paths)


def plan_others(test: GroupTest) -> tuple[str, ...]:
    """List the tables and pictures of a test."""
    tables = [table_path(test, table) for table in TABLES]
    # a glass brain is MNI's
    is_mni = test.form == "volume" and (test.key.space or "").startswith("MNI")
    shown = FIGURES if is_mni else FIGURES[1:]
    return (*tables, *with_vectors(figure_path(test, figure) for figure in shown))


def say_degrees_of_freedom(design: Design, one: str) -> str:
    """Say the degrees of freedom of a design."""
    if design.welch:
        return f"Welch and Satterthwaite's, by {one}"
    return str(design.df)
