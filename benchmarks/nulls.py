"""Permutations of the conditions, and noise ceilings, beside runs without; one thread each."""

import numpy as np
from threadpoolctl import threadpool_limits

from bids_rsa.core.comparison.ceilings import noise_ceiling
from bids_rsa.core.comparison.permutations import draw_permutations
from bids_rsa.core.condition_null import ConditionNull
from bids_rsa.core.searchlight import searchlight_rsa
from bids_rsa.core.side_by_side import PatternSet, rdms_side_by_side
from bids_rsa.spaces.volume import VolumeSpace

from .data import ellipsoid, random_models
from .timing import best_of

VOXEL_MM, RADIUS_MM = 3.0, 9.0
# conditions, and voxels in the mask
SIZES = {24: 20_000, 92: 15_000}
N_PERMUTATIONS, N_SUBJECTS = 1000, 20
AT_MOST, CEILING_AT_MOST = 8.0, 1.3


def measure(repeats: int) -> list[dict[str, object]]:
    """Time permutations of one model at each number of conditions, and a group's noise ceiling."""
    with threadpool_limits(1):
        found = [_permutations(n, repeats) for n in SIZES]
        return [*found, _ceilings(repeats)]


def _scene(n_conditions: int, n_voxels: int, n_subjects: int = 1) -> tuple:
    """Make a mask, noise patterns of each subject, and a model."""
    mask = ellipsoid(n_voxels)
    rng = np.random.default_rng(0)
    shape = (n_subjects, int(mask.sum()), 1, n_conditions)
    patterns = rng.standard_normal(shape, dtype=np.float32)
    return mask, np.diag([VOXEL_MM] * 3 + [1.0]), patterns, random_models(1, n_conditions)


def _permutations(n_conditions: int, repeats: int) -> dict[str, object]:
    """Time one run with permutations and one without."""
    mask, affine, (patterns,), model = _scene(n_conditions, SIZES[n_conditions])

    def run(null: ConditionNull | None) -> None:
        searchlight_rsa(patterns, mask, mask, affine, RADIUS_MM, model, null=null)

    run(None)
    permutations = draw_permutations(n_conditions, N_PERMUTATIONS, 0)
    plain = best_of(lambda: run(None), repeats)
    with_null = best_of(lambda: run(ConditionNull(model, permutations)), repeats)
    prepare = best_of(lambda: ConditionNull(model, permutations), 1)
    return {
        "what": f"{N_PERMUTATIONS} permutations, {n_conditions} conditions",
        "n_centers": int(mask.sum()),
        "seconds": with_null,
        "seconds_to_prepare": prepare,
        "seconds_without": plain,
        "ratio": with_null / plain,
        "at_most": AT_MOST,
    }


def _ceilings(repeats: int) -> dict[str, object]:
    """Time the ceilings of a group, and its participants' searchlights."""
    mask, affine, patterns, model = _scene(24, 12_000, N_SUBJECTS)
    sets = [PatternSet(own, mask.ravel(), "correlation") for own in patterns]
    space = VolumeSpace(mask.shape, affine)

    def take(_: object, rdms: np.ndarray) -> None:
        noise_ceiling(rdms, "spearman")

    def participants() -> None:
        for own in patterns:
            searchlight_rsa(own, mask, mask, affine, RADIUS_MM, model)

    participants()
    plain = best_of(participants, repeats)
    centers = mask.ravel()
    ceiling = best_of(lambda: rdms_side_by_side(sets, centers, space, RADIUS_MM, take), repeats)
    return {
        "what": f"noise ceiling of {N_SUBJECTS} participants, 24 conditions",
        "n_centers": int(mask.sum()),
        "seconds": ceiling,
        "seconds_without": plain,
        "ratio": ceiling / plain,
        "at_most": CEILING_AT_MOST,
    }
