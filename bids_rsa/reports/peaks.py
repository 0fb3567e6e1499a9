"""The highest local maxima of a participant's map, and the RDM of the patch around each."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from bids_rsa.core.measures import RdmWriter
from bids_rsa.core.neighborhood.patches import Patches
from bids_rsa.core.neighborhood.spheres import sphere_offsets
from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.searchlight import searchlight
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.patterns.stacking import StackedPatterns
from bids_rsa.settings import RsaSettings

N_PEAKS = 10
APART = 2.0  # radii
MOST_CONDITIONS = 150  # whose RDMs are shown; more make the page too large

Floats = NDArray[np.float64]


def local_maxima(
    data: NDArray[Any], affine: Floats, apart_mm: float, n_peaks: int = N_PEAKS
) -> list[tuple[int, int, int]]:
    """Find the highest values of a map that lie apart from each other.

    Parameters
    ----------
    data : (X, Y, Z)
        0 or NaN where there is no score.
    affine : (4, 4) float64
    apart_mm : float
        Least distance between two peaks.
    n_peaks : int

    Returns
    -------
    list of tuple
        Indices, the highest first; values above 0 only.
    """
    ijk = np.argwhere(np.nan_to_num(data) > 0)
    values = data[tuple(ijk.T)]
    mm = apply_affine(affine, ijk)
    left = np.argsort(-values, kind="stable")
    peaks: list[tuple[int, int, int]] = []
    while left.size and len(peaks) < n_peaks:
        first = left[0]
        i, j, k = ijk[first]
        peaks.append((int(i), int(j), int(k)))
        left = left[((mm[left] - mm[first]) ** 2).sum(axis=1) >= apart_mm**2]
    return peaks


def patch_rows(stacked: StackedPatterns, center: Sequence[int], radius_mm: float) -> Any:
    """List the rows of the patterns that lie in the patch around a centre."""
    offsets = sphere_offsets(stacked.affine, radius_mm, stacked.patch_mask.shape)
    voxels = offsets + np.asarray(center)
    inside = ((voxels >= 0) & (voxels < stacked.patch_mask.shape)).all(axis=1)
    voxels = voxels[inside]
    voxels = voxels[stacked.patch_mask[tuple(voxels.T)]]
    row_of = np.cumsum(stacked.patch_mask.ravel()) - 1
    return row_of[np.ravel_multi_index(tuple(voxels.T), stacked.patch_mask.shape)]


def describe_peaks(
    data: NDArray[Any],
    affine: Floats,
    stacked: StackedPatterns,
    rsa: RsaSettings,
    noise: NoiseModel | None = None,
) -> list[dict[str, Any]]:
    """Describe the peaks of a map: place, score, patch size, RDM (None where it is too large)."""
    peaks = local_maxima(data, affine, APART * rsa.radius_mm)
    patches = [patch_rows(stacked, peak, rsa.radius_mm) for peak in peaks]
    rdms: Any = [None] * len(peaks)
    if peaks and stacked.patterns.shape[2] <= MOST_CONDITIONS:
        rdms = _rdms(patches, stacked, rsa, noise)
    described = []
    for peak, rows, cells in zip(peaks, patches, rdms, strict=True):
        rdm = None
        if cells is not None and not np.isnan(cells).all():
            rdm = [None if np.isnan(cell) else float(f"{cell:.6g}") for cell in cells]
        described.append(
            {
                "Place": [round(float(x), 3) for x in apply_affine(affine, peak)],
                "Score": float(f"{data[peak]:.6g}"),
                "Voxels": len(rows),
                "RDM": rdm,
            }
        )
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
