"""The highest local maxima of a participant's map, and the RDM of the patch around each."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.searchlight import searchlight
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.settings import RsaSettings
from bids_rsa.spaces.grayordinates import GrayordinateSpace
from bids_rsa.spaces.space import Space

N_PEAKS = 10
APART = 2.0  # radii
MOST_CONDITIONS = 150  # whose RDMs are shown; more make the page too large


def local_maxima(
    values: NDArray[Any], space: Space, apart_mm: float, n_peaks: int = N_PEAKS
) -> list[int]:
    """Find the highest values of a map that are apart from each other.

    Parameters
    ----------
    values : (n_locations,)
        0 or NaN where there is no score.
    space : Space
    apart_mm : float
        Least distance between two peaks.
    n_peaks : int

    Returns
    -------
    list of int
        Locations, the highest first; values above 0 only.
    """
    locations = np.flatnonzero(np.nan_to_num(values) > 0)
    mm = space.places_mm(locations)
    left = np.argsort(-values[locations], kind="stable")
    peaks: list[int] = []
    while left.size and len(peaks) < n_peaks:
        first = left[0]
        peaks.append(int(locations[first]))
        left = left[((mm[left] - mm[first]) ** 2).sum(axis=1) >= apart_mm**2]
    return peaks


def patches_of(
    stacked: StackedPatterns,
    centers: Sequence[int],
    radius_mm: float,
    patch_size: int | None = None,
) -> list[Any]:
    """List the rows of the patterns that are in the patch around each centre."""
    chosen = np.zeros(stacked.space.centers.n_locations, dtype=bool)
    chosen[list(centers)] = True
    around = stacked.space.neighborhood(
        stacked.patch_mask, chosen, radius_mm, patch_size=patch_size
    )
    found: dict[int, Any] = {}
    locations = np.flatnonzero(chosen)
    for block in around.blocks(len(centers) or 1, 2**30):
        starts, rows = around.members(block)
        for number, (start, stop) in zip(block.centers, pairwise(starts), strict=True):
            found[int(locations[number])] = np.sort(rows[start:stop])
    return [found[center] for center in centers]


def describe_peaks(
    values: NDArray[Any],
    stacked: StackedPatterns,
    rsa: RsaSettings,
    noise: NoiseModel | None = None,
    cells_compared: NDArray[np.bool_] | None = None,
) -> list[dict[str, Any]]:
    """Describe the peaks of a map: place, score, patch size, RDM (None where it is too large).

    RDMs are those that the scores come from: of centred patterns where patterns were centred,
    and without the cells that were not compared.
    """
    peaks = local_maxima(values, stacked.space.centers, APART * rsa.radius_mm)
    patches = patches_of(stacked, peaks, rsa.radius_mm, rsa.patch_size)
    places = stacked.space.centers.places_mm(np.array(peaks, dtype=np.intp))
    rdms: Any = [None] * len(peaks)
    if peaks and stacked.patterns.shape[2] <= MOST_CONDITIONS:
        rdms = _rdms(patches, stacked, rsa, noise)
    described: list[dict[str, Any]] = []
    for peak, place, rows, cells in zip(peaks, places, patches, rdms, strict=True):
        rdm = None
        if cells is not None and cells_compared is not None:
            cells = np.where(cells_compared, cells, np.nan)
        if cells is not None and not np.isnan(cells).all():
            rdm = [None if np.isnan(cell) else float(f"{cell:.6g}") for cell in cells]
        described.append(
            {
                "Place": [round(float(x), 3) for x in place],
                "Score": float(f"{values[peak]:.6g}"),
                "Voxels": len(rows),
                "RDM": rdm,
            }
        )
        if isinstance(stacked.space, GrayordinateSpace):
            described[-1]["Structure"] = stacked.space.structure_of(peak)[0].replace("_", " ")
    return described


def _rdms(
    patches: list[Any], stacked: StackedPatterns, rsa: RsaSettings, noise: NoiseModel | None
) -> NDArray[np.floating]:
    """Compute the RDMs (n_patches, n_cells) of some patches as the searchlight did."""
    writer = RdmWriter()
    searchlight(
        stacked.patterns,
        Patches.of_lists(patches, len(stacked.patterns)),
        [writer],
        dissimilarity=rsa.dissimilarity,
        params=metric_parameters(rsa, stacked.patch_mask),
        ignore_nan=rsa.ignore_nan,
        noise=noise,
    )
    return writer.rdms
