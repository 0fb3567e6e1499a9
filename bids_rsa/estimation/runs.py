"""A BOLD run as it will be estimated: its events, times and design, before any value is read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from bids_rsa.errors import BidsRsaError, ContentError, InputError, OptionError
from bids_rsa.estimation.bold_files import BoldFile
from bids_rsa.estimation.confounds import Nuisance, choose_nuisance
from bids_rsa.estimation.covariance import design_covariance
from bids_rsa.estimation.design import RunDesign, build_design
from bids_rsa.estimation.events import Events, within_run
from bids_rsa.estimation.events_table import read_events
from bids_rsa.estimation.high_pass import check_high_pass
from bids_rsa.estimation.irregular import are_regular
from bids_rsa.estimation.timing import Timing, find_timing
from bids_rsa.records import BoldRun, DesignFacts, HemisphereSurfaces
from bids_rsa.settings import BoldSettings
from bids_rsa.spaces.open_series import open_time_series
from bids_rsa.words import few, listing

# times the median variance factor of a run's conditions
_UNCERTAIN = 25.0
_SPATIAL = ("SpatialReference", "Resolution", "Density")


@dataclass(frozen=True, eq=False)
class Schedule:
    """What happens in a run and when: the events within it and the times of its volumes."""

    events: Events
    timing: Timing


def read_schedule(bold: BoldFile, settings: BoldSettings) -> Schedule:
    """Read a run's events and find the times of its volumes.

    Raises
    ------
    InputError
        The run has no events.
    ContentError
        They cannot be used.
    """
    if bold.events is None:
        raise InputError(
            f"{bold.label}: no events were found for {bold.file.path}.",
            "Expected ..._events.tsv of the same run in the raw dataset (BIDS_DIR), or of its task "
            "at its root.",
        )
    series = open_time_series(bold.paths)
    timing = find_timing(
        bold.label, series.n_volumes, bold.preproc, bold.raw, series.step, settings.start_time
    )
    events = read_events(bold.events, settings.condition_column, settings.event_duration)
    try:
        return Schedule(within_run(events, np.array(timing.frame_times_s)), timing)
    except ContentError as error:
        raise ContentError(f"{bold.events}: {error.message}", error.hint) from None


def plan_run(
    bold: BoldFile,
    schedule: Schedule,
    settings: BoldSettings,
    mask: str = "",
    cortex: Sequence[HemisphereSurfaces] = (),
) -> BoldRun:
    """Build a run's design, and say what is known of it before it is estimated.

    Parameters
    ----------
    bold : BoldFile
    schedule : Schedule
    settings : BoldSettings
    mask : str
        The mask of the voxels that are estimated.
    cortex : sequence of HemisphereSurfaces
        With the masks of the cortex, on surfaces.

    Raises
    ------
    BidsRsaError
        The confounds or the design cannot be used; names the run.
    """
    run = _undesigned(bold, schedule, settings, mask, cortex)
    with threadpool_limits(1):  # the matrices are small
        design, nuisance = run_design(run)
        facts = _facts(design, nuisance)
        try:
            filtered = check_high_pass(design, nuisance, settings.high_pass)
        except OptionError as error:
            raise OptionError(f"{run.label}: {error.message}", error.hint) from None
    impulse_notes, impulse_warnings = _impulses(schedule.events)
    return replace(
        run,
        design=facts,
        notes=(*design.notes, *impulse_notes),
        warnings=(
            *schedule.timing.warnings,
            *schedule.events.warnings,
            *impulse_warnings,
            *filtered,
            *_uncertain(design),
            *_unequal_lags(design, settings.glm_noise),
        ),
    )


def _unequal_lags(design: RunDesign, noise: str) -> tuple[str, ...]:
    """Warn that an autoregressive model takes volumes for equally spaced that are not."""
    if noise == "ols" or are_regular(design.frame_times_s):
        return ()
    return (
        f"--glm-noise {noise} models the correlation of each volume with the one before, however "
        "much time lies between them, and the volumes of this run are not equally spaced "
        "(VolumeTiming). Effects are unbiased; their variances are approximate.",
    )


def _undesigned(
    bold: BoldFile,
    schedule: Schedule,
    settings: BoldSettings,
    mask: str,
    cortex: Sequence[HemisphereSurfaces],
) -> BoldRun:
    """Put together what a run's design is made of."""
    return BoldRun(
        path=bold.file.path,
        label=bold.label,
        run=bold.file.run,
        session=bold.file.session,
        events=bold.events or "",
        confounds=bold.confounds,
        mask=mask,
        frame_times_s=schedule.timing.frame_times_s,
        repetition_time_s=schedule.timing.repetition_time_s,
        repetition_time_source=schedule.timing.repetition_time_source,
        start_time_s=schedule.timing.start_time_s,
        start_time_source=schedule.timing.start_time_source,
        settings=settings,
        form=bold.form,
        right=bold.right,
        spatial=tuple(
            (key, json.dumps(bold.preproc[key])) for key in _SPATIAL if key in bold.preproc
        ),
        # what distances are measured along makes no difference to estimates
        cortex=tuple(
            HemisphereSurfaces(one.hemisphere, (), "", cortex=one.cortex) for one in cortex
        ),
    )


def run_design(run: BoldRun) -> tuple[RunDesign, Nuisance]:
    """Build the design of a run from its files and settings; errors as in `plan_run`."""
    settings = run.settings
    times = np.array(run.frame_times_s)
    try:
        events = within_run(
            read_events(run.events, settings.condition_column, settings.event_duration), times
        )
        nuisance = choose_nuisance(run.confounds, len(times), settings)
        return build_design(events, times, nuisance, settings.hrf, settings.estimate), nuisance
    except BidsRsaError as error:
        raise type(error)(f"{run.label}: {error.message}", error.hint) from error


def _facts(design: RunDesign, nuisance: Nuisance) -> DesignFacts:
    """Gather what is known of a design."""
    return DesignFacts(
        conditions=design.names,
        estimates=design.conditions,
        n_events=tuple(dict(design.n_events)[name] for name in design.names),
        columns=design.columns,
        confounds=nuisance.names,
        spikes=nuisance.spikes,
        high_pass_s=nuisance.high_pass_s,
        high_pass_source=nuisance.high_pass_source,
        rank=design.rank,
        dof=design.dof,
        unestimable=design.unestimable,
        covariance=tuple(map(tuple, design_covariance(design).tolist())),
    )


def _impulses(events: Events) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tell of events without a duration beside others: their effects are on another scale.

    Returns
    -------
    notes, warnings : tuple of str
        A note where conditions differ, as they may not be compared; a warning where the events of
        one condition do.
    """
    short = events.durations_s == 0
    names = np.array(events.conditions)
    without, others = set(names[short].tolist()), set(names[~short].tolist())
    if not without or not others:
        return (), ()
    why = "an event of duration 0 lasts a fiftieth of the repetition time in the model"
    notes: tuple[str, ...] = ()
    if apart := without - others:
        notes = (
            f"All events of {few(sorted(apart))} have a duration of 0, and those of "
            f"{few(sorted(others))} do not. Their effects are on different scales: {why}.",
        )
    if not (mixed := without & others):
        return notes, ()
    return notes, (
        f"Some events of {few(sorted(mixed))} have a duration of 0 and others do not. The former "
        f"hardly count: {why}.",
    )


def _uncertain(design: RunDesign) -> tuple[str, ...]:
    """Warn of conditions whose estimates are much noisier than the others'."""
    variances = np.diag(design_covariance(design))
    noisy = [
        name
        for name, variance in zip(design.names, variances, strict=True)
        if variance > _UNCERTAIN * np.nanmedian(variances)
    ]
    if not noisy:
        return ()
    return (
        f"The design says little about {few(noisy)}: the variance of the estimate is more than "
        f"{_UNCERTAIN:g} times the median of all conditions, as when an event is at the end "
        "of the run.",
    )


def check_estimable(run: BoldRun, condition: str) -> None:
    """Refuse a condition that the design of a run cannot estimate.

    Raises
    ------
    ContentError
        Names run, condition and the columns that it is confounded with.
    """
    assert run.design is not None
    reason = dict(run.design.unestimable).get(condition)
    if reason:
        raise ContentError(
            f"{run.label}: the condition {condition} cannot be estimated from this run: {reason}. "
            f"Conditions of the run: {listing(list(run.design.conditions))}.",
            "Pool conditions that always come together, choose fewer --confounds, or leave the run "
            "out with --run-label.",
        )
