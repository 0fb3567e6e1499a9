"""Noise ceilings at group level, from analyses that are found again by their logged settings."""

import logging
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bids_rsa.app.compared import covariance_of, models_of
from bids_rsa.core.comparison.table import find_comparison
from bids_rsa.core.dissimilarity.table import needs_noise
from bids_rsa.core.noise.model import NoiseModel, no_noise
from bids_rsa.core.side_by_side import PatternSet
from bids_rsa.dataset import find_groups
from bids_rsa.errors import BidsRsaError, ContentError, InputError
from bids_rsa.group.ceilings import (
    CeilingSource,
    ceiling_tests,
    compute_ceilings,
    plan_ceilings,
    write_ceiling,
)
from bids_rsa.group.names import mask_path
from bids_rsa.group.records import GroupTest, ParticipantMap
from bids_rsa.group.write import GroupJob
from bids_rsa.interfaces.progress import progress_bar
from bids_rsa.models.cells import scored
from bids_rsa.models.loading import condensed, load_models
from bids_rsa.options.arguments import parse
from bids_rsa.outputs.derivatives import check_replaceable, is_complete
from bids_rsa.outputs.maps import metric_parameters
from bids_rsa.outputs.provenance import hash_analysis, refuse_changed
from bids_rsa.outputs.sidecars import plan_images
from bids_rsa.patterns.noise_samples import noise_of
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.patterns.stacking import StackedPatterns, stack_group
from bids_rsa.records import Analysis, ModelRdm
from bids_rsa.settings import RsaSettings, Settings
from bids_rsa.spaces.images import open_image

LOGGER = logging.getLogger(__name__)


def write_ceilings(
    jobs: Sequence[GroupJob], settings: Settings, n_threads: int, work: Path
) -> None:
    """Compute and write the noise ceilings of complete tests.

    Raises
    ------
    BidsRsaError
        Subjects' RDMs that cannot be made again.
    """
    output = Path(settings.run.output_dir).absolute()
    by_images: dict[tuple[object, ...], list[GroupJob]] = {}
    chosen = ceiling_tests([job.test for job in jobs])
    for job in jobs:
        if job.test not in chosen:
            LOGGER.info(
                "%s: no noise ceiling, which there is only for mean scores of comparisons that "
                "take each model by itself.",
                job.test.label,
            )
            continue
        planned = plan_ceilings(job.test)
        if not settings.run.overwrite:
            check_replaceable(output, planned)
        if is_complete(output, planned, ()):
            LOGGER.info("%s: the noise ceiling is complete: skipped.", job.test.label)
            continue
        images = (replace(job.test.key, comparison=""), job.test.subjects)
        by_images.setdefault(images, []).append(job)
    for together in by_images.values():
        tests = [job.test for job in together]
        with tempfile.TemporaryDirectory(prefix="ceiling_", dir=work) as folder:
            sources = [
                _source(number, tests, settings, Path(folder), n_threads)
                for number in range(len(tests[0].members))
            ]
            total = _n_centers(tests, output)
            with progress_bar(total, "noise ceiling", 0, "voxels") as advance:
                ceilings = compute_ceilings(tests, sources, output, n_threads, advance)
        for job, ceiling in zip(together, ceilings, strict=True):
            write_ceiling(job.test, plan_ceilings(job.test), ceiling, output, dict(job.links))
            means = {stat: np.nanmean(values) for stat, values in ceiling.maps.items()}
            LOGGER.info(
                "%s: noise ceiling from %.3f to %.3f (means over voxels).",
                job.test.label, means["ceilingLower"], means["ceilingUpper"],
            )  # fmt: skip


def _n_centers(tests: Sequence[GroupTest], output: Path) -> int:
    """Count the voxels that any of the tests has."""
    masks = [np.asarray(open_image(str(output / mask_path(test))).dataobj) > 0 for test in tests]
    return int(np.logical_or.reduce(masks).sum())


def _source(
    number: int, tests: Sequence[GroupTest], settings: Settings, folder: Path, n_threads: int
) -> CeilingSource:
    """Read a subject's images as its participant run did."""
    maps = [test.members[number].maps[0][0] for test in tests]
    analysis, rsa, models = _find_analysis(maps, settings, n_threads)
    if analysis.bold_runs:
        raise InputError(
            f"--noise-ceiling: the images of sub-{analysis.subject} were estimated from BOLD by "
            "this program, and it cannot yet compute RDMs of those again.",
            "Give the estimates to a participant run as images of their own (-d), or leave "
            "--noise-ceiling away.",
        )
    stacked = stack_group(analysis, rsa.reading, n_threads)
    noise = _noise(analysis, rsa, stacked, folder, n_threads)
    path = folder / f"{analysis.subject}.npy"
    np.save(path, stacked.patterns)
    plan = plan_stack(analysis, rsa.reading)
    own = scored(models_of(analysis, plan, models, rsa))
    patterns = PatternSet(
        np.load(path, mmap_mode="r"),
        stacked.patch_mask,
        rsa.dissimilarity,
        metric_parameters(rsa, stacked.patch_mask),
        rsa.min_voxels,
        rsa.ignore_nan,
        noise,
        rsa.patch_size,
    )
    cells = condensed(own, stacked.conditions)
    covariance = None
    if any(find_comparison(test.key.comparison).whitened for test in tests):
        covariance = covariance_of(analysis, plan, rsa)
    return CeilingSource(
        analysis.subject,
        patterns,
        rsa.radius_mm,
        dict(zip([model.name for model in own], cells, strict=True)),
        covariance,
    )


def _noise(
    analysis: Analysis, rsa: RsaSettings, stacked: StackedPatterns, folder: Path, n_threads: int
) -> NoiseModel | None:
    """Read what noise is estimated from."""
    if rsa.noise == "none":
        n_voxels = len(stacked.patterns)
        return no_noise(n_voxels) if needs_noise(rsa.dissimilarity) else None
    path = folder / f"{analysis.subject}_noise.npy"
    layout = stacked.space.layout
    return noise_of(analysis, rsa, stacked.patch_mask, layout, path, n_threads).model()


def _find_analysis(
    maps: Sequence[ParticipantMap], settings: Settings, n_threads: int
) -> tuple[Analysis, RsaSettings, tuple[ModelRdm, ...]]:
    """Find the run that made a subject's maps, the newest whose settings and inputs fit.

    Raises
    ------
    InputError, ContentError
        No run does.
    """
    one = maps[0]
    root = Path(one.path.partition(f"/sub-{one.subject}/")[0]) / f"sub-{one.subject}"
    logged = sorted(root.glob("log/*/bids_rsa.toml"), reverse=True)
    why = "there are no logged settings in its log folder"
    for path in logged:
        try:
            found = _analysis_of(path, one, settings, n_threads)
        except BidsRsaError as error:
            why = f"{path}: {error.message}"
            continue
        analysis, rsa, models, hashes = found
        if all(hashes.get(Path(own.path).name) == own.metadata["SettingsHash"] for own in maps):
            return analysis, rsa, models
        why = f"the images, masks, models or settings of {path} are not those of the maps"
    raise ContentError(
        f"--noise-ceiling: the RDMs of sub-{one.subject} cannot be computed again: {why}.",
        "Paths in the logged settings are taken from the folder in which the participant level "
        "was called: call the group level there. Or run the participant level again, with all "
        "models and comparisons in one call.",
    )


def _analysis_of(
    path: Path, one: ParticipantMap, settings: Settings, n_threads: int
) -> tuple[Analysis, RsaSettings, tuple[ModelRdm, ...], dict[str, str]]:
    """Repeat a logged run up to its analyses; and hash the settings of its files, by name."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    words = shlex.split(first.partition(": bids_rsa ")[2])
    bids_dir = words[0] if words and Path(words[0]).is_dir() else settings.inputs.bids_dir
    run = parse([bids_dir, settings.run.output_dir, "participant", "--config-file", str(path)])
    selection = replace(run.inputs.selection, participant_label=(one.subject,))
    inputs = replace(run.inputs, selection=selection)
    models = load_models(inputs)
    found = find_groups(inputs, run.rsa, models, settings.run.output_dir, run.bold)
    name = Path(one.path).name
    for analysis in found.groups:
        if not name.startswith(f"{analysis.label}_stat-"):
            continue
        hashes = hash_analysis(analysis, n_threads)
        refuse_changed(hashes.files)
        planned = plan_images(analysis, run.rsa, models, hashes)
        own = {Path(file.path).name: file.settings_hash for file in planned}
        return analysis, run.rsa, models, own
    raise InputError(f"There is no analysis {name}.")
