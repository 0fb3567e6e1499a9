"""The sidecars of group maps and tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from bids_rsa.core.inference.group_maps import PRIMARY_MAPS
from bids_rsa.group.names import P_STATS, describe_stat
from bids_rsa.group.records import GroupTest
from bids_rsa.group.statements import (
    CORRECTIONS,
    Tried,
    assumption,
    correction_sentence,
    interpretation,
)
from bids_rsa.outputs.bids_uris import bids_uri
from bids_rsa.outputs.provenance import software_versions

# the participants' maps agree in these (or differ only in the two models)
SHARED_KEYS = (
    "SpatialReference",
    "Resolution",
    "Dissimilarity",
    "DissimilarityParameters",
    "Comparison",
    "SearchlightRadius",
    "MaxPatchSize",
    "SearchlightRadiusUnits",
    "SearchlightRule",
    "MinVoxels",
    "Folds",
    "IgnoreNaN",
    "Conditions",
    "CellsUsed",
    "InputStatistic",
    "Normalization",
    "Centering",
    "ExcludedCells",
    "ExcludeWithin",
    "NuisanceModels",
    "ConditionCovariance",
    "Standardize",
    "ModelsInFit",
)


def common_keys(
    test: GroupTest,
    settings: Mapping[str, Any],
    settings_hash: str,
    found: Mapping[str, Any],
    tried: Tried,
    links: Mapping[str, str],
) -> dict[str, Any]:
    """Gather what all sidecars of a test say.

    Parameters
    ----------
    test : GroupTest
    settings : mapping
        What determines the numbers.
    settings_hash : str
    found : mapping
        What came out on the way (voxels, warnings, thresholds).
    tried : Tried
    links : mapping
        Path of each dataset that maps are in to its name in BIDS URIs; others are the output's.
    """
    shared = {key: test.metadata[key] for key in SHARED_KEYS if key in test.metadata}
    models = [maps[0].metadata.get("Model", {}) for maps in test.members[0].maps]
    return {
        "Sources": _sources(test, links),
        **shared,
        "Model": models[0] if len(models) == 1 else models,
        **settings,
        **found,
        "Interpretation": interpretation(test),
        "Assumption": assumption(test),
        "Tried": tried.sentence(),
        "SettingsHash": settings_hash,
        "SoftwareVersions": software_versions(),
    }


def _sources(test: GroupTest, links: Mapping[str, str]) -> list[str]:
    """Write the BIDS URI of every map and mask used."""
    paths = [
        path
        for member in test.members
        for one in member.all_maps
        for path in (*one.paths, *one.mask_paths)
    ]
    return [bids_uri(path, links) for path in dict.fromkeys(paths)]


def group_map_sidecar(
    stat: str, test: GroupTest, common: Mapping[str, Any], n_joint: int
) -> dict[str, Any]:
    """Gather the sidecar of one map."""
    name = stat.removeprefix("neglog10")
    outside = "1" if stat in P_STATS else "0"
    if test.form != "volume":
        outside = "NaN"
    what = describe_stat(test, stat)
    keys: dict[str, Any] = {
        "Description": f"{what}. {test.describe()}. {outside} outside the mask."
    }
    primary = PRIMARY_MAPS[test.settings.primary]
    if name in CORRECTIONS:
        over = f", over all {n_joint} maps of this call" if n_joint > 1 and "FWE" in name else ""
        keys["Correction"] = f"{CORRECTIONS[name]}{over}"
        keys["Role"] = "primary" if name == primary else "secondary"
    elif stat == "tThr":
        keys["Correction"] = correction_sentence(test, n_joint)
        keys["Role"] = "primary"
    return {**keys, **common}


def group_mask_sidecar(test: GroupTest, common: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the sidecar of the mask."""
    tested = f"{test.words[1].capitalize()} that are tested"
    return {"Description": tested, "Type": "ROI", **common}


def table_sidecar(
    description: str, columns: Mapping[str, str], common: Mapping[str, Any], skip: Sequence[str]
) -> dict[str, Any]:
    """Gather the sidecar of a table: its columns, and what all outputs say."""
    described = {name: {"Description": text} for name, text in columns.items()}
    kept = {key: value for key, value in common.items() if key not in skip}
    return {"Description": description, **described, **kept}
