"""The group level: find the participants' maps, check everything, and run the tests."""

import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.app.preflight import check_folders, validate_input
from bids_rsa.app.running import Call, LogTo, begin
from bids_rsa.app.summary import label_lines
from bids_rsa.entities import in_words
from bids_rsa.errors import InputError, OptionError
from bids_rsa.group.ceiling_write import CeilingJob
from bids_rsa.group.ceilings import check_ceilings
from bids_rsa.group.designs import people_of
from bids_rsa.group.find import find_maps, map_datasets
from bids_rsa.group.limits import parts_tested, warnings_of
from bids_rsa.group.options import check_options, check_options_of_regions
from bids_rsa.group.plan import NOT_ASKED_FOR, plan_tests
from bids_rsa.group.records import GroupTest
from bids_rsa.group.region_find import find_region_groups
from bids_rsa.group.region_people import region_people
from bids_rsa.group.region_records import RegionGroup
from bids_rsa.group.select import select_maps
from bids_rsa.group.statements import Tried, count_tried
from bids_rsa.group.write import GroupJob
from bids_rsa.outputs.derivatives import EXTENSIONS
from bids_rsa.settings import GroupSettings, InputSettings, RunSettings, Settings
from bids_rsa.spaces.hemispheres import of_hemisphere
from bids_rsa.spaces.surface_files import SIDES
from bids_rsa.tables import existing_file, expanded
from bids_rsa.words import listing

LOGGER = logging.getLogger(__name__)


def run(settings: Settings, log_to: LogTo) -> int:
    """Run the group level.

    Parameters
    ----------
    settings : Settings
    log_to : callable
        Makes the log go to a file as well.

    Returns
    -------
    int
        0 when all tests are complete, 1 when some failed, their own code when all did.

    Raises
    ------
    BidsRsaError
        Whatever stops the whole run, before anything is written.
    """
    call, asked = begin(settings, log_to), settings.run
    inputs, group, roi = settings.inputs, settings.group, settings.regions.roi
    check_options(group)
    if asked.reports_only:
        from bids_rsa.app.reports_only import write_group_pages

        return write_group_pages(call)
    if asked.validate:
        validate_input(inputs.bids_dir)
    regions: Sequence[RegionGroup] = find_region_groups(
        asked.output_dir,
        inputs.derivatives,
        inputs.selection,
        settings.regions,
        group.average_sessions,
    )
    alone = bool(regions) and (
        settings.regions.roi_only or not _has_maps(asked.output_dir, inputs.derivatives)
    )
    regions = _checked_regions(regions, inputs.bids_dir, group, roi, alone)
    if alone:
        people = {one.subject for found in regions for one in found.members}
    else:
        tests, tried = make_tests(inputs, group, asked)
        people = {one for test in tests for one in test.subjects}
    if asked.list_participants:
        sys.stdout.write(label_lines(people))
        return 0
    if not regions:
        return _run_tests(tests, tried, inputs, call, regions_follow=False)
    # imports pandas
    from bids_rsa.app.region_group_run import plan_region_groups, run_region_groups

    jobs = plan_region_groups(regions, group, roi, call)
    if not alone:
        code = _run_tests(tests, tried, inputs, call, regions_follow=bool(jobs))
        if code or not jobs:
            return code
    return run_region_groups(jobs, call, has_maps=not alone)


def _has_maps(output_dir: str, derivatives: Sequence[str]) -> bool:
    """Tell whether there is any participant's map to test."""
    datasets = map_datasets(output_dir, derivatives)
    patterns = [f"sub-*/**/*_statmap{image}" for image, _ in EXTENSIONS.values()]
    places = [(Path(one.path), pattern) for one in datasets for pattern in patterns]
    return any(next(folder.glob(pattern), None) for folder, pattern in places)


def _run_tests(
    tests: Sequence[GroupTest],
    tried: Tried,
    inputs: InputSettings,
    call: Call,
    regions_follow: bool,
) -> int:
    """Plan the tests and run those that are not complete; only list them with --dry-run.

    ``regions_follow``: the page is written after the tests of regions.

    Raises
    ------
    OutputError
        A file that was made with other settings, and may not be replaced.
    ResourceError
        A test that needs more memory than there is.
    ContentError
        With --noise-ceiling: a participant's RDMs that cannot be computed again.
    """
    _log_tests(tests, tried)
    if any(test.settings.noise_ceiling for test in tests):
        check_ceilings(tests)
    # Nipype and the plotting libraries take seconds to import: only for what can run
    from bids_rsa.app.group_jobs import plan_jobs, refuse_large_job
    from bids_rsa.app.group_messages import print_group_plan
    from bids_rsa.app.group_run import run_tests
    from bids_rsa.app.noise_ceilings import plan_ceiling_jobs

    # a test uses all CPUs through threads, so tests run one after the other by default
    asked, plugin = call.asked, call.plugin(len(tests), "Linear")
    jobs = plan_jobs(tests, tried, asked, inputs.derivatives, plugin.n_procs)
    ceilings = plan_ceiling_jobs(jobs, asked.overwrite, inputs.bids_dir, plugin.n_procs)
    if asked.dry_run:
        return print_group_plan(jobs, ceilings)
    everything: list[GroupJob | CeilingJob] = [*jobs, *ceilings]
    for job in everything:
        refuse_large_job(job, call.resources)
    return run_tests(jobs, ceilings, call.start(plugin), not regions_follow)


def _checked_regions(
    regions: Sequence[RegionGroup],
    bids_dir: str,
    group: GroupSettings,
    roi: Sequence[str],
    alone: bool,
) -> tuple[RegionGroup, ...]:
    """Add groups and covariates, and read all tables; who belongs to neither group is out."""
    if not regions:
        return ()
    if group.null == "stelzer":
        why = "--null stelzer tests the size of clusters, and regions have none"
        if alone:
            raise OptionError(f"{why}.", "Use --null conditions or --null subjects.")
        LOGGER.info("Regions are not tested: %s.", why)
        return ()
    for option in check_options_of_regions(group) if alone else ():
        LOGGER.warning("%s has no effect on tests of regions.", option)
    table = people_of(bids_dir, group)
    found = []
    for one in regions:
        people, subjects = region_people(one.subjects, table, group)
        people.design(len(subjects), f"Regions {one.title}")
        members = tuple(member for member in one.members if member.subject in subjects)
        found.append(replace(one, members=members, people=people))
        from bids_rsa.group.region_data import read_regions  # imports pandas

        read_regions(found[-1], group, roi)
    return tuple(found)


def make_tests(
    inputs: InputSettings, group: GroupSettings, run: RunSettings
) -> tuple[tuple[GroupTest, ...], Tried]:
    """Find the maps, and make the tests of them."""
    output_dir = run.output_dir
    if group.group_mask:  # Nipype's nodes work in folders of their own
        mask = str(expanded(group.group_mask).absolute())
        for side in SIDES:
            existing_file(of_hemisphere(mask, side), "--group-mask")
        group = replace(group, group_mask=mask)
    if group.participants_file:
        table = existing_file(group.participants_file, "--participants-file").absolute()
        group = replace(group, participants_file=str(table))
    if not Path(inputs.bids_dir).is_dir():
        raise InputError(f"The input folder {inputs.bids_dir} does not exist.")
    if Path(inputs.bids_dir).resolve() != Path(output_dir).resolve():
        check_folders(inputs.bids_dir, run)
    maps, subjects = find_maps(inputs.bids_dir, output_dir, inputs.selection, inputs.derivatives)
    kept = select_maps(maps, inputs.selection, group)
    tests = plan_tests(kept, subjects, inputs.bids_dir, group, inputs.selection, inputs)
    n_models = len({one.model for one in maps})
    n_comparisons = len({one.key.comparison for one in maps})
    return tests, count_tried(tests, n_models, n_comparisons)


def _log_tests(tests: Sequence[GroupTest], tried: Tried) -> None:
    """Log what is tested, who is included and who is not, and all warnings."""
    people: tuple[object, ...] = ()
    for test in tests:
        what, where = test.describe(), in_words(test.key.pairs)
        said = f"{what[0].upper()}{what[1:]}{f' ({where})' * bool(where)}"
        LOGGER.info("%s, tail %s.", said, test.tail)
        for name, levels in test.codings:
            LOGGER.info("Covariate %s: 0 is %s, 1 is %s.", name, *levels)
        if (test.subjects, test.left_out) != people:
            people = test.subjects, test.left_out
            _log_people(test)
        for warning in warnings_of(test, parts_tested(test)):
            LOGGER.warning("%s: %s", test.title, warning)
    LOGGER.info(tried.sentence())


def _log_people(test: GroupTest) -> None:
    """Log who is tested, and who is left out and why."""
    LOGGER.info("Participants: %s.", ", ".join(f"sub-{subject}" for subject in test.subjects))
    for subject, why in test.left_out:
        if why != NOT_ASKED_FOR:
            LOGGER.warning("Left out: sub-%s, %s.", subject, why)
    unasked = [f"sub-{subject}" for subject, why in test.left_out if why == NOT_ASKED_FOR]
    if unasked:
        LOGGER.info("Left out, %s: %s.", NOT_ASKED_FOR, listing(unasked))
