"""Which tests one call asks for: sets of maps, subjects, groups, covariates, tails."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bids_rsa.errors import BidsRsaError, ContentError, InputError, OptionError
from bids_rsa.group_level.find import find_maps, group_maps
from bids_rsa.group_level.people import covariate, read_people, two_groups
from bids_rsa.group_level.records import GroupTest, LeftOut, MapSet
from bids_rsa.group_level.select import check_agreement, check_common_space, check_pair, choose
from bids_rsa.settings import GroupSettings, Settings
from bids_rsa.tables import existing_file

FISHER_COMPARISONS = ("spearman", "pearson", "partial", "partial-spearman")


@dataclass(frozen=True)
class GroupPlan:
    """The tests of a call, and those that cannot be made while others can."""

    tests: tuple[GroupTest, ...]
    failures: tuple[tuple[str, BidsRsaError], ...]
    subjects: tuple[str, ...]


def plan_tests(settings: Settings) -> GroupPlan:
    """Find the maps and make the tests of a call.

    Raises
    ------
    BidsRsaError
        Anything that stops the whole call; each error says what was found and what to do.
    """
    group = settings.group
    check_options(group)
    if group.group_mask is not None:
        group = replace(
            group, group_mask=str(existing_file(group.group_mask, "--group-mask").absolute())
        )
        settings = replace(settings, group=group)
    maps, subjects = find_maps(
        str(Path(settings.run.output_dir).absolute()), settings.inputs.bids_dir
    )
    chosen = choose(maps, subjects, settings.inputs.selection, group)
    sets = group_maps(chosen.maps, group.average_sessions)
    check_common_space(sets, group.assume_common_space)
    for one in sets:
        check_agreement(one)
    tests, failures = [], []
    for first, second in _pairs(sets, group.compare_models):
        try:
            tests.append(_make_test(first, second, subjects, chosen.left_out, settings))
        except InputError as error:
            failures.append((first.where, error))
    if not tests:
        raise failures[0][1]
    _check_family(tests, group)
    return GroupPlan(tuple(tests), tuple(failures), subjects)


def check_options(group: GroupSettings) -> None:
    """Check what the options say together, before anything is read.

    Raises
    ------
    OptionError
    """
    two_groups_wanted = group.group_column is not None
    problems = (
        (
            not 0 < group.coverage <= 1,
            f"--coverage {group.coverage:g}: above 0 up to 1 is expected.",
        ),
        (not 0 < group.alpha < 1, f"--alpha {group.alpha:g}: between 0 and 1 is expected."),
        (not 0 < group.cluster_p < 0.5, f"--cluster-p {group.cluster_p:g}: 0 to 0.5 is expected."),
        (group.smoothing_fwhm < 0, f"--smoothing-fwhm {group.smoothing_fwhm:g} is below 0."),
        (group.n_permutations < 1, f"--n-permutations {group.n_permutations} is below 1."),
        (group.random_seed < 0, f"--random-seed {group.random_seed} is below 0."),
        (bool(group.groups) and not two_groups_wanted, "--groups needs --group-column NAME."),
        (
            two_groups_wanted and group.test_covariate is not None,
            "--group-column and --test-covariate are two tests: give one of them in a call.",
        ),
        (
            group.test_covariate in group.covariates,
            f"{group.test_covariate} is both tested and a nuisance (--covariates).",
        ),
        (
            group.coverage < 1
            and bool(two_groups_wanted or group.test_covariate or group.covariates),
            f"--coverage {group.coverage:g}: with voxels that some subjects lack only one-sample "
            "and paired tests without covariates are possible.",
        ),
    )
    for wrong, message in problems:
        if wrong:
            raise OptionError(message)


def _pairs(sets: Sequence[MapSet], compared: Sequence[str]) -> list[tuple[MapSet, MapSet | None]]:
    """Pair each set with the one it is compared with, or with nothing."""
    if not compared:
        return [(one, None) for one in sets]
    there = sorted({one.model for one in sets})
    names = there if tuple(compared) == ("all",) else list(compared)
    unknown = [name for name in names if name not in there]
    if unknown or len(names) < 2 or (tuple(compared) != ("all",) and len(names) != 2):
        raise OptionError(
            f"--compare-models {' '.join(compared)}: two models, or 'all', are expected. "
            f"Models with participant maps: {', '.join(there)}."
        )
    if len(set(names)) < len(names):
        raise OptionError(f"--compare-models {' '.join(compared)}: the two models are the same.")
    pairs: list[tuple[MapSet, MapSet | None]] = []
    for a, b in itertools.combinations(names, 2):
        for first in (one for one in sets if one.model == a):
            same = [one for one in sets if one == replace(first, maps=one.maps, model=b)]
            pairs.extend((first, second) for second in same)
    if not pairs:
        raise OptionError(f"No two sets of maps of {', '.join(names)} belong together.")
    return pairs


def _make_test(
    first: MapSet,
    second: MapSet | None,
    everybody: Sequence[str],
    chosen_out: Sequence[LeftOut],
    settings: Settings,
) -> GroupTest:
    """Make one test; raise InputError when too few subjects are left."""
    group = settings.group
    subjects = set(first.subjects) & set(second.subjects if second else first.subjects)
    out = {one.subject: one for one in chosen_out}
    for subject in everybody:
        if subject not in subjects and subject not in out:
            out[subject] = LeftOut(subject, _why_missing(subject, first, second))
    if second is not None:
        check_pair(first, second)
    groups: tuple[str, ...] = ()
    membership: dict[str, str] = {}
    if group.group_column is not None:
        people = read_people(settings.inputs.bids_dir)
        groups, membership = two_groups(people, group.group_column, group.groups, sorted(subjects))
        for subject in sorted(subjects):
            if membership[subject] not in groups:
                out[subject] = LeftOut(subject, f"{group.group_column} is {membership[subject]}")
                subjects.discard(subject)
    rows = tuple(sorted(subjects))
    _check_number(rows, first, tuple(membership[s] == groups[0] for s in rows) if groups else ())
    return _with_variables(
        GroupTest(
            kind=_kind(second, group),
            first=first.only(rows),
            second=second.only(rows) if second else None,
            subjects=rows,
            left_out=tuple(out[subject] for subject in sorted(out)),
            tail=group.tail or ("two-sided" if _is_contrast(second, group) else "greater"),
            transform=_transform(first.comparison, group.transform),
            settings=group,
            groups=tuple(groups),
            in_first_group=tuple(membership[s] == groups[0] for s in rows) if groups else (),
        ),
        settings,
    )


def _why_missing(subject: str, first: MapSet, second: MapSet | None) -> str:
    """Say which map a subject lacks."""
    lacking = [one for one in (first, second) if one and subject not in one.subjects]
    return f"no map of {' and '.join(one.where for one in lacking)}"


def _kind(second: MapSet | None, group: GroupSettings) -> str:
    """Name the test."""
    if group.group_column is not None:
        return "two-sample"
    if group.test_covariate is not None:
        return "slope"
    return "paired" if second else "one-sample"


def _is_contrast(second: MapSet | None, group: GroupSettings) -> bool:
    """Whether the test has no side that was asked about beforehand."""
    return second is not None or bool(group.group_column or group.test_covariate)


def _transform(comparison: str, wanted: str) -> str:
    """Choose the transform of a comparison's scores."""
    if wanted == "auto":
        return "fisher" if comparison in FISHER_COMPARISONS else "none"
    return wanted


def _check_number(subjects: Sequence[str], one: MapSet, in_first: Sequence[bool]) -> None:
    """Refuse fewer than 2 subjects, in all or in a group."""
    counts = [sum(in_first), len(in_first) - sum(in_first)] if in_first else [len(subjects)]
    if min(counts) < 2:
        raise InputError(
            f"{one.where}: a test across subjects needs at least 2 subjects"
            f"{' in each group' if in_first else ''}, found {' and '.join(map(str, counts))} "
            f"({', '.join(f'sub-{s}' for s in subjects) or 'none'}).",
            "Run the participant level for more subjects.",
        )


def _with_variables(test: GroupTest, settings: Settings) -> GroupTest:
    """Add covariates and the tested variable."""
    group = settings.group
    if not group.covariates and group.test_covariate is None:
        return test
    people = read_people(settings.inputs.bids_dir)
    columns = [covariate(people, n, "--covariates", test.subjects) for n in group.covariates]
    tested: list[float] = []
    if group.test_covariate is not None:
        tested = covariate(people, group.test_covariate, "--test-covariate", test.subjects)
    return replace(
        test,
        covariates=group.covariates,
        covariate_values=tuple(zip(*columns, strict=True)) if columns else (),
        tested_covariate=group.test_covariate or "",
        tested_values=tuple(tested),
    )


def _check_family(tests: Sequence[GroupTest], group: GroupSettings) -> None:
    """Refuse a maximum over models whose tests have other subjects (and so other draws)."""
    if group.fwe_over != "models":
        return
    common = set.intersection(*(set(test.subjects) for test in tests))
    odd = [
        f"  {test.words}: also {', '.join(f'sub-{s}' for s in sorted(set(test.subjects) - common))}"
        for test in tests
        if set(test.subjects) != common
    ]
    if odd:
        raise ContentError(
            "--fwe-over models takes the maximum over all maps of this call, so all need the same "
            f"subjects. {len(common)} are shared, but\n" + "\n".join(odd),
            "Leave the others out with --exclude-participant-label.",
        )
