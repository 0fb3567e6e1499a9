"""How near a group's mean scores come to the noise ceiling."""

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from bids_rsa.reports.collect import FoundMap, read_rows
from bids_rsa.reports.found_tests import FoundTest
from bids_rsa.reports.sidecar_values import number

CEILING_COLUMNS = (
    "where", "number", "mean score", "lower ceiling", "upper ceiling", "score / lower",
    "score / upper",
)  # fmt: skip
Floats = NDArray[np.float64]


def ceiling_view(test: FoundTest) -> dict[str, Any] | None:
    """Compare the mean scores of a test with its noise ceiling; None where it has none.

    Over several voxels each number is a median. The mean score is that over participants, without
    Fisher's z, as the ceilings are.
    """
    maps = {one.stem.partition("_stat-")[2].partition("_")[0]: one for one in test.maps}
    if not {"ceilingLower", "ceilingUpper", "relativeToUpper"} <= set(maps):
        return None
    lower, upper, relative = (
        np.nan_to_num(maps[stat].data.astype(np.float64))
        for stat in ("ceilingLower", "ceilingUpper", "relativeToUpper")
    )
    score = relative * upper
    tested = (upper > 0) & np.isfinite(maps["ceilingUpper"].data)
    # a ratio to a ceiling near 0 says nothing
    rows = [(*_row(f"all {test.several}", tested, score, lower, upper)[:-2], "n/a", "n/a")]
    significant = np.zeros(tested.shape, dtype=bool)
    if "tThr" in maps:
        significant = (np.nan_to_num(maps["tThr"].data) != 0) & tested
        if significant.any():
            rows.append(_row(f"significant {test.several}", significant, score, lower, upper))
    for name, voxel in _peaks(test, maps["ceilingUpper"]):
        alone = np.zeros(tested.shape, dtype=bool)
        alone[voxel] = tested[voxel]
        if alone.any():
            rows.append(_row(name, alone, score, lower, upper))
    return {
        "title": test.title,
        "definition": str(maps["ceilingUpper"].sidecar.get("CeilingDefinition", "not known")),
        "rows": rows,
        "reached": _reached(significant, score, lower, test.several),
    }


def _row(
    where: str, voxels: NDArray[np.bool_], score: Floats, lower: Floats, upper: Floats
) -> tuple[str, ...]:
    """Sum up some voxels."""
    of = [float(np.median(values[voxels])) for values in (score, lower, upper)]
    ratios = [f"{of[0] / ceiling:.2f}" if ceiling > 0 else "not known" for ceiling in of[1:]]
    return (where, number(int(voxels.sum())), *(f"{value:.3f}" for value in of), *ratios)


def _reached(significant: NDArray[np.bool_], score: Floats, lower: Floats, several: str) -> str:
    """Say at how many significant voxels the model leaves nothing that participants share."""
    n = int(significant.sum())
    if not n:
        return ""
    reached = int((significant & (score >= lower)).sum())
    return (
        f"At {number(reached)} of {number(n)} significant {several} the mean score is at least the "
        "lower ceiling. There the data show nothing that participants share and the model lacks."
    )


def _peaks(test: FoundTest, image: FoundMap) -> list[tuple[str, tuple[int, ...]]]:
    """List the clusters' peaks and the voxels they are in."""
    columns, rows = read_rows(test.folder / f"{test.name}_clusters.tsv")
    if not {"peak_x", "peak_y", "peak_z"} <= set(columns) or image.data.ndim != 3:
        return []
    to_voxel = scipy.linalg.inv(image.image.affine)
    found = []
    for row in rows:
        one = dict(zip(columns, row, strict=False))
        mm = [float(one[f"peak_{axis}"]) for axis in "xyz"]
        voxel = np.rint(to_voxel[:3, :3] @ mm + to_voxel[:3, 3]).astype(int)
        if (voxel >= 0).all() and (voxel < image.data.shape).all():
            place = ", ".join(f"{x:g}" for x in mm)
            found.append((f"peak of cluster {one['cluster']} ({place})", tuple(map(int, voxel))))
    return found
