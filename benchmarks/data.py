"""Made-up data for the benchmarks: noise in a brain-shaped mask."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

RADIUS_MM = 10.2  # no distance between voxels of 2 or 3 mm is exactly this


@dataclass(frozen=True)
class Volume:
    """Patterns in a mask: what both sides get."""

    patterns: np.ndarray  # (n_voxels, n_folds, n_conditions) float64
    mask: np.ndarray  # (X, Y, Z) bool
    voxel_mm: float

    @property
    def affine(self) -> np.ndarray:
        return np.diag([self.voxel_mm] * 3 + [1.0])


def ellipsoid(n_voxels: int) -> np.ndarray:
    """A brain-shaped mask of about so many voxels."""
    unit = (n_voxels / (4 / 3 * np.pi * 0.8 * 1.0 * 0.75)) ** (1 / 3)
    half = np.array([0.8, 1.0, 0.75]) * unit
    axes = [np.arange(-int(np.ceil(h)), int(np.ceil(h)) + 1) / h for h in half]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    return x**2 + y**2 + z**2 <= 1


@lru_cache(maxsize=2)
def noise(
    n_voxels: int, n_conditions: int, voxel_mm: float, n_folds: int = 1, kind: str = "normal"
) -> Volume:
    """Independent noise.

    kind: ``normal``; ``positive``; ``binary``; ``holes``: two of the conditions were not measured
    in a slab.
    """
    rng = np.random.default_rng(2024)
    mask = ellipsoid(n_voxels)
    patterns = rng.normal(size=(int(mask.sum()), n_folds, n_conditions))
    if kind == "positive":
        patterns = np.abs(patterns)
    elif kind == "binary":
        patterns = (patterns > 0).astype(np.float64)
    elif kind == "holes":
        low = np.argwhere(mask)[:, 2] < mask.shape[2] * 0.4
        patterns[low, :, :2] = np.nan
    return Volume(patterns, mask, voxel_mm)


def random_models(n_models: int, n_conditions: int) -> np.ndarray:
    """Condensed model RDMs of random numbers."""
    rng = np.random.default_rng(7)
    return rng.random((n_models, n_conditions * (n_conditions - 1) // 2))
