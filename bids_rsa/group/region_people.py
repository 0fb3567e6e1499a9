"""Groups and covariates of the participants whose regions are tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bids_rsa.core.inference.design import Design
from bids_rsa.group.designs import Variables, make_design, two_groups
from bids_rsa.group.participants import Participants
from bids_rsa.settings import GroupSettings


@dataclass(frozen=True)
class RegionPeople:
    """What is tested over participants, in their order; nothing is the mean against 0.

    ``groups`` are compared, first minus second; ``tested`` is the variable whose slope is tested;
    ``codings`` are the two texts that a covariate's 0 and 1 stand for.
    """

    groups: tuple[str, ...] = ()
    group_of: tuple[str, ...] = ()
    covariates: Variables = ()
    tested: Variables = ()
    codings: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def words(self) -> str:
        """Say what is tested."""
        what = "mean against 0"
        if self.groups:
            what = f"difference of two groups, {self.groups[0]} - {self.groups[1]}"
        elif self.tested:
            what = f"slope of {self.tested[0][0]}"
        names = ", ".join(name for name, _ in self.covariates)
        return f"{what}, adjusted for {names}" if names else what

    @property
    def is_two_sided(self) -> bool:
        """Whether the test is two-sided unless a tail is given."""
        return bool(self.groups or self.tested)

    @property
    def null(self) -> str:
        """Say what is exchanged without an effect."""
        if self.groups or self.tested:
            return "participants are permuted"
        return "signs of participants' scores are flipped"

    def design(self, n_subjects: int, label: str) -> Design | None:
        """Make the design; None where the mean alone is tested."""
        if not (self.groups or self.tested or self.covariates):
            return None
        return make_design(self, n_subjects, label)


def region_people(
    subjects: Sequence[str], table: Participants | None, settings: GroupSettings
) -> tuple[RegionPeople, tuple[str, ...]]:
    """Read the groups and variables of participants.

    Returns
    -------
    people : RegionPeople
    subjects : tuple of str
        Those who belong to one of the groups; all without groups.

    Raises
    ------
    OptionError, ContentError
        No such column, not two groups, or a participant without a value.
    """
    kept = tuple(subjects)
    groups: tuple[str, ...] = ()
    if table is None:
        return RegionPeople(), kept
    group_of: tuple[str, ...] = ()
    if column := settings.group_column:
        values = table.texts(column, "--group-column", subjects)
        groups = two_groups(values, column, settings)
        kept = tuple(subject for subject in subjects if values[subject] in groups)
        group_of = tuple(values[subject] for subject in kept)
    coded = {name: table.coded(name, "--covariates", kept) for name in settings.covariates}
    name = settings.test_covariate
    return RegionPeople(
        groups,
        group_of,
        tuple((name, values) for name, (values, _) in coded.items()),
        ((name, table.numbers(name, "--test-covariate", kept)),) if name else (),
        tuple((name, levels) for name, (_, levels) in coded.items() if levels),
    ), kept
