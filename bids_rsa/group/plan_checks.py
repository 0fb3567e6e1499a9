"""Checks of planned tests, before the first one runs."""

import logging
from collections.abc import Sequence

from bids_rsa.errors import InputError, OptionError
from bids_rsa.group.agree import check_agreement, check_layout, check_space
from bids_rsa.group.designs import design_of
from bids_rsa.group.null_maps import check_draws
from bids_rsa.group.records import GroupTest
from bids_rsa.settings import GroupSettings, InputSettings
from bids_rsa.spaces.masks import load_mask
from bids_rsa.words import listing

LOGGER = logging.getLogger(__name__)
FACES = 6  # of a voxel: the neighbours unless asked for more


def refuse_unused(inputs: InputSettings, group: GroupSettings, tests: Sequence[GroupTest]) -> None:
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
    maps = [one for test in tests for member in test.members for one in member.all_maps]
    if group.average_sessions and maps and not any(one.key.session for one in maps):
        LOGGER.warning("--average-sessions has no effect: no map is of a session.")
    if any(test.surfaces for test in tests):
        return
    for option, given in (("--surface", inputs.surface), ("--cortex-mask", inputs.cortex_mask)):
        if given:
            raise OptionError(
                f"{option} would be ignored: it is for maps on surfaces, and the maps found are "
                "volumes.",
                "Omit the option.",
            )


def check_test(test: GroupTest) -> tuple[str, ...]:
    """Check one test's participants, sidecars, space, grid and design."""
    if len(test.members) < 2:
        names = ", ".join(f"sub-{s}" for s in test.subjects) or "none"
        whose: dict[str, list[str]] = {}
        for subject, why in test.left_out:
            whose.setdefault(why, []).append(f"sub-{subject}")
        reasons = "; ".join(f"{listing(out)} ({why})" for why, out in whose.items())
        raise InputError(
            f"{test.title}: a test across participants needs at least 2 of them, but there "
            f"{'is' if len(test.members) == 1 else 'are'} {len(test.members)} ({names})."
            + (f" Left out: {reasons}." if reasons else ""),
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
        warnings = (
            *warnings,
            f"Participants have different numbers of sessions to average: {told}.",
        )
    return warnings


def check_joint(tests: Sequence[GroupTest], group: GroupSettings) -> None:
    """Check that one null distribution can serve all tests of the call."""
    subjects = {test.subjects for test in tests}
    if group.fwe_over == "models" and len(subjects) > 1:
        raise OptionError(
            "--fwe-over models takes the maximum over all maps under the same relabelings, and "
            "the tests of this call have different participants: "
            + "; ".join(f"{test.title} has {len(test.subjects)}" for test in tests),
            "Select tests with the same participants, or leave participants out.",
        )
