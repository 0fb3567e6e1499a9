"""Tests of a group's mean scores against participants' null maps."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.inference.adjacency import Adjacency
from bids_rsa.core.inference.condition_null import ConditionTest, condition_test
from bids_rsa.core.inference.group_scores import fisher_z
from bids_rsa.core.inference.permute import Null
from bids_rsa.core.inference.stelzer import StelzerTest, stelzer_test
from bids_rsa.disk_arrays import create_array
from bids_rsa.errors import ContentError
from bids_rsa.group.identity import refuse_changed_map
from bids_rsa.group.load import GroupScores, make_smoother
from bids_rsa.group.null_maps import MAKE_THEM, find_draws
from bids_rsa.group.participant_maps import Member, ParticipantMap
from bids_rsa.group.places import null_maps_header, read_null_maps
from bids_rsa.group.records import GroupTest
from bids_rsa.spaces.space import Smoother

# makes a progress bar of so many things
Bar = Callable[[int, str], AbstractContextManager[Callable[[int], None]]]
READ = "participants' null maps"


def run_by_null_maps(
    test: GroupTest,
    scores: GroupScores,
    adjacency: Adjacency,
    folder: Path,
    n_threads: int,
    bar: Bar,
) -> tuple[ConditionTest | StelzerTest, Null]:
    """Run the test that ``--null`` asks for; return it with the null distributions alone."""
    if test.settings.null == "stelzer":
        by_stelzer = run_stelzer(test, scores, adjacency, folder, n_threads, bar)
        return by_stelzer, Null({}, by_stelzer.counts)
    by_conditions = run_conditions(test, scores, adjacency, bar)
    return by_conditions, by_conditions.null


def run_conditions(
    test: GroupTest, scores: GroupScores, adjacency: Adjacency, bar: Bar
) -> ConditionTest:
    """Compare the mean score with the mean of the null maps of each permutation."""
    draws = find_draws(test)
    means = np.zeros((draws.n_draws, int(scores.mask.sum())), np.float32)
    smooth = _smoother(test, scores)
    with bar(len(test.members), READ) as advance:
        for member in test.members:
            _add_null_scores(means, member, test, scores, 1 / len(test.members), smooth)
            advance(1)
    with bar(draws.n_draws, "permutations") as advance:
        return condition_test(
            scores.scores,
            means,
            adjacency,
            test.tail,  # type: ignore[arg-type]
            test.settings.cluster_p,
            exhaustive=draws.exhaustive,
            on_progress=advance,
        )


def run_stelzer(
    test: GroupTest,
    scores: GroupScores,
    adjacency: Adjacency,
    folder: Path,
    n_threads: int,
    bar: Bar,
) -> StelzerTest:
    """Compare clusters of the mean score with those of randomly combined null maps.

    ``folder`` takes a temporary file of all null maps, so that they need not fit into memory.
    """
    group = test.settings
    path = folder / "null_maps.npy"
    shape = (len(test.members), find_draws(test).n_draws, int(scores.mask.sum()))
    nulls = create_array(path, np.float32, shape)
    smooth = _smoother(test, scores)
    try:
        with bar(len(test.members), READ) as advance:
            for rows, member in zip(nulls, test.members, strict=True):
                _add_null_scores(rows, member, test, scores, 1.0, smooth)
                advance(1)
        with bar(shape[2], test.words[1]) as advance:
            return stelzer_test(
                scores.scores,
                nulls,
                adjacency,
                group.n_permutations,
                group.random_seed,
                test.tail,  # type: ignore[arg-type]
                group.cluster_p,
                n_threads,
                advance,
            )
    except ValueError as error:
        raise ContentError(f"{test.title}: {error}.", MAKE_THEM) from None
    finally:
        path.unlink()


def _smoother(test: GroupTest, scores: GroupScores) -> Smoother:
    """Prepare the smoothing that the scores had."""
    return make_smoother(scores.space, scores.mask, test.settings.smoothing_fwhm)


def _add_null_scores(
    rows: NDArray[np.float32],
    member: Member,
    test: GroupTest,
    scores: GroupScores,
    weight: float,
    smooth: Smoother,
) -> None:
    """Add a participant's weighted null scores (n_draws, n_voxels): differences, means of sessions.

    Raises
    ------
    ContentError
        Null maps of another grid or number, or without a score at a voxel that is tested.
    """
    for sign, maps in zip((1.0, -1.0), member.maps, strict=False):
        for one in maps:
            found = _null_scores(one, test, scores, len(rows), smooth)
            for row, values in zip(rows, found, strict=True):
                row += sign * weight / len(maps) * values
            refuse_changed_map(one, test)


def _null_scores(
    one: ParticipantMap, test: GroupTest, scores: GroupScores, n_draws: int, smooth: Smoother
) -> Iterator[NDArray[np.float64]]:
    """Read the null maps of one participant's map, volume by volume."""
    found = null_maps_header(one)
    if not scores.space.layout.equals(found.layout) or found.n_maps != n_draws:
        raise ContentError(
            f"{one.null_path} contains {found.n_maps} null maps ({found.layout.describe()}), and "
            f"{n_draws} where the maps are ({scores.space.layout.describe()}) are expected.",
            MAKE_THEM,
        )
    for values in read_null_maps(one):
        yield _tested(values, one, test, scores, smooth)


def _tested(
    volume: NDArray[np.float64],
    one: ParticipantMap,
    test: GroupTest,
    scores: GroupScores,
    smooth: Smoother,
) -> NDArray[np.float64]:
    """Give one null map's values at the voxels tested, transformed and smoothed."""
    inside = scores.mask
    if not np.isfinite(volume[inside]).all():
        raise ContentError(
            f"{one.null_path} has no finite score at {int((~np.isfinite(volume[inside])).sum())} "
            f"of the {test.words[1]} tested.",
            MAKE_THEM,
        )
    values = np.where(inside, volume, 0.0)
    if test.transform == "fisher":
        values = fisher_z(values, int(one.metadata.get("CellsUsed", 0)))[0]
    return smooth(values, inside)[inside]
