"""Noise ceilings at group level, from analyses that are found again by their logged settings."""

import logging
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bids_rsa.app.compared import covariance_of, models_of
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.dataset import find_analyses
from bids_rsa.errors import BidsRsaError, ContentError, InputError
from bids_rsa.group.ceiling_subjects import CeilingSubject, check_comparable
from bids_rsa.group.ceiling_write import CeilingJob, ceiling_name, plan_ceilings
from bids_rsa.group.ceilings import ceiling_tests
from bids_rsa.group.participant_maps import ParticipantMap
from bids_rsa.group.records import GroupTest
from bids_rsa.group.write import GroupJob
from bids_rsa.models.cells import scored
from bids_rsa.models.fits import condensed
from bids_rsa.models.loading import load_models
from bids_rsa.needs import analysis_size, memory_needs
from bids_rsa.options.arguments import parse
from bids_rsa.outputs.derivatives import check_replaceable, is_complete
from bids_rsa.outputs.estimates import PlannedRun, hash_runs, plan_run_files
from bids_rsa.outputs.image_plan import plan_images
from bids_rsa.outputs.input_hashes import hash_analysis, refuse_changed
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings

LOGGER = logging.getLogger(__name__)


def plan_ceiling_jobs(
    jobs: Sequence[GroupJob], overwrite: bool, bids_dir: str, n_threads: int
) -> list[CeilingJob]:
    """Find the analyses whose RDMs are computed again, where a ceiling is not complete.

    Parameters
    ----------
    jobs : sequence of GroupJob
    overwrite : bool
        Whether maps that were made with other settings are replaced.
    bids_dir : str
        Searched where the logged one of the participants' run does not exist.
    n_threads : int

    Raises
    ------
    BidsRsaError
        Participants' RDMs that cannot be made again.
    """
    if not any(job.test.settings.noise_ceiling for job in jobs):
        return []
    by_images: dict[tuple[object, ...], list[GroupJob]] = {}
    chosen = ceiling_tests([job.test for job in jobs])
    for job in jobs:
        if _is_due(job, chosen, overwrite):
            images = (replace(job.test.key, comparison=""), job.test.subjects)
            by_images.setdefault(images, []).append(job)
    found = [_ceiling_job(together, bids_dir, n_threads) for together in by_images.values()]
    if found:
        n = max(len(job.subjects) for job in found)
        LOGGER.info("Noise ceiling: the images of %d participants were found again.", n)
    return found


def _is_due(job: GroupJob, chosen: Sequence[GroupTest], overwrite: bool) -> bool:
    """Tell whether a test's ceiling is to be computed, and log why not."""
    if job.test not in chosen:
        LOGGER.info(
            "%s: no noise ceiling, which there is only for mean scores of comparisons that "
            "take each model by itself.",
            job.test.title,
        )
        return False
    planned, output = plan_ceilings(job.test), Path(job.output_dir)
    if not overwrite:
        check_replaceable(output, planned)
    if is_complete(output, planned, ()):
        LOGGER.info("%s: the noise ceiling is complete: skipped.", job.test.title)
        return False
    return True


def _ceiling_job(together: Sequence[GroupJob], bids_dir: str, n_threads: int) -> CeilingJob:
    """Plan the ceilings of tests of the same images."""
    tests = tuple(job.test for job in together)
    halves = [
        _subject(number, tests, bids_dir, n_threads) for number in range(len(tests[0].members))
    ]
    subjects = tuple(own[0] for own in halves)
    right = tuple(own[1] if own[1:] else None for own in halves)
    everyone = [one for own in halves for one in own]
    check_comparable(everyone, {test.models[0] for test in tests})
    return CeilingJob(
        tests=tests,
        subjects=subjects,
        output_dir=together[0].output_dir,
        links=tuple(dict(link for job in together for link in job.links).items()),
        name=ceiling_name(together[0].name),
        n_threads=together[0].n_threads,
        memory_gb=max(_memory_gb(one, len(tests), together[0].n_threads) for one in everyone),
        right=right if any(right) else (),
    )


def _memory_gb(subject: CeilingSubject, n_tests: int, n_threads: int) -> float:
    """Bound the memory of a participant's patterns, which are read one after the other."""
    plan = plan_stack(subject.analysis, subject.rsa.reading)
    size = analysis_size(subject.analysis, plan, subject.rsa, n_tests)
    return memory_needs(size, n_threads).largest_gb


def _subject(
    number: int, tests: Sequence[GroupTest], bids_dir: str, n_threads: int
) -> list[CeilingSubject]:
    """Find what made a participant's maps; two if the hemispheres were analysed in two calls."""
    maps = [test.members[number].maps[0][0] for test in tests]
    if all(is_of_one_call(one) for one in maps):
        return [_of_call(maps, tests, bids_dir, n_threads)]
    sides = zip(*(one.halves for one in maps), strict=True)
    return [_of_call(own, tests, bids_dir, n_threads) for own in sides]


def is_of_one_call(one: ParticipantMap) -> bool:
    """Tell whether one call has made a map, and not a call for each hemisphere."""
    return len({half.metadata.get("SettingsHash") for half in one.halves}) == 1


def _of_call(
    maps: Sequence[ParticipantMap], tests: Sequence[GroupTest], bids_dir: str, n_threads: int
) -> CeilingSubject:
    """Find the analysis that made maps, and what its RDMs are compared with."""
    found = _find_analysis(maps, bids_dir, n_threads)
    analysis, rsa = found.analysis, found.rsa
    plan = plan_stack(analysis, rsa.reading)
    own = scored(models_of(analysis, plan, found.models, rsa))
    whitened = any(find_comparison(test.key.comparison).whitened for test in tests)
    return CeilingSubject(
        analysis,
        rsa,
        dict(zip([model.name for model in own], condensed(own, plan.conditions), strict=True)),
        covariance_of(analysis, plan, rsa) if whitened else None,
        _root(maps[0]),
        found.runs,
    )


@dataclass(frozen=True)
class _Found:
    """An analysis of a logged run, and the hashes of the settings of its files by their name."""

    analysis: Analysis
    rsa: RsaSettings
    models: tuple[ModelRdm, ...]
    runs: tuple[PlannedRun, ...]
    hashes: dict[str, str]


def _root(one: ParticipantMap) -> str:
    """Name the dataset that a map is in."""
    return one.path.partition(f"/sub-{one.subject}/")[0]


def _find_analysis(maps: Sequence[ParticipantMap], bids_dir: str, n_threads: int) -> _Found:
    """Find the run that made a participant's maps, the newest whose settings and inputs fit.

    Raises
    ------
    ContentError
        No run does.
    """
    one = maps[0]
    logged = sorted(
        Path(_root(one), f"sub-{one.subject}").glob("log/*/bids_rsa.toml"), reverse=True
    )
    why = "there are no logged settings in its log folder"
    for path in logged:
        try:
            found = _analysis_of(path, one, bids_dir, n_threads)
        except BidsRsaError as error:
            why = f"{path}: {error.message}"
            continue
        hashes = found.hashes
        if all(hashes.get(Path(own.path).name) == own.metadata["SettingsHash"] for own in maps):
            _refuse_lost(found, one)
            return found
        why = f"the images, masks, models or settings of {path} are not those of the maps"
    raise ContentError(
        f"--noise-ceiling: the RDMs of sub-{one.subject} cannot be computed again: {why}.",
        "Paths in the logged settings are taken from the folder in which the participant level "
        "was called: call the group level there. Or run the participant level again, with all "
        "models and comparisons in one call.",
    )


def _refuse_lost(found: _Found, one: ParticipantMap) -> None:
    """Refuse estimates from BOLD that are not there any more, or were made otherwise."""
    root = Path(_root(one))
    lost = [planned.run.label for planned in found.runs if not planned.is_complete(root)]
    if lost:
        raise ContentError(
            f"--noise-ceiling: the estimates of {lost[0]}, which the maps of sub-{one.subject} "
            f"were made from, have been removed from {root}, or were estimated with other "
            "settings.",
            "Run the participant level again: it estimates what is missing.",
        )


def _analysis_of(path: Path, one: ParticipantMap, bids_dir: str, n_threads: int) -> _Found:
    """Repeat a logged run up to its analyses; and hash the settings of its files, by name."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    words = shlex.split(first.partition(": bids_rsa ")[2])
    logged = words[0] if words and Path(words[0]).is_dir() else bids_dir
    root = _root(one)
    run = parse([logged, root, "participant", "--config-file", str(path)])
    selection = replace(run.inputs.selection, participant_label=(one.subject,))
    inputs = replace(run.inputs, selection=selection)
    models = load_models(inputs)
    found = find_analyses(inputs, run.rsa, models, root, run.bold)
    name = Path(one.path).name
    for analysis in found.analyses:
        if not name.startswith(f"{analysis.file_label(analysis.parts[0])}_stat-"):
            continue
        runs = _runs(analysis, run.run.keep_residuals, n_threads)
        estimated = {planned.run.path: planned.input_hash for planned in runs}
        hashes = hash_analysis(analysis, n_threads, estimated)
        refuse_changed(hashes.files)
        planned = plan_images(analysis, run.rsa, models, hashes)
        own = {Path(file.path).name: file.settings_hash for file in planned}
        return _Found(analysis, run.rsa, models, runs, own)
    raise InputError(f"There is no analysis {name}.")


def _runs(analysis: Analysis, keep_residuals: bool, n_threads: int) -> tuple[PlannedRun, ...]:
    """Plan the runs that an analysis was estimated from, as its participant run did."""
    for_noise = {path for made in analysis.residuals if made.from_bold for path in made.paths}
    states = hash_runs(analysis.bold_runs, n_threads)
    return tuple(
        plan_run_files(bold, states, keep_residuals, bold.path in for_noise, 0.0)
        for bold in analysis.bold_runs
    )
