"""What the sidecars of group maps say, and the hash that tells two analyses apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.derivatives import read_sidecar
from bids_rsa.group_level.names import describe
from bids_rsa.group_level.records import GroupTest
from bids_rsa.group_level.results import PRIMARY, GroupResult
from bids_rsa.group_level.words import ASSUMPTION, MEANING, fdr_floor, test_warnings, tried
from bids_rsa.provenance import digest, hash_file, software_versions

# what participants' sidecars say that holds for the group too
INHERITED = (
    "Dissimilarity",
    "DissimilarityParameters",
    "Comparison",
    "SearchlightRadius",
    "SearchlightRadiusUnits",
    "SearchlightRule",
    "MinVoxels",
    "Folds",
    "IgnoreNaN",
    "Conditions",
    "CellsUsed",
    "Model",
    "ModelsInFit",
    "InputStatistic",
)
CORRECTIONS = {
    "p": "none",
    "tFWEp": "family-wise, maximum of t",
    "tfceFWEp": "family-wise, maximum of TFCE",
    "clusterSizeFWEp": "family-wise, maximum of cluster extent",
    "clusterMassFWEp": "family-wise, maximum of cluster mass",
    "fdrq": "false discovery rate, Benjamini-Hochberg",
}


def test_settings(test: GroupTest, family: Sequence[GroupTest]) -> dict[str, Any]:
    """List all that determines a test's numbers; its hash stands in every sidecar."""
    group = test.settings
    return {
        "Test": test.kind,
        "Tested": test.words,
        "Tail": test.tail,
        "Groups": dict(zip(test.groups, _sizes(test), strict=False)),
        "Membership": list(test.in_first_group),
        "Covariates": list(test.covariates),
        "CovariateValues": [list(row) for row in test.covariate_values],
        "TestedCovariate": test.tested_covariate or None,
        "TestedValues": list(test.tested_values),
        "Permutations": group.n_permutations,
        "RandomSeed": group.random_seed,
        "Transform": test.transform,
        "SmoothingFWHM": group.smoothing_fwhm,
        "AverageSessions": group.average_sessions,
        "Coverage": group.coverage,
        "GroupMask": Path(group.group_mask).name if group.group_mask else None,
        "GroupMaskSHA256": hash_file(group.group_mask) if group.group_mask else None,
        "Participants": [f"sub-{subject}" for subject in test.subjects],
        "ClusterFormingP": group.cluster_p,
        "Connectivity": group.connectivity,
        "Primary": group.primary,
        "Alpha": group.alpha,
        "FamilyWiseOver": [one.words for one in family] if group.fwe_over == "models" else "voxels",
        "InputHashes": digest([[hash_file(one.path), hash_file(one.mask)] for one in test.maps]),
    }


def _sizes(test: GroupTest) -> tuple[int, ...]:
    """Count the subjects of each group."""
    first = sum(test.in_first_group)
    return (first, len(test.in_first_group) - first) if test.groups else ()


def common_keys(
    test: GroupTest, family: Sequence[GroupTest], result: GroupResult, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather what every sidecar of a test says."""
    sidecar = read_sidecar(Path(test.first.maps[0].sidecar)) or {}
    inherited = {key: sidecar[key] for key in INHERITED if key in sidecar}
    if test.second is not None:
        other = read_sidecar(Path(test.second.maps[0].sidecar)) or {}
        inherited["Model"] = [inherited.get("Model"), other.get("Model")]
    told = dict(settings)
    told.pop("Membership")
    return {
        **inherited,
        **told,
        "Sources": [_uri(path) for one in test.maps for path in (one.path, one.mask)],
        "SmallestP": result.smallest_p,
        "FDRFloor": fdr_floor(test, result),
        "ClusterFormingThreshold": result.cluster_threshold,
        "Thresholds": {
            k: v if abs(v) < float("inf") else None for k, v in result.thresholds.items()
        },
        "Tried": tried(family),
        "Interpretation": MEANING,
        "Assumption": ASSUMPTION,
        "Warnings": list(test_warnings(test, result.smallest_p)),
        "SettingsHash": digest(settings),
        "SoftwareVersions": software_versions(),
    }


def map_sidecar(test: GroupTest, stat: str, common: Mapping[str, Any]) -> dict[str, Any]:
    """Gather the sidecar of one map."""
    label = stat.removeprefix("neglog10")
    keys: dict[str, Any] = {"Description": f"{test.words}. {describe(stat)}."}
    if label in CORRECTIONS or stat == "tThr":
        primary = PRIMARY[test.settings.primary][0]
        keys["Correction"] = CORRECTIONS[primary if stat == "tThr" else label]
        keys["Role"] = "primary" if label in (primary, "tThr") else "secondary"
    return keys | dict(common)


def _uri(path: str) -> str:
    """Write the BIDS URI of a participant's file: it lies in this same dataset."""
    parts = Path(path).parts
    first = max(i for i, part in enumerate(parts) if part.startswith("sub-") and i < len(parts) - 1)
    return "bids::" + "/".join(parts[first:])
