"""What pictures, viewers and notebooks draw alike: colours, opacity."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import ScaleKind
from bids_rsa.reports.map_words import AREA
from bids_rsa.reports.pictures import COUNTS, DIVERGING, ONE_SIDED, Scale

COUNTS_OPACITY = 0.65
OPAQUE_AT = 0.6  # of the scale: lower scores let the anatomy through


def scale_of(
    data: NDArray[Any],
    unit: str,
    kind: ScaleKind,
    limit: float | None = None,
    threshold: float | None = None,
) -> Scale:
    """Choose the colours of a map and the ends of their scale."""
    limit = limit or float(np.abs(data).max()) or 1.0
    if kind == "symmetric":
        return Scale(-limit, limit, DIVERGING, unit, threshold)
    colours = COUNTS if is_count(unit) else ONE_SIDED
    return Scale(0.0, 1.0 if kind == "share" else limit, colours, unit, threshold)


def is_count(unit: str) -> bool:
    """Tell whether a map says how large patches are."""
    return unit == AREA or unit.endswith("in the patch")


def opacity_of(values: NDArray[Any], scale: Scale) -> NDArray[Any]:
    """Let the anatomy through where scores are near 0, or below the threshold where there is one.

    Transparent thresholding: Taylor et al. 2023, NeuroImage 274, 120138.
    """
    if scale.threshold:
        return np.clip(np.abs(values) / scale.threshold, 0, 1) ** 2
    return np.clip(np.abs(values) / (OPAQUE_AT * scale.high), 0, 1)
