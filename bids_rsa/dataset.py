"""BIDS in: what exists becomes frozen records of images, conditions and masks."""

import time
from collections.abc import Iterable
from dataclasses import replace

from bids_rsa.discovery.assemble import SkippedError, Wanted, check_rows, subject_analyses
from bids_rsa.discovery.conditions import apply_map, read_condition_map
from bids_rsa.discovery.findings import found_images
from bids_rsa.discovery.given_files import check_given
from bids_rsa.discovery.grouping import (
    check_one_each,
    lowest_node_wins,
    pair_variances,
    refuse_duplicates,
    run_level_wins,
    same_indices,
)
from bids_rsa.discovery.hemispheres import join_hemispheres
from bids_rsa.discovery.selection import select
from bids_rsa.discovery.unused import refuse_unused
from bids_rsa.errors import BidsRsaError, InputError, OptionError, SelectionError
from bids_rsa.producers.residuals import with_residuals
from bids_rsa.producers.search import Search, raise_all
from bids_rsa.records import Analysis, ConditionImage, Discovery, ModelRdm
from bids_rsa.regions.find import find_sources
from bids_rsa.settings import BoldSettings, InputSettings, RegionSettings, RsaSettings
from bids_rsa.words import few, listing

BySubject = dict[str, list[ConditionImage]]


def list_participants(
    inputs: InputSettings, output_dir: str, bold: BoldSettings | None = None
) -> tuple[str, ...]:
    """List the labels of the participants selected that have condition images, sorted.

    Raises
    ------
    InputError, SelectionError
        Nothing to work on, or a label that matches nothing.
    """
    search = _search(inputs, output_dir, bold)
    # those whose images cannot be made out are listed too: their job says what is wrong
    found = {image.subject for image in search.images} | {s for s, _ in search.failures}
    return tuple(sorted(found))


def _search(inputs: InputSettings, output_dir: str, bold: BoldSettings | None) -> Search:
    """Search for condition images, or for the BOLD runs that they are estimated from."""
    if bold is None or not bold.from_bold:
        return Search(inputs, output_dir)
    # nilearn's models take a second to import: only where they are needed
    from bids_rsa.producers.bold import BoldSearch

    return BoldSearch(inputs, output_dir, bold)


def find_analyses(
    inputs: InputSettings,
    rsa: RsaSettings,
    models: tuple[ModelRdm, ...],
    output_dir: str,
    bold: BoldSettings | None = None,
    regions: RegionSettings | None = None,
) -> Discovery:
    """Find the images, masks and backgrounds of every analysis asked for.

    Parameters
    ----------
    inputs : InputSettings
    rsa : RsaSettings
    models : tuple of ModelRdm
        From `bids_rsa.models.loading.load_models`.
    output_dir : str
        Never searched.
    bold : BoldSettings, optional
        How images are estimated, where they are not there yet.
    regions : RegionSettings, optional
        Regions to find for each analysis.

    Returns
    -------
    Discovery
        Analyses in the order of participant, session, task, acquisition, space, resolution.

    Raises
    ------
    BidsRsaError
        Whatever stops the whole run, or all its participants.
    """
    started = time.perf_counter()
    _check_options(inputs, rsa)
    search = _search(inputs, output_dir, bold)
    wanted = Wanted(inputs, rsa, models, search.filters)
    regions = regions or RegionSettings()
    outcome = _Outcome(search.notes(), search.failures)
    by_subject = outcome.choose(search, wanted)
    for subject, images in by_subject.items():
        outcome.add(subject, images, search, wanted, regions)
    outcome.refuse_nothing()
    refuse_unused(inputs, outcome.analyses)
    seconds = time.perf_counter() - started
    return Discovery(
        analyses=tuple(outcome.analyses),
        failures=tuple(outcome.failures),
        skipped=tuple(outcome.skipped),
        notes=tuple(dict.fromkeys([*outcome.notes, *_analysis_notes(outcome.analyses)])),
        warnings=tuple(search.misnamed.sentences()),
        datasets=tuple((d.name, d.path) for d in search.datasets.searched),
        seconds=seconds,
    )


class _Outcome:
    """Analyses that can run, participants that cannot, and what is to be said."""

    def __init__(self, notes: list[str], failures: list[tuple[str, BidsRsaError]]) -> None:
        self.analyses: list[Analysis] = []
        self.failures = list(failures)
        self.skipped: list[str] = []
        self.notes = notes

    def choose(self, search: Search, wanted: Wanted) -> BySubject:
        """Select images, one per record, renamed as asked; by participant."""
        inputs = wanted.inputs
        where = search.where(inputs)
        everything = same_indices(search.images)
        chosen = select(everything, inputs.selection, inputs.stat, wanted.filters, where)
        chosen = pair_variances(chosen, everything)
        failed = {subject for subject, _ in self.failures}
        by_subject: BySubject = {s: [] for s in search.wanted if s not in failed}
        for subject, found in _by_subject(chosen).items():
            images, notes = run_level_wins(found)
            images, further = lowest_node_wins(images)
            self.notes += notes + further
            try:
                refuse_duplicates(images)
                images = join_hemispheres(images)
            except BidsRsaError as error:
                self.failures.append((subject, error))
                del by_subject[subject]
            else:
                by_subject[subject] = images
        left = [image for images in by_subject.values() for image in images]
        if left:
            check_one_each(left, inputs.selection)
            pairs = read_condition_map(inputs.condition_map)
            # a run of one participant may lack what others have
            mapped = apply_map(left, pairs, strict=inputs.missing == "error")
            check_rows(wanted, mapped)
            by_subject = {s: [] for s in by_subject} | _by_subject(mapped)
        self._tell_without_images(search, by_subject, wanted)
        return {subject: images for subject, images in by_subject.items() if images}

    def _tell_without_images(self, search: Search, by_subject: BySubject, wanted: Wanted) -> None:
        """Participants without images fail when they were asked for, else a note names them."""
        empty = [subject for subject, images in by_subject.items() if not images]
        if wanted.inputs.selection.participant_label:
            for subject in empty:
                own = [image for image in search.images if image.subject == subject]
                there = found_images(own) if own else "It has no condition image at all."
                what = f"sub-{subject} has no condition image of those selected."
                message = f"{what} {search.where(wanted.inputs)} {there}"
                self.failures.append((subject, InputError(message, search.expected)))
        elif empty:
            self.notes.append(f"Participants without condition images: {listing(empty)}.")

    def add(
        self,
        subject: str,
        images: list[ConditionImage],
        search: Search,
        wanted: Wanted,
        regions: RegionSettings,
    ) -> None:
        """Make a participant's analyses, or note why not."""
        files, datasets = search.files[subject], [one.path for one in search.datasets.searched]
        try:
            analyses = search.completed(subject_analyses(images, files, wanted, datasets))
            analyses = with_residuals(analyses, files, wanted)
            self.analyses += [
                replace(analysis, regions=find_sources(analysis, files, datasets, regions))
                for analysis in analyses
            ]
        except SkippedError as reason:
            self.skipped.append(subject)
            self.notes.append(f"Left out (--missing skip): {reason}")
        except BidsRsaError as error:
            self.failures.append((subject, error))

    def refuse_nothing(self) -> None:
        """Raise when no participant can run: the first reason, and who else failed."""
        if self.analyses:
            return
        if not self.failures:
            raise SelectionError(
                f"Every participant was left out by --missing skip: {listing(self.skipped)}.",
                "\n".join(self.notes),
            )
        raise_all(self.failures)


def _by_subject(images: Iterable[ConditionImage]) -> BySubject:
    """Sort images by participant."""
    sorted_images: BySubject = {}
    for image in images:
        sorted_images.setdefault(image.subject, []).append(image)
    return sorted_images


def _analysis_notes(analyses: Iterable[Analysis]) -> list[str]:
    """List the analyses' notes, each once with the analyses that share it."""
    notes: dict[str, list[str]] = {}
    for analysis in analyses:
        for note in analysis.notes:
            notes.setdefault(note, []).append(analysis.label)
    return [f"{few(labels)}: {note}" for note, labels in notes.items()]


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
