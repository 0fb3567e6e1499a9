"""From maps and options to the tests that are made, all checked before the first one runs."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from bids_rsa.core.inference.design import (
    Design,
    one_sample_design,
    slope_design,
    two_sample_design,
)
from bids_rsa.errors import ContentError, InputError, OptionError, SelectionError
from bids_rsa.group.agree import check_agreement, check_layout, check_space
from bids_rsa.group.identity import with_hashes
from bids_rsa.group.null_maps import check_draws
from bids_rsa.group.options import check_options
from bids_rsa.group.own_surfaces import find_own_surfaces
from bids_rsa.group.participants import Participants, listed_participants, read_participants
from bids_rsa.group.places import group_surfaces, hemispheres_of, layout_of_map
from bids_rsa.group.records import GroupTest, Kind, MapKey, Member, ParticipantMap
from bids_rsa.group.split import refuse_split
from bids_rsa.settings import GroupSettings, InputSettings, Selection
from bids_rsa.spaces.masks import load_mask
from bids_rsa.words import listing

LeftOut = list[tuple[str, str]]
NOT_ASKED_FOR = "not among --participant-label"
Variables = tuple[tuple[str, tuple[float, ...]], ...]
FACES = 6  # of a voxel: the neighbours unless asked for more


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


def plan_tests(
    maps: Sequence[ParticipantMap],
    subjects: Sequence[str],
    bids_dir: str,
    group: GroupSettings,
    selection: Selection,
    inputs: InputSettings | None = None,
) -> tuple[GroupTest, ...]:
    """Make the tests, and check that each can be made.

    Parameters
    ----------
    maps : sequence of ParticipantMap
        The maps selected.
    subjects : sequence of str
        All that have a folder in the output.
    bids_dir : str
        Where participants.tsv lies.
    group : GroupSettings
    selection : Selection
        The participants wanted and excluded.
    inputs : InputSettings, optional
        With ``surface`` and ``cortex_mask``, for maps on surfaces.

    Raises
    ------
    BidsRsaError
        Maps that cannot be combined, too few subjects, missing values in participants.tsv.
    """
    check_options(group)
    people = people_of(bids_dir, group)
    known = {*subjects, *(people.rows if people else ()), *listed_participants(bids_dir)}
    wanted, out = _choose_participants(maps, sorted(known), selection)
    kept = [one for one in maps if one.subject in wanted]
    refuse_split(kept, group, selection)
    tests = []
    for kind, key, models, members, missing in _comparisons(kept, group):
        test = GroupTest(kind, key, models, members, group, tuple([*out, *missing]))
        test = _with_people(test, people)
        if test.members:
            first = test.members[0].maps[0][0]
            given = inputs or InputSettings("")
            test = replace(test, surfaces=group_surfaces(first, given))
            if test.surfaces and not given.surface:
                own, without = find_own_surfaces(test.members, hemispheres_of(layout_of_map(first)))
                test = replace(test, own_surfaces=own, without_surfaces=without)
        tests.append(replace(test, notes=_check_test(test)))
    _check_joint(tests, group)
    _refuse_unused(inputs or InputSettings(""), group, tests)
    return with_hashes(tests)


def _refuse_unused(inputs: InputSettings, group: GroupSettings, tests: Sequence[GroupTest]) -> None:
    """Refuse surfaces for maps that are all volumes, and neighbours of voxels where none are.

    Raises
    ------
    OptionError
    """
    if all(test.form == "surface" for test in tests) and group.connectivity != FACES:
        raise OptionError(
            f"--connectivity {group.connectivity} would be ignored: it is for voxels, and "
            "neighbours on a surface are the vertices that share an edge.",
            "Omit the option.",
        )
    if any(test.surfaces for test in tests):
        return
    for option, given in (("--surface", inputs.surface), ("--cortex-mask", inputs.cortex_mask)):
        if given:
            raise OptionError(
                f"{option} would be ignored: it is for maps on surfaces, and the maps found are "
                "volumes.",
                "Omit the option.",
            )


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


def _choose_participants(
    maps: Sequence[ParticipantMap],
    known: Sequence[str],
    selection: Selection,
) -> tuple[set[str], LeftOut]:
    """Tell who is wanted, and why others are not."""
    there = {one.subject for one in maps}
    for option in ("participant_label", "exclude_participant_label"):
        unknown = [label for label in getattr(selection, option) if label not in known]
        if unknown:
            raise SelectionError(
                f"--{option.replace('_', '-')} {' '.join(unknown)} matches no participant.",
                f"There are: {listing([f'sub-{s}' for s in known])}.",
            )
    out: LeftOut = []
    for subject in known:
        if subject in selection.exclude_participant_label:
            out.append((subject, "excluded by --exclude-participant-label"))
        elif selection.participant_label and subject not in selection.participant_label:
            out.append((subject, NOT_ASKED_FOR))
        elif subject not in there:
            out.append((subject, "no map of this kind in the output folder"))
    wanted = there - {subject for subject, _ in out}
    if not wanted:
        raise SelectionError("The participants selected leave nobody to test.")
    return wanted, out


def _comparisons(
    maps: Sequence[ParticipantMap], group: GroupSettings
) -> Iterator[tuple[Kind, MapKey, tuple[str, ...], tuple[Member, ...], LeftOut]]:
    """Yield what is tested: each set of maps, or each pair of models of the same entities."""
    kind: Kind = "groups" if group.group_column else "one-sample"
    kind = "slope" if group.test_covariate else kind
    kind = "paired" if group.compare_models else kind
    keys = sorted({_test_key(one, group) for one in maps}, key=lambda key: key.label)
    pairs_found = False
    for key in keys:
        mine = [one for one in maps if _test_key(one, group) == key]
        names = sorted({one.model for one in mine})
        if kind != "paired":
            choices: list[tuple[str, ...]] = [(name,) for name in names]
        elif group.compare_models == ("all",):
            choices = list(itertools.combinations(names, 2))
        else:
            choices = [group.compare_models] if set(group.compare_models) <= set(names) else []
        for models in choices:
            pairs_found = True
            yield kind, key, models, *_members(mine, models)
    if not pairs_found:
        raise OptionError(
            f"--compare-models {' '.join(group.compare_models)}: no comparison has maps of two "
            "such models.",
            f"There are maps of: {', '.join(sorted({one.model for one in maps}))}.",
        )


def _test_key(one: ParticipantMap, group: GroupSettings) -> MapKey:
    """Give the entities of the test that a map belongs to."""
    return replace(one.key, session=None) if group.average_sessions else one.key


def _members(
    maps: Sequence[ParticipantMap], models: tuple[str, ...]
) -> tuple[tuple[Member, ...], LeftOut]:
    """Gather each subject's maps of the models, and say who lacks one."""
    members, missing = [], []
    for subject in sorted({one.subject for one in maps}):
        mine = [
            tuple(one for one in maps if one.subject == subject and one.model == model)
            for model in models
        ]
        lacking = [model for model, found in zip(models, mine, strict=True) if not found]
        sessions = {tuple(one.key.session for one in found) for found in mine}
        if lacking:
            missing.append((subject, f"no map of model {' and '.join(lacking)}"))
        elif len(sessions) > 1:
            missing.append((subject, "the two models have maps of different sessions"))
        else:
            members.append(Member(subject, tuple(mine)))
    return tuple(members), missing


def _with_people(test: GroupTest, people: Participants | None) -> GroupTest:
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
    """Split the subjects into two groups by a column."""
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
    """Choose the two groups that are compared, from each subject's value of a column.

    Raises
    ------
    OptionError
        Not two values, or one that no subject has.
    """
    there = sorted(set(values.values()))
    groups = settings.groups or tuple(there)
    if len(groups) != 2:
        raise OptionError(
            f"--group-column {column} has {len(there)} value{'s' * (len(there) != 1)} among the "
            f"subjects tested: {listing(there)}; a test compares two.",
            "Name two of them with --groups A B (the test is A - B).",
        )
    unknown = [name for name in groups if name not in there]
    if unknown:
        raise OptionError(
            f"--groups {' '.join(groups)}: no subject tested has {column} {unknown[0]!r}.",
            f"There are: {listing(there)}.",
        )
    return groups


def design_of(test: GroupTest) -> Design:
    """Make the design of a test.

    Raises
    ------
    ContentError
        A design that cannot be estimated with these subjects.
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
        raise ContentError(f"{label}: {error}.", "Change the subjects or covariates.") from None


def _check_test(test: GroupTest) -> tuple[str, ...]:
    """Check one test's subjects, sidecars, space, grid and design."""
    if len(test.members) < 2:
        names = ", ".join(f"sub-{s}" for s in test.subjects) or "none"
        reasons = "; ".join(f"sub-{s}: {why}" for s, why in test.left_out)
        raise InputError(
            f"{test.title}: a test across subjects needs at least 2, and there are "
            f"{len(test.members)} ({names}).{f' Left out: {reasons}.' if reasons else ''}",
            "Run the participant level for more participants.",
        )
    maps = [one for member in test.members for one in member.all_maps]
    check_space(maps, test.settings.assume_common_space)
    warnings = check_agreement(maps, test.title)
    layout = check_layout(maps)
    if test.settings.group_mask and test.form == "volume":
        odd = load_mask(test.settings.group_mask, layout, "group mask").warning
        warnings = (*warnings, odd) if odd else warnings
    design_of(test)
    if test.settings.uses_null_maps:
        check_draws(test)
    counts = {member.subject: len(member.maps[0]) for member in test.members}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"sub-{subject} {n}" for subject, n in counts.items())
        warnings = (*warnings, f"Subjects have different numbers of sessions to average: {told}.")
    return warnings


def _check_joint(tests: Sequence[GroupTest], group: GroupSettings) -> None:
    """Check that one null distribution can serve all tests of the call."""
    subjects = {test.subjects for test in tests}
    if group.fwe_over == "models" and len(subjects) > 1:
        raise OptionError(
            "--fwe-over models takes the maximum over all maps under the same relabelings, and "
            "the tests of this call have different subjects: "
            + "; ".join(f"{test.title} has {len(test.subjects)}" for test in tests),
            "Select tests with the same subjects, or leave participants out.",
        )
