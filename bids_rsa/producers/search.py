"""All condition images of the participants asked for, whoever made them."""

import re
from collections.abc import Sequence

from bids_rsa.discovery.datasets import find_datasets
from bids_rsa.discovery.findings import found_files, has_bold, looked_in
from bids_rsa.discovery.index import Folders, Index
from bids_rsa.discovery.selection import QUERIES, read_filters
from bids_rsa.errors import (
    BidsRsaError,
    InputError,
    OptionError,
    ReadWriteError,
    SelectionError,
)
from bids_rsa.producers.elsewhere import pointers
from bids_rsa.producers.labels import Labels, count_trials, read_labels
from bids_rsa.producers.places import Place, find_places
from bids_rsa.producers.recognise import SOURCES, bids_images, folder_images
from bids_rsa.records import Analysis, ConditionImage
from bids_rsa.settings import InputSettings, Selection
from bids_rsa.words import guess_label, listing

# how the log names images whose source is no program
_ORIGINS = {"bids": "with BIDS names", "files": "found with --betas"}
_SUBJECT = re.compile(r"/sub-([^/]+)")
EXPECTED = (
    "Expected images named ..._contrast-<condition>_stat-<statistic>_statmap.nii.gz (on surfaces "
    "..._hemi-L_..._statmap.gii or .func.gii, for grayordinates .dscalar.nii; or the 4D betas of "
    "NiBetaSeries or bidspm) in BIDS_DIR, in BIDS_DIR/derivatives, or in the datasets "
    "given with -d/--derivatives; or name images of any program with --betas PATTERN."
)


class Search:
    """What was searched and found.

    Parameters
    ----------
    inputs : InputSettings
    output_dir : str
        Never searched.

    Attributes
    ----------
    wanted : list of str
        Participants asked for.
    files : dict
        Each one's files with BIDS names (masks and backgrounds among them).
    images : list of ConditionImage
        Of every statistic.
    failures : list of (participant, BidsRsaError)
        Participants whose images cannot be made out.
    filters : dict
        What --bids-filter-file says.
    misnamed : Misnamed
        What was not used because of its name.

    Raises
    ------
    BidsRsaError
        Nothing to work on, or a selection that matches nothing.
    """

    expected = EXPECTED
    queries: tuple[str, ...] = QUERIES
    raw_is_needed = False

    def __init__(self, inputs: InputSettings, output_dir: str) -> None:
        if inputs.source not in SOURCES:
            raise OptionError(
                f"--source {inputs.source} is not known.", f"Known: {', '.join(SOURCES)}."
            )
        self.filters = read_filters(inputs.selection.bids_filter_file, self.queries)
        self.datasets = find_datasets(inputs, output_dir)
        index = Index(self.datasets.searched, output_dir, inputs.bids_database_dir)
        self.folders = folders = index.folders
        self.misnamed = index.misnamed
        self.places = _places(inputs)
        self.unreadable: list[str] = []
        available = sorted({*(self.places or folders), *self._failed_to_read(index)})
        where = " ".join([self.where(inputs), *self.misnamed.sentences()])
        self.wanted = _wanted(available, inputs.selection, where)
        self.files = {subject: index.files(subject) for subject in self.wanted}
        self.images: list[ConditionImage] = []
        broken = self._failed_to_read(index)
        self.failures: list[tuple[str, BidsRsaError]] = [
            (subject, broken[subject]) for subject in self.wanted if subject in broken
        ]
        for subject in self.wanted:
            if subject in broken:
                continue
            try:
                self.images += self._images(subject, inputs)
            except BidsRsaError as error:
                self.failures.append((subject, error))
        if not self.images:
            self._raise_nothing(folders)

    def _failed_to_read(self, index: Index) -> dict[str, BidsRsaError]:
        """Tell which participants' folders cannot be read.

        A raw dataset contains no condition images, so there a note is enough.
        """
        failed: dict[str, BidsRsaError] = {}
        self.unreadable = []
        for dataset in self.datasets.searched:
            for path, sentence in index.problems[dataset.path]:
                subject = _SUBJECT.search(path.removeprefix(dataset.path))
                if subject is None or (dataset.kind == "raw" and not self.raw_is_needed):
                    self.unreadable.append(sentence)
                else:
                    failed[subject[1]] = ReadWriteError(
                        f"sub-{subject[1]}: {sentence}",
                        "Make it readable (in a DataLad dataset: datalad get -n), or leave the "
                        "participant out with --exclude-participant-label.",
                    )
        return failed

    def where(self, inputs: InputSettings) -> str:
        """Say where images were looked for."""
        if inputs.betas:
            return f"Looked for --betas {' '.join(inputs.betas)}."
        return looked_in(self.datasets)

    def notes(self) -> list[str]:
        """Say what was searched and which programs' images were found, for the log."""
        sources: dict[str, int] = {}
        for image in self.images:
            sources[image.source] = sources.get(image.source, 0) + 1
        told = ", ".join(
            f"{n} {_ORIGINS.get(source, f'of {source}')}" for source, n in sorted(sources.items())
        )
        return [
            *self.datasets.notes(),
            *self.unreadable,
            f"Condition images found: {told}.",
        ]

    def completed(self, analyses: list[Analysis]) -> list[Analysis]:
        """Add to the analyses of a participant what the search alone knows: here, nothing."""
        return analyses

    def _images(self, subject: str, inputs: InputSettings) -> list[ConditionImage]:
        """Find one participant's images."""
        if not self.places:
            path = inputs.labels.replace("{subject}", subject) if inputs.labels else None
            labels = read_labels(path) if path else None
            return count_trials(self._bids_images(subject, inputs), labels)
        places = self.places[subject]
        labels = _labels(inputs.labels, places)
        found = folder_images(
            places, inputs.source, labels, inputs.reference_image, inputs.stat,
            inputs.basis_function,
        )  # fmt: skip
        return count_trials(found, labels)

    def _bids_images(self, subject: str, inputs: InputSettings) -> list[ConditionImage]:
        """Find one participant's images among the files with BIDS names."""
        return bids_images(self.files[subject], inputs.source, inputs.basis_function)

    def _raise_nothing(self, folders: Folders) -> None:
        """Raise what went wrong, or say where images were looked for and what is there."""
        if self.failures:
            raise_all(self.failures)
        places = {subject: folders[subject] for subject in self.wanted if subject in folders}
        base = self.datasets.searched[0].path
        elsewhere = pointers([dataset.path for dataset in self.datasets.searched], base)
        if not self.raw_is_needed and has_bold(places):
            elsewhere = f"{elsewhere}\nTo start from preprocessed BOLD and events, add --from-bold."
        raise InputError(
            f"No condition images were found. {looked_in(self.datasets)}\n"
            f"{' '.join([found_files(self.datasets, places), *self.misnamed.sentences()])}",
            f"{elsewhere}\n{self.expected}".strip(),
        )


def raise_all(failures: Sequence[tuple[str, BidsRsaError]]) -> None:
    """Raise the first failure, with the others' messages behind it."""
    first = failures[0][1]
    others = [(s, e) for s, e in failures[1:] if e.message != first.message]
    told = "".join(f"\nsub-{subject}: {error.message}" for subject, error in others[:3])
    more = f"\n... and {len(others) - 3} more" if len(others) > 3 else ""
    raise type(first)(f"{first.message}{told}{more}", first.hint)


def _places(inputs: InputSettings) -> dict[str, list[Place]]:
    """Find the places that --betas names, by participant."""
    chosen = inputs.selection.participant_label
    found: list[Place] = []
    for pattern in inputs.betas:
        try:
            found += find_places(pattern, inputs.bids_dir, chosen, chosen)
        except SelectionError:
            # without the participants asked for there may be others to name in the message
            if not chosen or not find_places(pattern, inputs.bids_dir, (), chosen):
                raise
            found += find_places(pattern, inputs.bids_dir, (), chosen)
    places: dict[str, list[Place]] = {}
    for place in sorted(set(found), key=lambda p: p.path):
        places.setdefault(place.subject, []).append(place)
    return dict(sorted(places.items()))


def _labels(path: str | None, places: Sequence[Place]) -> Labels | None:
    """Read the labels table, which may have the participant in its path."""
    return read_labels(places[0].fill(path)) if path else None


def _wanted(available: Sequence[str], selection: Selection, where: str) -> list[str]:
    """Choose the participants that were asked for; a label that matches none is an error."""
    for option, labels in (
        ("--participant-label", selection.participant_label),
        ("--exclude-participant-label", selection.exclude_participant_label),
    ):
        unknown = [label for label in labels if label not in available]
        if unknown and available:
            raise SelectionError(
                f"{option} {' '.join(unknown)} matches no participant. {where}",
                f"{guess_label(unknown, available)}Participants found there: {listing(available)}.",
            )
    wanted = [
        subject
        for subject in available
        if subject not in selection.exclude_participant_label
        and (not selection.participant_label or subject in selection.participant_label)
    ]
    if available and not wanted:
        raise SelectionError(
            f"The options leave no participant of {listing(available)}.",
            "Check --participant-label and --exclude-participant-label.",
        )
    return wanted
