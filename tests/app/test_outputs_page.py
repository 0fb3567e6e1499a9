"""The page of the outputs names every key that a map's sidecar has, and no other."""

import re

from app_runs import sidecar

ONLY_SOMETIMES = {
    "SpatialReference",
    "Resolution",
    "ModelsInFit",
    "NuisanceModels",
    "ExcludedCells",
    "ExcludeWithin",
    "ConditionCovariance",
    "Standardize",
    "DesignCorrelation",
    "NoiseNormalization",
    "MaxPatchSize",
    "Density",
    "SurfaceGeometry",
    "SurfaceDistance",
    "Hemisphere",
    "PatchArea",
    "PatchAreaUnits",
    "CortexMask",
}


def test_the_page_names_the_keys_of_a_map(small_run, pytestconfig):
    page = (pytestconfig.rootpath / "docs" / "outputs.md").read_text(encoding="utf-8")
    table = page.partition("## Keys of a map's JSON")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    found = set(sidecar(small_run[0], "01", "stat-pearson_desc-planted_statmap"))
    assert named - ONLY_SOMETIMES == found
    assert named >= ONLY_SOMETIMES
