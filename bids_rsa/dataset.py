"""BIDS in: what exists becomes frozen records of images, conditions and masks."""

import logging
import time
from collections.abc import Sequence

from bids_rsa.discovery.assemble import SkippedError, Wanted, check_rows, subject_groups
from bids_rsa.discovery.conditions import apply_map, read_condition_map
from bids_rsa.discovery.datasets import Datasets, find_datasets
from bids_rsa.discovery.findings import found_files, found_images, listing, looked_in
from bids_rsa.discovery.grouping import (
    check_one_each,
    pair_variances,
    refuse_duplicates,
    run_level_wins,
)
from bids_rsa.discovery.index import Folders, IndexedFile, index_subject, list_subjects
from bids_rsa.discovery.masks import check_given
from bids_rsa.discovery.selection import read_filters, select
from bids_rsa.errors import BidsRsaError, InputError, OptionError, SelectionError
from bids_rsa.producers import statmaps
from bids_rsa.records import ConditionImage, Discovery, ImageGroup, ModelRdm
from bids_rsa.settings import InputSettings, RsaSettings, Selection

LOGGER = logging.getLogger(__name__)
EXPECTED = (
    "Expected images named ..._contrast-<condition>_stat-<statistic>_statmap.nii.gz in BIDS_DIR, "
    "in BIDS_DIR/derivatives, or in the datasets given with -d/--derivatives."
)
Files = dict[str, tuple[IndexedFile, ...]]


def list_participants(inputs: InputSettings, output_dir: str) -> tuple[str, ...]:
    """List the labels of the participants selected that have condition images, sorted.

    Raises
    ------
    InputError, SelectionError
        Nothing to work on, or a label that matches nothing.
    """
    return tuple(dict.fromkeys(image.subject for image in _Search(inputs, output_dir).images))


def find_groups(
    inputs: InputSettings, rsa: RsaSettings, models: tuple[ModelRdm, ...], output_dir: str
) -> Discovery:
    """Find the images, masks and backgrounds of every analysis asked for.

    Parameters
    ----------
    inputs : InputSettings
    rsa : RsaSettings
    models : tuple of ModelRdm
        From `bids_rsa.models.load_models`.
    output_dir : str
        Never searched.

    Returns
    -------
    Discovery
        Groups in the order of subject, session, task, acquisition, space, resolution.

    Raises
    ------
    BidsRsaError
        Whatever stops the whole run, or all its subjects.
    """
    started = time.perf_counter()
    _check_options(inputs, rsa)
    search = _Search(inputs, output_dir)
    wanted = Wanted(inputs, rsa, models, read_filters(inputs.selection.bids_filter_file))
    outcome = _Outcome(notes=search.datasets.notes())
    by_subject = outcome.choose(search, wanted)
    for subject, images in by_subject.items():
        outcome.add(subject, images, search.files[subject], wanted)
    outcome.refuse_nothing()
    seconds = time.perf_counter() - started
    count = sum(len(group.images) for group in outcome.groups)
    LOGGER.info(
        "Found %d condition images of %d participants in %.2f s",
        count, len({g.subject for g in outcome.groups}), seconds,
    )  # fmt: skip
    return Discovery(
        groups=tuple(outcome.groups),
        failures=tuple(outcome.failures),
        skipped=tuple(outcome.skipped),
        notes=tuple(dict.fromkeys(outcome.notes)),
        datasets=tuple((d.name, d.path) for d in search.datasets.searched),
        seconds=seconds,
    )


class _Search:
    """All condition images of the wanted participants, and the files around them."""

    def __init__(self, inputs: InputSettings, output_dir: str) -> None:
        self.datasets = find_datasets(inputs, output_dir)
        self.folders = list_subjects(self.datasets.searched)
        self.wanted = _wanted(self.folders, inputs.selection, self.datasets)
        self.files: Files = {s: index_subject(self.folders, s, output_dir) for s in self.wanted}
        self.images = [image for files in self.files.values() for image in statmaps.find(files)]
        if not self.images:
            raise _nothing(self.datasets, self.folders, self.wanted)


class _Outcome:
    """Groups that can run, participants that cannot, and what is to be said."""

    def __init__(self, notes: Sequence[str]) -> None:
        self.groups: list[ImageGroup] = []
        self.failures: list[tuple[str, BidsRsaError]] = []
        self.skipped: list[str] = []
        self.notes = list(notes)

    def choose(self, search: _Search, wanted: Wanted) -> dict[str, list[ConditionImage]]:
        """Select images, one per record, renamed as asked; by participant."""
        inputs, where = wanted.inputs, looked_in(search.datasets)
        chosen = select(search.images, inputs.selection, inputs.stat, wanted.filters, where)
        chosen = pair_variances(chosen, search.images)
        by_subject: dict[str, list[ConditionImage]] = {}
        for subject in search.wanted:
            images, notes = run_level_wins([i for i in chosen if i.subject == subject])
            self.notes += notes
            try:
                refuse_duplicates(images)
            except BidsRsaError as error:
                self.failures.append((subject, error))
                continue
            by_subject[subject] = images
        left = [image for images in by_subject.values() for image in images]
        if left:
            check_one_each(left, inputs.selection)
            mapped = apply_map(left, read_condition_map(inputs.condition_map))
            check_rows(wanted, mapped)
            by_subject = {s: [i for i in mapped if i.subject == s] for s in by_subject}
        self._tell_without_images(search, by_subject, wanted)
        return {subject: images for subject, images in by_subject.items() if images}

    def _tell_without_images(
        self, search: _Search, by_subject: dict[str, list[ConditionImage]], wanted: Wanted
    ) -> None:
        """Participants without images fail when they were asked for, else a note names them."""
        empty = [subject for subject, images in by_subject.items() if not images]
        if wanted.inputs.selection.participant_label:
            for subject in empty:
                own = [image for image in search.images if image.subject == subject]
                there = found_images(own) if own else "It has no condition image at all."
                self.failures.append((subject, InputError(
                    f"sub-{subject} has no condition image of those selected. "
                    f"{looked_in(search.datasets)} {there}", EXPECTED,
                )))  # fmt: skip
        elif empty:
            self.notes.append(f"Participants without condition images: {listing(empty)}.")

    def add(
        self,
        subject: str,
        images: list[ConditionImage],
        files: Sequence[IndexedFile],
        wanted: Wanted,
    ) -> None:
        """Make a participant's groups, or note why not."""
        try:
            self.groups += subject_groups(images, files, wanted)
        except SkippedError as reason:
            self.skipped.append(subject)
            self.notes.append(f"Left out (--missing skip): {reason}")
        except BidsRsaError as error:
            self.failures.append((subject, error))

    def refuse_nothing(self) -> None:
        """Raise when no participant can run: the first reason, and who else failed."""
        if self.groups:
            return
        if not self.failures:
            raise SelectionError(
                f"Every participant was left out by --missing skip: {listing(self.skipped)}.",
                "\n".join(self.notes),
            )
        first = self.failures[0][1]
        others = "".join(f"\nsub-{s}: {error.message}" for s, error in self.failures[1:4])
        more = f"\n... and {len(self.failures) - 4} more" if len(self.failures) > 4 else ""
        raise type(first)(f"{first.message}{others}{more}", first.hint)


def _check_options(inputs: InputSettings, rsa: RsaSettings) -> None:
    """Check what the options say together, before anything is searched."""
    check_given("--brain-mask", inputs.brain_mask)
    check_given("--roi-mask", inputs.roi_mask, labels_too=True)
    if inputs.missing == "drop" and not rsa.ignore_nan:
        raise OptionError(
            "--missing drop leaves cells of the RDM out, which is what --ignore-nan allows.",
            "Add --ignore-nan, or use --missing error or skip.",
        )
    if rsa.normalize == "variance" and inputs.stat != "effect":
        raise OptionError(
            f"--normalize variance divides effects by their standard errors, and --stat is "
            f"{inputs.stat}.",
            "Use --stat effect with it; t maps are normalised already.",
        )


def _wanted(folders: Folders, selection: Selection, datasets: Datasets) -> list[str]:
    """Participants that were asked for; a label that matches none is an error."""
    for option, labels in (
        ("--participant-label", selection.participant_label),
        ("--exclude-participant-label", selection.exclude_participant_label),
    ):
        unknown = [label for label in labels if label not in folders]
        if unknown and folders:
            raise SelectionError(
                f"{option} {' '.join(unknown)} matches no participant. {looked_in(datasets)}",
                f"Participants found there: {listing(list(folders))}.",
            )
    wanted = [
        subject
        for subject in folders
        if subject not in selection.exclude_participant_label
        and (not selection.participant_label or subject in selection.participant_label)
    ]
    if folders and not wanted:
        raise SelectionError(
            f"The options leave no participant of {listing(list(folders))}.",
            "Check --participant-label and --exclude-participant-label.",
        )
    return wanted


def _nothing(datasets: Datasets, folders: Folders, wanted: Sequence[str]) -> InputError:
    """Say where condition images were looked for, and what lies there instead."""
    places = {subject: folders[subject] for subject in wanted} or folders
    return InputError(
        f"No condition images were found. {looked_in(datasets)}\n{found_files(datasets, places)}",
        EXPECTED,
    )
