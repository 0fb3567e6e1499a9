"""The group level: find the participants' maps, check everything, and hand over what can run."""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.app.preflight import check_folders, validate_input
from bids_rsa.app.summary import label_lines
from bids_rsa.errors import InputError, OptionError
from bids_rsa.group.ceilings import check_ceilings
from bids_rsa.group.find import find_maps, map_datasets, select_maps
from bids_rsa.group.options import check_options
from bids_rsa.group.permutation_run import warnings_of
from bids_rsa.group.plan import people_of, plan_tests
from bids_rsa.group.records import GroupTest
from bids_rsa.group.region_find import RegionGroup, find_region_groups
from bids_rsa.group.region_people import region_people
from bids_rsa.group.statements import Tried, count_tried
from bids_rsa.machine import find_machine
from bids_rsa.needs import usable_memory
from bids_rsa.settings import Settings
from bids_rsa.tables import existing_file, expanded

LOGGER = logging.getLogger(__name__)


def run(settings: Settings, log_to: Callable[[Path], None]) -> int:
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
    machine = find_machine()
    LOGGER.info(machine.sentence())
    check_options(settings.group)
    if settings.run.reports_only:
        from bids_rsa.app.reports_only import write_reports_only

        memory_gb, _ = usable_memory(machine, settings.run.mem_gb)
        return write_reports_only(settings, settings.run.n_procs or machine.n_cpus, memory_gb)
    if settings.run.validate:
        validate_input(settings.inputs.bids_dir)
    regions = find_region_groups(
        settings.run.output_dir,
        settings.inputs.derivatives,
        settings.inputs.selection,
        settings.regions,
        settings.group.average_sessions,
    )
    memory_gb, memory_from = usable_memory(machine, settings.run.mem_gb)
    usable = (settings.run.n_procs or machine.n_cpus, memory_gb)
    alone = bool(regions) and (settings.regions.roi_only or not _has_maps(settings))
    regions = _checked_regions(regions, settings, alone)
    if alone:
        return _run_regions(regions, settings, usable, log_to)
    tests, tried = _find_tests(settings)
    if settings.run.list_participants:
        sys.stdout.write(label_lines({subject for test in tests for subject in test.subjects}))
        return 0
    _tell_tests(tests, tried)
    if settings.group.noise_ceiling:
        check_ceilings(tests)
    # Nipype and the plotting libraries take seconds to import: only for what can run
    from bids_rsa.app.group_run import Machinery, run_tests

    code = run_tests(tests, tried, settings, Machinery(*usable, memory_from), log_to)
    return code or (_run_regions(regions, settings, usable, log_to) if regions else 0)


def _has_maps(settings: Settings) -> bool:
    """Tell whether there is any participant's map to test."""
    datasets = map_datasets(settings.run.output_dir, settings.inputs.derivatives)
    return any(next(Path(one.path).glob("sub-*/**/*_statmap.nii*"), None) for one in datasets)


def _run_regions(
    regions: Sequence[RegionGroup],
    settings: Settings,
    usable: tuple[int, float],
    log_to: Callable[[Path], None],
) -> int:
    """Test the participants' tables of regions."""
    if settings.run.list_participants:
        subjects = {member.subject for group in regions for member in group.members}
        sys.stdout.write(label_lines(subjects))
        return 0
    from bids_rsa.app.region_group_run import run_region_groups

    return run_region_groups(regions, settings, usable, log_to)


def _checked_regions(
    regions: Sequence[RegionGroup], settings: Settings, alone: bool
) -> tuple[RegionGroup, ...]:
    """Add groups and covariates, and read all tables; who belongs to neither group is out."""
    group = settings.group
    if not regions:
        return ()
    if group.null == "stelzer":
        why = "--null stelzer tests the size of clusters, and regions have none"
        if alone:
            raise OptionError(f"{why}.", "Use --null conditions or --null subjects.")
        LOGGER.info("Regions are not tested: %s.", why)
        return ()
    table = people_of(settings.inputs.bids_dir, group)
    found = []
    for one in regions:
        people, subjects = region_people(one.subjects, table, group)
        people.design(len(subjects), f"Regions {one.label}")
        members = tuple(member for member in one.members if member.subject in subjects)
        found.append(replace(one, members=members, people=people))
        from bids_rsa.group.region_data import read_regions  # imports pandas

        read_regions(found[-1], group, settings.regions.roi)
    return tuple(found)


def _find_tests(settings: Settings) -> tuple[tuple[GroupTest, ...], Tried]:
    """Find the maps, and make the tests of them."""
    inputs, group, output_dir = settings.inputs, settings.group, settings.run.output_dir
    if group.group_mask:  # Nipype's nodes work in folders of their own
        for path in {group.group_mask.replace("{hemi}", side) for side in "LR"}:
            existing_file(path, "--group-mask")
        group = replace(group, group_mask=str(expanded(group.group_mask).absolute()))
    if group.participants_file:
        table = existing_file(group.participants_file, "--participants-file").absolute()
        group = replace(group, participants_file=str(table))
    if not Path(inputs.bids_dir).is_dir():
        raise InputError(f"The input folder {inputs.bids_dir} does not exist.")
    if Path(inputs.bids_dir).resolve() != Path(output_dir).resolve():
        check_folders(settings)
    maps, subjects = find_maps(inputs.bids_dir, output_dir, inputs.selection, inputs.derivatives)
    kept = select_maps(maps, inputs.selection, group)
    tests = plan_tests(kept, subjects, inputs.bids_dir, group, inputs.selection, inputs)
    n_models = len({one.model for one in maps})
    n_comparisons = len({one.key.comparison for one in maps})
    return tests, count_tried(tests, n_models, n_comparisons)


def _tell_tests(tests: Sequence[GroupTest], tried: Tried) -> None:
    """Say what is tested, who is in and who is not, and what to beware of."""
    for test in tests:
        LOGGER.info("%s: %s, tail %s.", test.label, test.describe(), test.tail)
        for name, levels in test.codings:
            LOGGER.info("Covariate %s: 0 is %s, 1 is %s.", name, *levels)
        LOGGER.info("In: %s.", ", ".join(f"sub-{subject}" for subject in test.subjects))
        for subject, why in test.left_out:
            LOGGER.warning("Out: sub-%s, %s.", subject, why)
        for warning in warnings_of(test):
            LOGGER.warning("%s: %s", test.label, warning)
    LOGGER.info(tried.sentence())
