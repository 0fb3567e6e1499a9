"""Condition images that are still to be estimated: from BOLD runs and their events."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bids_rsa.discovery.index import Folders
from bids_rsa.errors import InputError, SelectionError
from bids_rsa.estimation.bold_files import BoldFile, find_bold_files
from bids_rsa.estimation.bold_hemispheres import join_bold_hemispheres
from bids_rsa.estimation.names import contrast_labels, estimate_paths
from bids_rsa.estimation.runs import Schedule, check_estimable, plan_run, read_schedule
from bids_rsa.producers.bold_choice import check_one_each, select_bold
from bids_rsa.producers.search import Search
from bids_rsa.records import ESTIMATES, Analysis, BoldRun, ConditionImage
from bids_rsa.settings import BoldSettings, InputSettings
from bids_rsa.words import few

SOURCE = "BOLD"


class BoldSearch(Search):
    """What was searched for BOLD runs, and the images that will be estimated from them.

    Parameters
    ----------
    inputs : InputSettings
    output_dir : str
        Where the estimates will be written.
    bold : BoldSettings
    """

    expected = (
        "Expected fMRIPrep's ..._desc-preproc_bold.nii.gz (on surfaces "
        "..._hemi-L_..._bold.func.gii, for grayordinates .dtseries.nii) in the datasets given with "
        "-d/--derivatives or in BIDS_DIR/derivatives, and ..._events.tsv in BIDS_DIR."
    )

    queries = ("bold", "events", "confounds", "mask")
    raw_is_needed = True

    def __init__(self, inputs: InputSettings, output_dir: str, bold: BoldSettings) -> None:
        self.bold = bold
        self.mask_given = inputs.brain_mask is not None
        self.output_dir = str(Path(output_dir).absolute())
        self.runs: dict[str, tuple[BoldFile, Schedule]] = {}
        self._notes: list[str] = []
        self._unselected: list[SelectionError] = []
        super().__init__(inputs, output_dir)

    def notes(self) -> list[str]:
        """Say what was searched and found, for the log."""
        return [
            *self.datasets.notes(),
            f"BOLD runs found: {len(self.runs)}.",
            *dict.fromkeys(self._notes),
        ]

    def completed(self, analyses: Sequence[Analysis]) -> list[Analysis]:
        """Add the runs with their designs, and check that each image can be estimated.

        Raises
        ------
        BidsRsaError
            A design cannot be made, or does not allow to estimate a condition.
        """
        return [self._completed(analysis) for analysis in analyses]

    def _images(self, subject: str, inputs: InputSettings) -> list[ConditionImage]:
        """List the images that will be estimated from a participant's runs."""
        found = find_bold_files(
            self.folders[subject],
            self.datasets.searched,
            self.output_dir,
            self.filters,
            self.misnamed,
        )
        if not found:
            return []
        try:
            chosen = join_bold_hemispheres(select_bold(found, inputs.selection))
        except SelectionError as error:  # other participants may have what was asked for
            self._unselected.append(error)
            return []
        check_one_each(chosen, inputs.selection)
        with_events = [file for file in chosen if file.events is not None]
        tasks = {file.file.task for file in with_events}
        images: list[ConditionImage] = []
        for file in chosen:
            if file.events is None and tasks and file.file.task not in tasks:
                self._notes.append(f"No run of task-{file.file.task} has events: left out.")
                continue
            alone = dict(file.others).get("hemi")
            if alone:
                self._notes.append(f"sub-{subject}: there is BOLD of hemi-{alone} alone.")
            schedule = read_schedule(file, self.bold)
            self.runs[file.file.path] = (file, schedule)
            images += self._estimates(file, schedule)
        return images

    def _raise_nothing(self, folders: Folders) -> None:
        """Raise what went wrong, or say what there is to choose among."""
        if self._unselected and not self.failures:
            raise self._unselected[0]
        super()._raise_nothing(folders)

    def _estimates(self, bold: BoldFile, schedule: Schedule) -> list[ConditionImage]:
        """List the images that a run will have, in the order of its estimates."""
        names = schedule.events.names
        labels = contrast_labels(names)
        images = []
        for name in names:
            n_events = schedule.events.count(name)
            if self.bold.estimate == "conditions":
                images.append(self._image(bold, name, labels[name], None, n_events))
            else:
                images += [
                    self._image(bold, name, labels[name], trial, 1) for trial in range(n_events)
                ]
        return images

    def _image(
        self, bold: BoldFile, condition: str, label: str, trial: int | None, n_trials: int
    ) -> ConditionImage:
        """Make the record of one estimate, with that of the right hemisphere."""
        file = bold.file
        effects, variances = (
            [f"{self.output_dir}/{path}" for path in estimate_paths(bold, label, stat)]
            for stat in ("effect", "variance")
        )
        halves = [
            ConditionImage(
                path=effect,
                subject=file.subject,
                condition=condition,
                statistic="effect",
                run=file.run,
                volume=trial,
                variance_path=variance,
                variance_volume=trial,
                n_trials=n_trials,
                source=SOURCE,
                reader=ESTIMATES[bold.form],
                dataset=file.dataset.path,
                reference=path,
                **(file.named | {"others": bold.others}),
            )
            for path, effect, variance in zip(bold.paths, effects, variances, strict=True)
        ]
        return replace(halves[0], right=halves[1] if halves[1:] else None)

    def _completed(self, analysis: Analysis) -> Analysis:
        """Add the runs of one analysis."""
        runs = {}
        given = next(iter(analysis.brain_mask.paths), None) if self.mask_given else None
        for path in dict.fromkeys(image.reference for image in analysis.images):
            bold, schedule = self.runs[path or ""]
            mask = _mask(bold, given) if bold.form == "volume" else ""
            run = plan_run(bold, schedule, self.bold, mask, analysis.surfaces)
            runs[path] = replace(run, condition_names=_names(run, self.output_dir))
        for image in analysis.images:
            run = runs[image.reference]
            check_estimable(run, dict(run.condition_names)[image.path])
        return replace(
            analysis,
            bold_runs=tuple(runs.values()),
            notes=(*analysis.notes, *_timing_notes(tuple(runs.values())), *_notes(runs.values())),
        )


def _names(run: BoldRun, output_dir: str) -> tuple[tuple[str, str], ...]:
    """Pair the path of each condition's estimates with its name in the events."""
    assert run.design is not None
    labels = contrast_labels(run.design.conditions)
    return tuple(
        (f"{output_dir}/{estimate_paths(run, label, 'effect')[0]}", name)
        for name, label in labels.items()
    )


def _mask(bold: BoldFile, given: str | None) -> str:
    """Choose the mask of the voxels to estimate: the run's own, else the one given."""
    mask = bold.mask or given
    if mask is None:
        raise InputError(
            f"{bold.label}: no mask ..._desc-brain_mask.nii.gz of the run was found.",
            "Give one with --brain-mask.",
        )
    return mask


def _timing_notes(runs: Sequence[BoldRun]) -> list[str]:
    """Say which times were used and where they come from, each once."""
    told: dict[str, list[str]] = {}
    for run in runs:
        text = (
            f"repetition time {run.repetition_time_s:g} s ({run.repetition_time_source}), "
            f"StartTime {run.start_time_s:g} s ({run.start_time_source})"
        )
        told.setdefault(text, []).append(run.run or run.label)
    return [
        f"BOLD, {'all runs' if len(told) == 1 else f'runs {few(names)}'}: {text}."
        for text, names in told.items()
    ]


def _notes(runs: Iterable[BoldRun]) -> list[str]:
    """List the notes on the runs' events and designs, each once."""
    told: dict[str, list[str]] = {}
    for run in runs:
        for note in run.notes:
            told.setdefault(note, []).append(run.run or run.label)
    return [f"Run {few(names)}: {note}" for note, names in told.items()]
