"""Designs of tests: two groups, covariates and slopes, from the table of participants."""

from dataclasses import replace
from typing import Protocol

from bids_rsa.core.inference.design import (
    Design,
    one_sample_design,
    slope_design,
    two_sample_design,
)
from bids_rsa.errors import ContentError, OptionError
from bids_rsa.group.participants import Participants, read_participants
from bids_rsa.group.records import GroupTest
from bids_rsa.settings import GroupSettings
from bids_rsa.words import listing

Variables = tuple[tuple[str, tuple[float, ...]], ...]


class HasPeople(Protocol):
    """Groups and variables of the participants of a test."""

    @property
    def groups(self) -> tuple[str, ...]:
        """The two groups, first minus second; empty without groups."""

    @property
    def group_of(self) -> tuple[str, ...]:
        """Each participant's group."""

    @property
    def covariates(self) -> Variables:
        """Nuisance variables."""

    @property
    def tested(self) -> Variables:
        """The variable whose slope is tested."""


def people_of(bids_dir: str, group: GroupSettings) -> Participants | None:
    """Read the table of participants where an option needs it."""
    needing = {
        "--group-column": group.group_column,
        "--test-covariate": group.test_covariate,
        "--covariates": " ".join(group.covariates),
    }
    for option, columns in needing.items():
        if columns:
            return read_participants(bids_dir, f"{option} {columns}", group.participants_file)
    return None


def with_people(test: GroupTest, people: Participants | None) -> GroupTest:
    """Add groups and covariates; who belongs to neither group is out."""
    if people is None:
        return test
    group = test.settings
    if group.group_column:
        test = _with_groups(test, people, group.group_column)
    coded = {name: people.coded(name, "--covariates", test.subjects) for name in group.covariates}
    covariates = tuple((name, values) for name, (values, _) in coded.items())
    codings = tuple((name, levels) for name, (_, levels) in coded.items() if levels)
    name = group.test_covariate
    tested = ((name, people.numbers(name, "--test-covariate", test.subjects)),) if name else ()
    return replace(test, covariates=covariates, codings=codings, tested=tested)


def _with_groups(test: GroupTest, people: Participants, column: str) -> GroupTest:
    """Split the participants into two groups by a column."""
    values = people.texts(column, "--group-column", test.subjects)
    groups = two_groups(values, column, test.settings)
    out = [
        (subject, f"{column} is {value}, which is not compared")
        for subject, value in values.items()
        if value not in groups
    ]
    members = tuple(member for member in test.members if values[member.subject] in groups)
    return replace(
        test,
        members=members,
        left_out=(*test.left_out, *out),
        groups=groups,
        group_of=tuple(values[member.subject] for member in members),
    )


def two_groups(values: dict[str, str], column: str, settings: GroupSettings) -> tuple[str, ...]:
    """Choose the two groups that are compared, from each participant's value of a column.

    Raises
    ------
    OptionError
        Not two values, or one that no participant has.
    """
    there = sorted(set(values.values()))
    groups = settings.groups or tuple(there)
    if len(groups) != 2:
        raise OptionError(
            f"--group-column {column} has {len(there)} value{'s' * (len(there) != 1)} among the "
            f"participants tested: {listing(there)}; a test compares two.",
            "Name two of them with --groups A B (the test is A - B).",
        )
    unknown = [name for name in groups if name not in there]
    if unknown:
        raise OptionError(
            f"--groups {' '.join(groups)}: no participant tested has {column} {unknown[0]!r}.",
            f"There are: {listing(there)}.",
        )
    return groups


def design_of(test: GroupTest) -> Design:
    """Make the design of a test.

    Raises
    ------
    ContentError
        A design that cannot be estimated with these participants.
    """
    return make_design(test, len(test.members), test.title)


def make_design(people: HasPeople, n_subjects: int, label: str) -> Design:
    """Make a design from groups and variables of the participants; errors as `design_of`."""
    covariates = list(zip(*(values for _, values in people.covariates), strict=True)) or None
    try:
        if people.groups:
            first = [name == people.groups[0] for name in people.group_of]
            return two_sample_design(first, covariates)
        if people.tested:
            return slope_design(people.tested[0][1], covariates)
        return one_sample_design(n_subjects, covariates)
    except ValueError as error:
        raise ContentError(f"{label}: {error}.", "Change the participants or covariates.") from None
