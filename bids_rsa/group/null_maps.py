"""Participants' null maps: scores of models whose conditions were permuted, the same way in all."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference import (
    Adjacency,
    ConditionTest,
    condition_test,
    smallest_condition_p,
)
from bids_rsa.core.inference.group_scores import fisher_z, smooth_inside
from bids_rsa.errors import ContentError, InputError
from bids_rsa.group.identity import refuse_changed_map
from bids_rsa.group.load import GroupScores
from bids_rsa.group.records import GroupTest, ParticipantMap
from bids_rsa.outputs.derivatives import read_sidecar
from bids_rsa.spaces.grid import Grid
from bids_rsa.spaces.images import grid_of, open_image
from bids_rsa.words import listing

# draws of two participants belong together only where all of these are equal
NULL_KEYS = ("Conditions", "ConditionPermutations", "RandomSeed", "Relabelings")
MAKE_THEM = "Run the participant level for them with --condition-permutations N --keep-null M."


@dataclass(frozen=True)
class NullDraws:
    """The permutations of conditions that all null maps of a test share.

    ``exhaustive`` says that the maps are those of all permutations, the identity once;
    ``n_distinct`` counts the permuted models that differ.
    """

    n_draws: int
    n_distinct: int
    exhaustive: bool

    @property
    def smallest_p(self) -> float:
        """The smallest p that can come out."""
        return smallest_condition_p(self.n_draws, self.n_distinct, self.exhaustive)


def find_draws(test: GroupTest) -> NullDraws:
    """Check that every map of a test has null maps of the same permutations.

    Raises
    ------
    InputError
        Null maps that are not there, or were not written whole.
    ContentError
        Null maps of other conditions, another seed or other permutations.
    """
    maps = [one for member in test.members for one in member.all_maps]
    sidecars = [_sidecar(one) for one in maps]
    missing = [one for one, found in zip(maps, sidecars, strict=True) if found is None]
    if missing:
        names = listing(sorted({f"sub-{one.subject}" for one in missing}))
        raise InputError(
            f"{test.label}: --null conditions needs the null maps of every participant, and they "
            f"are not there, or not whole, for {names}, for example {missing[0].null_path}.",
            MAKE_THEM,
        )
    read = [found for found in sidecars if found is not None]
    complaints = [text for key in NULL_KEYS if (text := _odd_ones(maps, read, key))]
    if complaints:
        raise ContentError(
            f"The null maps of {test.label} are not of the same permutations:\n  "
            + "\n  ".join(complaints),
            f"{MAKE_THEM} Use the same seed, conditions and numbers for all (--overwrite).",
        )
    # of two models the one with more relabelings bounds p
    return max(
        (_draws(test, one, own) for one, own in zip(maps, read, strict=True)),
        key=lambda draws: draws.n_distinct,
    )


def _sidecar(one: ParticipantMap) -> dict[str, Any] | None:
    """Read the sidecar of a map's null maps; None where either is missing."""
    path = Path(one.null_path)
    found = read_sidecar(Path(one.null_path.removesuffix(".nii.gz") + ".json"))
    return found if path.is_file() else None


def _odd_ones(
    maps: Sequence[ParticipantMap], sidecars: Sequence[dict[str, Any]], key: str
) -> str | None:
    """Name the participants whose value is not that of most."""
    values = [json.dumps(_shared(found.get(key)), sort_keys=True) for found in sidecars]
    usual, n_usual = Counter(values).most_common(1)[0]
    if n_usual == len(values):
        return None
    odd = sorted({
        f"sub-{one.subject} ({value[:120]})"
        for one, value in zip(maps, values, strict=True)
        if value != usual
    })  # fmt: skip
    return f"{key} is {usual[:120]} in {n_usual} of them, but not in {listing(odd)}."


def _shared(value: Any) -> Any:
    """Leave out of a sidecar's value what is the model's own: how many of its forms differ."""
    if not isinstance(value, dict):
        return value
    return {key: one for key, one in value.items() if not key.startswith("Distinct")}


def _draws(test: GroupTest, one: ParticipantMap, sidecar: dict[str, Any]) -> NullDraws:
    """Read the numbers of relabelings from a sidecar."""
    relabelings = sidecar.get("Relabelings") or {}
    try:
        kept, distinct = int(relabelings["Kept"]), int(relabelings["Distinct"])
        exhaustive = bool(relabelings["Exhaustive"])
    except (KeyError, TypeError, ValueError):
        raise ContentError(
            f"{test.label}: the sidecar of {one.null_path} does not say in Relabelings how many "
            "relabelings are Kept and Distinct, and whether they are Exhaustive.",
            MAKE_THEM,
        ) from None
    if kept < 1 or distinct < 1:
        raise ContentError(f"{test.label}: {one.null_path} holds no relabeling.", MAKE_THEM)
    return NullDraws(kept, distinct, exhaustive)


def run_conditions(test: GroupTest, scores: GroupScores, adjacency: Adjacency) -> ConditionTest:
    """Compare the mean score with the mean of the null maps of each permutation."""
    draws = find_draws(test)
    return condition_test(
        scores.scores,
        load_null_means(test, scores, draws.n_draws),
        adjacency,
        test.tail,  # type: ignore[arg-type]
        test.settings.cluster_p,
        exhaustive=draws.exhaustive,
    )


def load_null_means(test: GroupTest, scores: GroupScores, n_draws: int) -> NDArray[np.float32]:
    """Average the null maps over subjects, one permutation at a time in all of them.

    Returns
    -------
    (n_draws, n_voxels) float32
        Transformed, smoothed and differenced like the scores themselves.

    Raises
    ------
    ContentError
        Null maps of another grid or number, or without a score at a voxel that is tested.
    """
    means = np.zeros((n_draws, int(scores.mask.sum())), np.float32)
    for member in test.members:
        for sign, maps in zip((1.0, -1.0), member.maps, strict=False):
            weight = sign / (len(maps) * len(test.members))
            for one in maps:
                _add_null_maps(means, one, test, scores, weight)
                refuse_changed_map(one, test)
    return means


def _add_null_maps(
    means: NDArray[np.float32],
    one: ParticipantMap,
    test: GroupTest,
    scores: GroupScores,
    weight: float,
) -> None:
    """Add the weighted null maps of one participant's map, volume by volume."""
    image = open_image(one.null_path)
    grid = grid_of(image)
    expected = (*scores.mask.shape, len(means))
    if image.shape != expected or not np.allclose(grid.affine, scores.affine, atol=1e-4):
        raise ContentError(
            f"{one.null_path} holds {' x '.join(map(str, image.shape))} values, and "
            f"{' x '.join(map(str, expected))} on the grid of the maps are expected.",
            MAKE_THEM,
        )
    for draw in range(len(means)):
        volume = np.asarray(image.dataobj[..., draw], dtype=np.float64)
        means[draw] += weight * _tested(volume, one, test, scores, grid)


def _tested(
    volume: NDArray[np.float64],
    one: ParticipantMap,
    test: GroupTest,
    scores: GroupScores,
    grid: Grid,
) -> NDArray[np.float64]:
    """Give one null map's values at the voxels tested, transformed and smoothed."""
    inside = scores.mask
    if not np.isfinite(volume[inside]).all():
        raise ContentError(
            f"{one.null_path} has no finite score at {int((~np.isfinite(volume[inside])).sum())} "
            "of the voxels tested.",
            MAKE_THEM,
        )
    values = np.where(inside, volume, 0.0)
    if test.transform == "fisher":
        values = fisher_z(values, int(one.metadata.get("CellsUsed", 0)))[0]
    fwhm = test.settings.smoothing_fwhm
    return smooth_inside(values, inside, fwhm, grid.voxel_sizes_mm)[inside]
