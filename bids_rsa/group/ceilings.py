"""Noise ceilings of a group: the participants' RDMs are computed again and not kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bids_rsa.core.comparison.ceilings import noise_ceiling
from bids_rsa.core.comparison.plans import ComparisonPlan, prepare
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.side_by_side import PatternSet, rdms_side_by_side
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.group.names import mask_path
from bids_rsa.group.places import read_map, space_of_test
from bids_rsa.group.records import GroupTest
from bids_rsa.spaces.space import Space
from bids_rsa.spaces.surface import SurfaceSpace

Floats = NDArray[np.float64]

STATS = {
    "ceilingLower": (
        "Lower noise ceiling: mean similarity of each participant's RDM with that of the others"
    ),
    "ceilingUpper": (
        "Upper noise ceiling: mean similarity of each participant's RDM with that of all"
    ),
    "relativeToLower": (
        "Mean score over participants divided by the lower noise ceiling, 0 where that is not "
        "above 0"
    ),
    "relativeToUpper": (
        "Mean score over participants divided by the upper noise ceiling, 0 where that is not "
        "above 0"
    ),
}
MIN_SUBJECTS = 3
# recomputed scores are compared with the maps, which contain float32, at so many centres
N_CHECKED, TOLERANCE = 20, 1e-5


@dataclass(frozen=True, eq=False)
class CeilingSource:
    """What makes a participant's RDMs, as it made the maps that are tested.

    ``models`` are condensed model RDMs by name; ``covariance`` is that of the condition estimates.
    """

    subject: str
    patterns: PatternSet
    radius_mm: float
    models: Mapping[str, Floats] = field(repr=False)
    covariance: Floats | None = None


def ceiling_tests(tests: Sequence[GroupTest]) -> tuple[GroupTest, ...]:
    """Choose the tests that have a noise ceiling: mean scores of a comparison that has one."""
    return tuple(
        test
        for test in tests
        if test.kind == "one-sample" and find_comparison(test.key.comparison).ceiling
    )


def check_ceilings(tests: Sequence[GroupTest]) -> None:
    """Check that there can be noise ceilings.

    Raises
    ------
    OptionError
        Options that do not go together, or no test that has a ceiling.
    ContentError
        Fewer than three participants.
    """
    chosen = ceiling_tests(tests)
    if not chosen:
        names = ", ".join(sorted({test.key.comparison for test in tests}))
        raise OptionError(
            f"--noise-ceiling: none of the tests has a noise ceiling ({names}). There is one for "
            "mean scores of comparisons that evaluate each model separately.",
            "Remove --noise-ceiling, or test maps of another comparison.",
        )
    for test in chosen:
        if test.settings.coverage < 1 or test.settings.average_sessions:
            raise OptionError(
                "--noise-ceiling needs the RDM of every participant at every centre, and of one "
                "session.",
                "Remove --coverage and --average-sessions.",
            )
        if len(test.members) < MIN_SUBJECTS:
            raise ContentError(
                f"--noise-ceiling: {test.title} has {len(test.members)} participants, and the "
                f"lower ceiling compares each with the others: at least {MIN_SUBJECTS} are "
                "needed.",
                "Remove --noise-ceiling.",
            )


@dataclass(frozen=True, eq=False)
class Ceiling:
    """Maps of a test over the voxels that it tests, by their stat- label."""

    maps: dict[str, Floats]
    space: Space
    mask: NDArray[np.bool_]
    n_undefined: int


class _Test:
    """One test: its voxels among the centres, its scores, and its ceilings as they come in."""

    def __init__(self, test: GroupTest, output_dir: Path, sources: Sequence[CeilingSource]) -> None:
        self.test, self.space = test, space_of_test(test)
        self.mask = tested_voxels(test, self.space, output_dir)
        maps = [member.maps[0][0] for member in test.members]
        self.scores = np.array([read_map(one)[self.mask] for one in maps])
        self.name = test.key.comparison
        models = [source.models[test.models[0]] for source in sources]
        self.plans: list[ComparisonPlan] = [
            prepare(model, self.name, condition_covariance=source.covariance)
            for model, source in zip(models, sources, strict=True)
        ]
        # those of the other participants are the same: see check_comparable
        self.missing, self.covariance = np.isnan(models[0]), sources[0].covariance
        self.ceilings = np.full((2, int(self.mask.sum())), np.nan)
        self.checked = np.zeros(self.mask.sum(), dtype=bool)
        self.checked[np.unique(np.linspace(0, self.mask.sum() - 1, N_CHECKED).astype(int))] = True

    def take(self, places: NDArray[np.intp], rdms: Floats) -> None:
        """Take the RDMs (n_subjects, n, n_cells) of some of its voxels."""
        own = rdms
        if self.missing.any():
            own = rdms.copy()
            own[:, :, self.missing] = np.nan
        self.ceilings[:, places] = noise_ceiling(own, self.name, self.covariance)
        for row, place in enumerate(places):
            if self.checked[place]:
                self._check(place, np.ascontiguousarray(rdms[:, row]))

    def _check(self, place: int, rdms: Floats) -> None:
        """Refuse RDMs whose scores are not those of the maps."""
        again = np.empty((1, len(rdms)))
        for s, plan in enumerate(self.plans):
            plan.score(rdms[s : s + 1], again[:, s : s + 1])
        there = self.scores[:, place]
        far = ~(np.abs(again[0] - there) <= TOLERANCE * np.maximum(1, np.abs(there)))
        if far.any():
            s = int(np.flatnonzero(far)[0])
            raise ContentError(
                f"--noise-ceiling: the {self.name} score of sub-{self.test.subjects[s]}, computed "
                f"again, is {again[0, s]:.6g} where its map has {there[s]:.6g}: the maps were made "
                "from other data or by another version.",
                "Run the participant level again with --overwrite.",
            )

    def result(self) -> Ceiling:
        """Gather the maps."""
        lower, upper = self.ceilings
        mean = self.scores.mean(axis=0, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = [np.where(one > 0, mean / one, 0.0) for one in (lower, upper)]
        for one, ceiling in zip(relative, (lower, upper), strict=True):
            one[np.isnan(ceiling)] = np.nan
        maps = dict(zip(STATS, (lower, upper, *relative), strict=True))
        return Ceiling(maps, self.space, self.mask, int(np.isnan(lower).sum()))


def count_ceiling_voxels(tests: Sequence[GroupTest], output_dir: Path) -> int:
    """Count the voxels that any of some complete tests has."""
    masks = [tested_voxels(test, space_of_test(test), output_dir) for test in tests]
    return int(np.logical_or.reduce(masks).sum())


def tested_voxels(test: GroupTest, space: Space, output_dir: Path) -> NDArray[np.bool_]:
    """Read the mask (n_locations,) of the voxels that a complete test has."""
    paths = [str(output_dir / mask_path(test, part)) for part in test.parts]
    return space.load_mask(paths, f"mask of the {test.words[1]} tested").inside


def compute_ceilings(
    tests: Sequence[GroupTest],
    sources: Sequence[CeilingSource],
    output_dir: Path,
    n_threads: int = 1,
    on_progress: Callable[[int], None] | None = None,
    right: Sequence[CeilingSource | None] = (),
) -> list[Ceiling]:
    """Compute the ceilings of tests of the same participants and images; each RDM is computed once.

    Parameters
    ----------
    tests : sequence of GroupTest
        Complete: their masks are read.
    sources : sequence of CeilingSource
        Of each participant; of the left hemisphere where another call has analysed the right one.
    output_dir : Path
    n_threads : int
    on_progress : callable
        Called with the number of newly finished voxels.
    right : sequence of CeilingSource or None
        Of each participant's right hemisphere, where it was analysed in a separate call.

    Raises
    ------
    ContentError
        A score that is computed again is not that of a map.
    """
    running = [_Test(test, output_dir, sources) for test in tests]
    centers = np.logical_or.reduce([one.mask for one in running])
    placed = [_places(one.mask, centers) for one in running]
    for here, of_call in _by_call(running[0].space, sources, right):
        # the places of this call's centres among all
        among_all = np.flatnonzero(here[centers])

        def take(
            numbers: NDArray[np.intp], rdms: Floats, among_all: NDArray[np.intp] = among_all
        ) -> None:
            for one, places in zip(running, placed, strict=True):
                own = places[among_all[numbers]]
                if (own >= 0).any():
                    one.take(own[own >= 0], rdms[:, own >= 0])

        if len(among_all):
            rdms_side_by_side(
                [source.patterns for source in of_call],
                centers & here,
                running[0].space,
                sources[0].radius_mm,
                take,
                n_threads,
                on_progress,
            )
    return [one.result() for one in running]


def _places(mask: NDArray[np.bool_], centers: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Give the places of all centres among the voxels of a mask; -1: not among them."""
    numbers = np.full(centers.shape, -1, dtype=np.intp)
    numbers[mask] = np.arange(mask.sum())
    return numbers[centers]


def _by_call(
    space: Space, sources: Sequence[CeilingSource], right: Sequence[CeilingSource | None]
) -> Iterator[tuple[NDArray[np.bool_], list[CeilingSource]]]:
    """Give the locations (n_locations,) of each hemisphere with what makes RDMs there.

    All locations go together where one call has analysed both hemispheres of every participant.
    """
    if not right:
        yield np.ones(space.n_locations, dtype=bool), list(sources)
        return
    rights = [own or source for own, source in zip(right, sources, strict=True)]
    slices = cast(SurfaceSpace, space).part_slices().values()
    for own, of_call in zip(slices, (sources, rights), strict=True):
        here = np.zeros(space.n_locations, dtype=bool)
        here[own] = True
        yield here, [_among_both(source, own, space.n_locations) for source in of_call]


def _among_both(source: CeilingSource, own: slice, n_locations: int) -> CeilingSource:
    """Place the patterns of one hemisphere among the locations of both."""
    mask = source.patterns.patch_mask
    if len(mask) == n_locations:  # one call has analysed both
        return source
    whole = np.zeros(n_locations, dtype=bool)
    whole[own] = mask
    return replace(source, patterns=replace(source.patterns, patch_mask=whole))
