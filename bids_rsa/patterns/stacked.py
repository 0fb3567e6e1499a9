"""The patterns of one analysis, and the masks that were used for them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bids_rsa.patterns.design_covariance import Matrix
from bids_rsa.spaces.space import Space


@dataclass(frozen=True)
class MaskUse:
    """A mask as it was used: its files, where it comes from, how it came to the images' grid."""

    paths: tuple[str, ...] = ()
    origin: str = "none"
    notes: tuple[str, ...] = ()
    n_voxels: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StackedPatterns:
    """The patterns of one analysis, ready for the searchlight.

    Parameters
    ----------
    patterns : ndarray, shape (n_patch_locations, n_folds, n_conditions), float32 or float64
        Rows in the order of ``np.flatnonzero(patch_mask)``; one fold without cross-validation.
    space : Space
        Where the locations are.
    patch_mask, center_mask : ndarray of bool, shape (n_locations,)
        Locations that patches may contain; centres to evaluate.
    conditions : tuple of str
        Order of the last axis.
    fold_labels : tuple of str
        The runs of each fold; empty without cross-validation.
    images_per_condition, runs_per_condition : dict
        Counts by condition.
    voxels_left_out : dict
        Counts by reason, of the voxels inside the brain mask.
    brain_mask, roi_mask : MaskUse
    warnings, notes : tuple of str
        Sentences for the log and the sidecar.
    files : tuple of str
        Each image, variance and mask file used, once.
    design_covariance : tuple of tuple
        See `mean_design_covariance`; empty where the images were not estimated by the app.
    cortex_mask : MaskUse
        Of the vertices, where the centres of voxel patterns are vertices.
    region_mask : ndarray of bool, shape (n_locations,)
        Locations that regions may contain: those of patches, inside the ROI mask.
    """

    patterns: NDArray[np.floating]
    space: Space
    patch_mask: NDArray[np.bool_]
    center_mask: NDArray[np.bool_]
    conditions: tuple[str, ...]
    fold_labels: tuple[str, ...]
    images_per_condition: dict[str, int]
    runs_per_condition: dict[str, int]
    voxels_left_out: dict[str, int]
    brain_mask: MaskUse
    roi_mask: MaskUse
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    statistics: tuple[str, ...] = ()
    n_trials: dict[str, float] = field(default_factory=dict)
    design_covariance: Matrix = ()
    cortex_mask: MaskUse = MaskUse()
    region_mask: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))

    @property
    def n_images(self) -> int:
        """Number of images used."""
        return sum(self.images_per_condition.values())

    def mean_map(self) -> NDArray[np.float32]:
        """Mean over folds and conditions, (n_locations,), 0 outside the patch mask."""
        values = np.zeros(self.space.n_locations, np.float32)
        means = self.patterns.mean(axis=(1, 2), dtype=np.float64)
        values[self.patch_mask] = np.nan_to_num(means)
        return values
