"""What maps contain, in words, and how their values are shown."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import Comparison, ScaleKind

VOXELS = "voxels in the patch"
AREA = "area of the patch (mm²)"
# maps of a participant's null, by the ending of stat-: what comes before the name of the score
OF_NULL = {
    "MaxFWEp": "p corrected by the maximum over centres",
    "P": "p, not corrected",
    "Z": "z against the null",
}
_MINUS_LOG = "-log10(p)"
_OTHERS: dict[str, tuple[str, str, ScaleKind]] = {
    "reliability": ("Reliability of the RDMs", "correlation of two halves", "symmetric"),
    "reliabilitySpearmanBrown": (
        "Reliability of the RDMs of all data, by Spearman and Brown",
        "correlation of all data",
        "symmetric",
    ),
    "nvertices": ("vertices in the patch", "vertices in the patch", "positive"),
    "ngrayordinates": ("grayordinates in the patch", "grayordinates in the patch", "positive"),
    "area": ("area of the patch", AREA, "positive"),
    "shrinkage": ("Shrinkage of the noise covariance", "share of the target", "share"),
}  # fmt: skip


@dataclass(frozen=True)
class MapWords:
    """A map's title, the unit of what is drawn, and its colours.

    ``is_p``: the map contains p values, and minus their logarithm is drawn.
    """

    title: str
    unit: str
    kind: ScaleKind
    is_p: bool = False

    def drawn(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give what is drawn of the values: small p are large."""
        if not self.is_p:
            return values
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(-np.log10(values, dtype=np.float32) + np.float32(0))

    def summary(self, values: NDArray[Any]) -> str:
        """Say in a line what the known values are like."""
        if not values.size:
            return "No centre has a value."
        if self.is_p:
            return f"p over centres: {100 * (values <= 0.05).mean():.0f} % at most .05."
        share = 100 * (values > 0).mean()
        return f"Values over centres: mean {values.mean():.3g}, {share:.0f} % above 0."


def stat_of(file_name: str) -> str:
    """Read the ``stat-`` label of a file's name."""
    return file_name.partition("_stat-")[2].partition("_")[0]


def map_words(stat: str, comparison: Comparison | None, model: str, of_null: str) -> MapWords:
    """Find the words for a map.

    Parameters
    ----------
    stat : str
        Its ``stat-`` label.
    comparison, model
        Of the scores; none for maps of something else.
    of_null : str
        A key of `OF_NULL`, or empty.
    """
    if comparison is None:
        title, unit, kind = _OTHERS.get(stat, (VOXELS, VOXELS, "positive"))
        return MapWords(title, unit, kind)
    whose = "all models" if comparison.pooled else f"model {model}"
    title = f"{comparison.title}, {whose}"
    if not of_null:
        return MapWords(title, comparison.unit, comparison.scale)
    title = f"{OF_NULL[of_null]}: {title}"
    if of_null == "Z":
        return MapWords(title, OF_NULL[of_null], "symmetric")
    return MapWords(title, _MINUS_LOG, "positive", is_p=True)
