"""How the cost grows with centres, conditions, radius and models."""

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from bids_rsa.core.searchlight import searchlight_rsa

from .data import noise, random_models
from .engine import Case, ours
from .timing import best_of

CENTERS = (1_000, 3_000, 10_000, 30_000, 100_000)
CONDITIONS = (4, 8, 16, 24, 48, 92, 150)
RADII_MM = (4.0, 6.0, 8.0, 10.0, 12.0, 15.0)
MODELS = (1, 2, 5, 10, 20, 50)


def measure(repeats: int) -> dict[str, dict[str, list[float]]]:
    """Microseconds per centre against what is varied."""
    base = Case("", 0)
    with threadpool_limits(1):
        return {
            "centres": _sweep(CENTERS, lambda n: replace(base, n_voxels=n), repeats),
            "conditions": _sweep(
                CONDITIONS, lambda n: replace(base, n_conditions=n, n_voxels=5000), repeats
            ),
            "models": _sweep(MODELS, lambda n: replace(base, n_models=n), repeats),
            "radius in mm": _radii(repeats),
        }


def _sweep(values, case_of, repeats: int) -> dict[str, list[float]]:
    """One case for each value."""
    found = []
    for value in values:
        case = case_of(value)
        ours(case)
        seconds = best_of(lambda case=case: ours(case), repeats)
        found.append(1e6 * seconds / len(case.volume().patterns))
    return {"x": list(values), "us_per_centre": found}


def _radii(repeats: int) -> dict[str, list[float]]:
    """24 conditions in voxels of 2 mm."""
    volume, models = noise(10_000, 24, 2.0), random_models(1, 24)
    found = []
    for radius_mm in RADII_MM:

        def run(radius_mm=radius_mm) -> object:
            return searchlight_rsa(
                volume.patterns, volume.mask, volume.mask, volume.affine, radius_mm, models
            )

        run()
        found.append(1e6 * best_of(run, repeats) / len(volume.patterns))
    return {"x": list(RADII_MM), "us_per_centre": [float(np.round(f, 3)) for f in found]}
