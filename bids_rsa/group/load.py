"""From a test's maps to one array of transformed scores, and the voxels that are tested."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.inference.group_scores import common_voxels, fisher_z
from bids_rsa.core.inference.resolution import score_resolution
from bids_rsa.errors import ContentError
from bids_rsa.group.identity import refuse_changed_map
from bids_rsa.group.names import group_mask_paths
from bids_rsa.group.participant_maps import Member, ParticipantMap
from bids_rsa.group.places import read_map, space_of_test
from bids_rsa.group.records import GroupTest
from bids_rsa.group.spread import spread_warnings
from bids_rsa.spaces.space import Smoother, Space

LOGGER = logging.getLogger(__name__)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GroupScores:
    """What is tested.

    Attributes
    ----------
    scores : (n_subjects, n_voxels) float64
        Transformed (and differenced, averaged over sessions, smoothed); NaN where a participant has
        none. Voxels (or vertices) in the order of ``np.flatnonzero(mask)``.
    model_means : (n_models, n_voxels) float64
        Mean over participants of each model's transformed score.
    space : Space
        Where the locations are.
    mask : (n_locations,) bool
    centers : (n_subjects,) int64
        Voxels at which each participant has a score.
    mean_scores : (n_subjects,) float64
        Each participant's mean score inside the mask, in the comparison's own unit.
    resolution : (n_voxels,) float64
        How finely the scores are known, as a standard deviation (see ``score_resolution``).
    n_limited : int
        Perfect correlations, taken half a rank step from 1.
    lost_alone : (n_subjects,) int64
        Voxels that are not tested because of each participant alone.
    """

    scores: Floats
    model_means: Floats
    space: Space
    mask: NDArray[np.bool_]
    centers: NDArray[np.int64]
    mean_scores: Floats
    resolution: Floats
    n_limited: int
    lost_alone: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Subject:
    """One participant: transformed score of each model, mean raw score, and where all are finite.

    ``variance`` is the squared resolution of what is tested. Values are at the locations that
    are ``inside`` (n_locations,), which are few of a grid's.
    """

    transformed: tuple[Floats, ...]
    variance: Floats
    raw: Floats
    inside: NDArray[np.bool_]
    n_limited: int

    def everywhere(self, values: Floats) -> Floats:
        """Put values where they are among all locations, NaN elsewhere."""
        found = np.full(len(self.inside), np.nan)
        found[self.inside] = values
        return found


def gather_scores(test: GroupTest) -> GroupScores:
    """Read the maps of a test.

    Raises
    ------
    ContentError
        A map without a finite score, or no voxel that enough participants have.
    """
    space = space_of_test(test, with_areas=True)
    subjects = [_load_member(member, test, space) for member in test.members]
    inside = np.array([one.inside for one in subjects])
    mask, lost = common_voxels(inside, test.settings.coverage)
    mask = narrowed(mask, test, space)
    if not mask.any():
        raise ContentError(
            f"{test.title}: no {test.words[0]} has a score in {test.settings.coverage:.0%} of "
            f"the {len(subjects)} "
            f"participants{' inside the group mask' * bool(test.settings.group_mask)}. "
            f"{test.words[1].capitalize()} lost through one participant alone: "
            f"{_list_lost(test, lost)}.",
            "Leave out participants that cover little, or lower --coverage.",
        )
    _log_voxels(test, mask, lost)
    scores = _gather(test, subjects, mask, space, lost)
    for warning in spread_warnings(test, scores.scores):
        LOGGER.warning("%s: %s", test.title, warning)
    return scores


def _gather(
    test: GroupTest,
    subjects: list[_Subject],
    mask: NDArray[np.bool_],
    space: Space,
    lost: NDArray[np.int64],
) -> GroupScores:
    """Keep the voxels of the mask, smooth inside it, take differences of models.

    Participants are taken off the list one by one, so that all of them are never held twice.
    """
    n, n_models, n_voxels = len(subjects), len(test.models), int(mask.sum())
    scores = np.empty((n, n_voxels))
    means, variances = _Mean((n_models, n_voxels)), _Mean((n_voxels,))
    centers, mean_scores = np.empty(n, np.int64), np.empty(n)
    smooth = make_smoother(space, mask, test.settings.smoothing_fwhm)
    n_limited = 0
    for row in range(n):
        one = subjects.pop(0)
        own = np.array([_in_mask(one, values, mask, smooth) for values in one.transformed])
        scores[row] = own[0] - own[1] if n_models == 2 else own[0]
        means.add(own)
        # neighbours share most of their patches, so smoothing leaves their resolution as it is
        variances.add(_in_mask(one, one.variance, mask, smooth))
        centers[row] = one.inside.sum()
        mean_scores[row] = _mean(one.raw[mask[one.inside]])
        n_limited += one.n_limited
    return GroupScores(
        scores=scores,
        model_means=means.value(),
        space=space,
        mask=mask,
        centers=centers,
        mean_scores=mean_scores,
        resolution=np.sqrt(variances.value()),
        n_limited=n_limited,
        lost_alone=lost,
    )


class _Mean:
    """The mean of arrays that come one by one; NaN is left out."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._sum, self._count = np.zeros(shape), np.zeros(shape, np.int64)

    def add(self, values: Floats) -> None:
        """Take one array."""
        known = np.isfinite(values)
        self._sum += np.where(known, values, 0.0)
        self._count += known

    def value(self) -> Floats:
        """Give the mean; NaN where nothing came."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self._sum / self._count, dtype=np.float64)


def _mean(values: Floats) -> float:
    """Mean, NaN of nothing."""
    return float(values.mean()) if values.size else float("nan")


def _in_mask(one: _Subject, values: Floats, mask: NDArray[np.bool_], smooth: Smoother) -> Floats:
    """Give a participant's values (n_voxels,) in the mask, smoothed inside it."""
    return smooth(one.everywhere(values), mask & one.inside)[mask]


def make_smoother(space: Space, mask: NDArray[np.bool_], fwhm_mm: float) -> Smoother:
    """Prepare smoothing inside a mask (n_locations,); 0 mm leaves values as they are."""
    if fwhm_mm:
        return space.smoother(mask, fwhm_mm)

    def unchanged(values: Floats, inside: NDArray[np.bool_]) -> Floats:
        return np.where(inside, values, np.nan)

    return unchanged


def _load_member(member: Member, test: GroupTest, space: Space) -> _Subject:
    """Read a participant's maps, transform each, average over sessions."""
    transformed, raw, limited = [], [], 0
    variance = np.zeros(space.n_locations)
    for maps in member.maps:
        values = [_load_map(one, test, space) for one in maps]
        pairs = [_transform(v, one, test) for v, one in zip(values, maps, strict=True)]
        transformed.append(np.mean([z for z, _ in pairs], axis=0))
        raw.append(np.mean(values, axis=0))
        known = [_known(v, one, test) for v, one in zip(values, maps, strict=True)]
        variance = variance + np.sum(np.square(known), axis=0) / len(maps) ** 2
        limited += sum(n for _, n in pairs)
    inside = np.asarray(np.isfinite(np.array(transformed)).all(axis=0))
    tested = raw[0] - raw[1] if len(raw) == 2 else raw[0]
    own = tuple(values[inside] for values in transformed)
    return _Subject(own, variance[inside], tested[inside], inside, limited)


def _load_map(one: ParticipantMap, test: GroupTest, space: Space) -> Floats:
    """Read a map; NaN outside the mask of its centres."""
    data = read_map(one)
    mask = space.load_mask(one.mask_paths, "mask of centres")
    for warning in mask.warnings:
        LOGGER.warning("sub-%s: %s", one.subject, warning)
    refuse_changed_map(one, test)
    values = np.where(mask.inside, data, np.nan)
    if not np.isfinite(values).any():
        raise ContentError(
            f"sub-{one.subject}: {one.path} contains no finite score inside {one.mask_path}.",
            f"Look at its participant level, or --exclude-participant-label {one.subject}.",
        )
    values[~np.isfinite(values)] = np.nan
    return values


def _transform(values: Floats, one: ParticipantMap, test: GroupTest) -> tuple[Floats, int]:
    """Transform a map's scores as the test asks."""
    if test.transform == "none":
        return values, 0
    try:
        return fisher_z(values, int(one.metadata.get("CellsUsed", 0)))
    except ValueError as error:
        raise ContentError(
            f"sub-{one.subject}: {one.path} cannot be transformed by Fisher's z: {error}.",
            "Use --transform none for scores that are not correlations.",
        ) from None


def _known(values: Floats, one: ParticipantMap, test: GroupTest) -> Floats:
    """Give the resolution of a map's transformed scores."""
    n_cells = int(one.metadata.get("CellsUsed", 0))
    step = find_comparison(one.key.comparison).score_step(n_cells) if n_cells > 1 else 0.0
    return score_resolution(values, n_cells, step, test.transform == "fisher")


def narrowed(mask: NDArray[np.bool_], test: GroupTest, space: Space) -> NDArray[np.bool_]:
    """Keep the voxels inside --group-mask."""
    if test.settings.group_mask is None:
        return mask
    narrowing = space.load_mask(group_mask_paths(test), "group mask")
    for note in narrowing.notes:
        LOGGER.warning("%s", note)
    return mask & narrowing.inside


def _list_lost(test: GroupTest, lost: NDArray[np.int64]) -> str:
    """List the voxels lost through each participant alone."""
    rows = [f"sub-{s} {n}" for s, n in zip(test.subjects, lost, strict=True) if n]
    return ", ".join(rows) or "none"


def _log_voxels(test: GroupTest, mask: NDArray[np.bool_], lost: NDArray[np.int64]) -> None:
    """Say how many voxels are tested, and through whom others are lost."""
    LOGGER.info(
        "%s: %d %s are tested; lost through one participant alone: %s.",
        test.title,
        mask.sum(),
        test.words[1],
        _list_lost(test, lost),
    )
