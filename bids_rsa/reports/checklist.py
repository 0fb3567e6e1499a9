"""The reporting checklist: what a report of the analysis needs, from the sidecars."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from bids_rsa.reports.sidecar_values import (
    Sidecar,
    counts,
    distinct,
    joined,
    locations_of,
    number,
    span,
)

MISSING_RUNS = {
    "error": "none (not allowed)",
    "complete": "only complete runs were used",
    "average": "averaged over the runs that have them",
}
# keys inside a value
_PARTS = {
    "NotFinite": "not finite in every image",
    "ZeroInARun": "zero in all images of a run",
    "Min": "smallest",
    "Median": "median",
    "Max": "largest",
    "ResidualDof": "residual degrees of freedom given",
    "DegreesOfFreedom": "degrees of freedom",
    "DegreesOfFreedomFrom": "degrees of freedom from",
    "FoldsHeldOut": "each fold weighted by the noise of the others",
    "RunMeansSubtracted": "run means subtracted",
    "WhitenedInTime": "whitened in time",
    "ShrinkageLambda": "shrinkage",
}
_SPACE = re.compile(r"(?:^|_)space-([A-Za-z0-9]+)")
MOST_FILES = 3  # that are named one by one
MOST_MASKS = 3  # that the checklist names one by one

# item, keys that may hold it (the first is the one named in the page)
PARTICIPANT_ITEMS = (
    ("Conditions", ("Conditions",)),
    ("Trials behind each condition", ("TrialsPerCondition",)),
    ("Images of each condition", ("ImagesPerCondition",)),
    ("Runs of each condition", ("RunsPerCondition",)),
    ("Acquisition and preprocessing", ("Preprocessing",)),
    ("First-level model", ("Estimator", "HRF", "HighPass", "Confounds")),
    ("Statistic of the images", ("InputStatistic",)),
    ("Spatial smoothing of the images", ("InputSmoothingFWHM",)),
    ("Noise normalisation", ("NoiseNormalization", "Normalization")),
    ("Space", ("SpatialReference",)),
    ("Brain mask", ("BrainMask", "CortexMask")),
    ("Region of interest", ("ROIMask",)),
    ("{Locations} left out", ("VoxelsLeftOut",)),
    ("Searchlight radius (mm)", ("SearchlightRadius",)),
    ("Patch sizes (number of {locations})", ("PatchSize", "MaxPatchSize")),
    ("Least patch size", ("MinVoxels",)),
    ("Dissimilarity", ("Dissimilarity",)),
    ("Cross-validation", ("Folds",)),
    ("NaN ignored within patches", ("IgnoreNaN",)),
    ("Conditions missing from some runs", ("MissingRuns",)),
    ("Comparison with the model", ("Comparison",)),
    ("Models", ("Model",)),
    ("Cells compared", ("CellsUsed",)),
    ("Software", ("SoftwareVersions",)),
)
GROUP_ITEMS = (
    ("Participants", ("Participants",)),
    ("Participants left out", ("LeftOut",)),
    ("Test", ("Test",)),
    ("Tail", ("Tail",)),
    ("Transformation of scores", ("Transform",)),
    ("Smoothing of score maps (mm)", ("SmoothingFWHM",)),
    ("Number of {locations} tested", ("VoxelsTested",)),
    ("Relabelings", ("RelabelingsUsed",)),
    ("All possible relabelings used", ("RelabelingsExhaustive",)),
    ("Random seed", ("RandomSeed",)),
    ("Primary method", ("PrimaryMethod",)),
    ("Alpha", ("Alpha",)),
    ("Corrected over", ("FWEOver",)),
    ("Cluster-forming p", ("ClusterFormingP",)),
    ("Connectivity", ("Connectivity",)),
    ("Tests tried", ("Tried",)),
)


def checklist(
    items: Sequence[tuple[str, Sequence[str]]],
    sidecars: Sequence[Sidecar],
    file_names: Iterable[str] = (),
) -> list[dict[str, str]]:
    """Fill in the checklist.

    Parameters
    ----------
    items : sequence of (str, sequence of str)
        Name of an item, and the keys that may have its value.
    sidecars : sequence of mapping
    file_names : iterable of str
        Say the space where no sidecar does, as BIDS does not require it of standard spaces.

    Returns
    -------
    list of dict
        ``name``, ``value`` (empty where it is not known) and ``key``.
    """
    rows = []
    several = locations_of(sidecars)
    for name, keys in items:
        values = [words for key in keys for words in _words(key, sidecars, several)]
        title = name.format(locations=several, Locations=several.capitalize())
        key = keys[0]
        if key == "SpatialReference" and not values:
            values = [label for name in file_names for label in _SPACE.findall(name)]
            key = "space- in file names" if values else key
        rows.append({"name": title, "value": "; ".join(dict.fromkeys(values)), "key": key})
    return rows


def _words(key: str, sidecars: Sequence[Sidecar], several: str) -> list[str]:
    """Write the different values of a key."""
    if key in ("ImagesPerCondition", "RunsPerCondition", "TrialsPerCondition"):
        found = counts(sidecars, key)
        return [span(found)] if found else []
    values = [value for value in distinct(sidecars, key) if value != "unknown"]
    if key == "MissingRuns":
        return [MISSING_RUNS.get(value, str(value)) for value in values]
    if key in ("BrainMask", "CortexMask") and len(values) > MOST_MASKS:
        sizes = span(mask["Voxels"] for mask in values if "Voxels" in mask)
        return [f"{sizes} {counted_by(key, several)}: {len(values)} masks"]
    return [answer_in_words(value, counted_by(key, several)) for value in values]


def counted_by(key: str, several: str) -> str:
    """Name what a key counts: patches between surfaces contain voxels, their cortex vertices."""
    return "vertices" if key == "CortexMask" and several == "voxels" else several


def answer_in_words(value: Any, several: str = "voxels") -> str:
    """Write a value of a sidecar for a reader; ``several`` are what numbers of voxels count."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, dict) and "Origin" in value:
        return _mask_in_words(value, several)
    if isinstance(value, dict) and {"Name", "SHA256"} <= set(value):
        file = f"{value['File']}, " if value.get("File") else ""
        return f"{value['Name']} ({file}SHA-256 {value['SHA256']})"
    if isinstance(value, dict):
        parts = [
            f"{several if key == 'Voxels' else _PARTS.get(key, key)}: "
            f"{_files_in_words(item) if key == 'Files' else answer_in_words(item)}"
            for key, item in value.items()
            if item not in ([], "", None)
        ]
        return ", ".join(parts) or "none"
    if isinstance(value, list):
        return joined([answer_in_words(item) for item in value]) or "none"
    return str(value)


def _files_in_words(names: Sequence[str]) -> str:
    """Name a few files, or the first of many."""
    if len(names) <= MOST_FILES:
        return joined(names)
    return f"{names[0]} and {len(names) - 1} more"


def _mask_in_words(mask: dict[str, Any], several: str) -> str:
    """Say how large a mask is and where it is from; the origin names its files."""
    if mask["Origin"] == "none":
        return "none"
    size = f"{number(mask['Voxels'])} {several}: " if mask.get("Voxels") else ""
    return "; ".join([f"{size}{mask['Origin']}", *mask.get("Notes", ())])
