"""The reliability of an analysis's RDMs, from patterns to a map."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.noise.model import NoiseModel
from bids_rsa.core.reliability import split_half_reliability
from bids_rsa.core.side_by_side import PatternSet, rdms_side_by_side
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.outputs.reliability_files import reliability_comparison
from bids_rsa.patterns.stacked import StackedPatterns
from bids_rsa.regions.compute import RegionPatches, RegionScores, region_rdms
from bids_rsa.settings import IMAGES, RsaSettings


@dataclass(frozen=True, eq=False)
class Halves:
    """Patterns (n_voxels, n_folds, n_conditions): odd folds are one half, even folds the other.

    ``half_of`` is the half of each image.
    """

    patterns: NDArray[np.floating]
    labels: tuple[str, ...]
    half_of: tuple[int, ...] = ()

    def noise(self, noise: NoiseModel | None, half: int) -> NoiseModel | None:
        """Choose the noise of one half: of residuals all, of images those of the half."""
        if noise is None or noise.source != IMAGES:
            return noise
        if len(np.unique(noise.fold_of)) == 1:
            return replace(noise, fold_of=np.array(self.half_of)).of_folds([half])
        return noise.of_folds(range(half, self.patterns.shape[1], 2))


def region_reliability(
    halves: Halves, patches: RegionPatches, found: RegionScores, rsa: RsaSettings, **options: Any
) -> RegionScores:
    """Compare the RDMs of both halves in each region that has one."""
    enough = np.asarray(np.isfinite(found.rdms).any(axis=1))
    noise = options.pop("noise")
    first, second = (
        region_rdms(
            np.ascontiguousarray(halves.patterns[:, half::2]), patches, enough,
            noise=halves.noise(noise, half), **options,
        )
        for half in range(2)
    )  # fmt: skip
    agreement = split_half_reliability(first, second, reliability_comparison(rsa.comparisons))
    return replace(found, reliability=agreement, halves=halves.labels)


def reliability_of(
    halves: Halves,
    stacked: StackedPatterns,
    rsa: RsaSettings,
    noise: NoiseModel | None,
    n_threads: int,
) -> NDArray[np.float64]:
    """Compare the RDMs of both halves at each centre (n_centers,)."""
    sets = [
        PatternSet(
            np.ascontiguousarray(halves.patterns[:, half::2]),
            stacked.patch_mask,
            rsa.dissimilarity,
            metric_parameters(rsa, stacked.patch_mask),
            rsa.min_voxels,
            rsa.ignore_nan,
            halves.noise(noise, half),
            rsa.patch_size,
        )
        for half in range(2)
    ]
    found = np.full(int(stacked.center_mask.sum()), np.nan)
    comparison = reliability_comparison(rsa.comparisons)

    def take(numbers: NDArray[np.intp], rdms: NDArray[np.float64]) -> None:
        found[numbers] = split_half_reliability(rdms[0], rdms[1], comparison)

    rdms_side_by_side(sets, stacked.center_mask, stacked.space, rsa.radius_mm, take, n_threads)
    return found
