"""From maps and options to the tests that are made, all checked before the first one runs."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bids_rsa.errors import OptionError, SelectionError
from bids_rsa.group.designs import people_of, with_people
from bids_rsa.group.identity import with_hashes
from bids_rsa.group.options import check_options
from bids_rsa.group.own_surfaces import find_own_surfaces
from bids_rsa.group.participant_maps import MapKey, Member, ParticipantMap
from bids_rsa.group.participants import listed_participants
from bids_rsa.group.places import group_surfaces, hemispheres_of, layout_of_map
from bids_rsa.group.plan_checks import check_joint, check_test, refuse_unused
from bids_rsa.group.records import GroupTest, Kind
from bids_rsa.group.split import refuse_split
from bids_rsa.settings import GroupSettings, InputSettings, Selection
from bids_rsa.words import guess_label, listing

LeftOut = list[tuple[str, str]]
NOT_ASKED_FOR = "not among --participant-label"


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
        Where participants.tsv is.
    group : GroupSettings
    selection : Selection
        The participants wanted and excluded.
    inputs : InputSettings, optional
        With ``surface`` and ``cortex_mask``, for maps on surfaces.

    Raises
    ------
    BidsRsaError
        Maps that cannot be combined, too few participants, missing values in participants.tsv.
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
        test = _with_surfaces(with_people(test, people), inputs or InputSettings(""))
        tests.append(replace(test, notes=check_test(test)))
    check_joint(tests, group)
    refuse_unused(inputs or InputSettings(""), group, tests)
    return with_hashes(tests)


def _with_surfaces(test: GroupTest, inputs: InputSettings) -> GroupTest:
    """Add the surfaces of the group, and those of its participants where none were named."""
    if not test.members:
        return test
    first = test.members[0].maps[0][0]
    test = replace(test, surfaces=group_surfaces(first, inputs))
    if not test.surfaces or inputs.surface:
        return test
    own, without = find_own_surfaces(test.members, hemispheres_of(layout_of_map(first)))
    return replace(test, own_surfaces=own, without_surfaces=without)


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
                f"{guess_label(unknown, known)}There are: {listing([f'sub-{s}' for s in known])}.",
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
        raise SelectionError("The participants selected leave no one to test.")
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
    """Gather each participant's maps of the models, and say who lacks one."""
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
