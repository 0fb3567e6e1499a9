"""Which BOLD images are used: those asked for, of one space and one form, one for each run."""

from collections.abc import Sequence
from typing import Any

from bids_rsa.discovery.selection import of_space, same_label
from bids_rsa.entities import by_number, by_value
from bids_rsa.errors import OptionError, SelectionError
from bids_rsa.estimation.bold_files import BoldFile
from bids_rsa.settings import Selection
from bids_rsa.words import listing

_FORM_WORDS = {"volume": "volumes", "surface": "surfaces", "grayordinates": "grayordinates"}


def select_bold(found: Sequence[BoldFile], selection: Selection) -> list[BoldFile]:
    """Keep the runs that were asked for, before their events are read.

    Raises
    ------
    SelectionError
        Nothing is left; says what there is.
    """
    kept = list(found)
    for option, field, wanted in (
        ("--session-label", "session", selection.session_label),
        ("--task-label", "task", selection.task_label),
        ("--run-label", "run", selection.run_label),
        ("--space", "space", selection.space),
        ("--res", "resolution", selection.res),
    ):
        if wanted:
            fitting = [b for b in kept if any(_fits(b, field, label) for label in wanted)]
            _refuse_none(fitting, kept, field, f"{option} {' '.join(wanted)}")
            kept = fitting
    return kept


def _fits(bold: BoldFile, field: str, label: str) -> bool:
    """Compare an entity of a BOLD image with a label that was asked for."""
    if field == "space":
        return of_space(bold.file, label)
    return same_label(getattr(bold.file, field), label)


def _refuse_none(
    kept: Sequence[BoldFile], found: Sequence[BoldFile], field: str, what: str
) -> None:
    """Refuse a choice that leaves nothing."""
    if kept:
        return
    there = sorted({getattr(file.file, field) or "none" for file in found})
    subject = found[0].file.subject
    raise SelectionError(
        f"{what} matches no BOLD image of sub-{subject}. There: {field} {listing(there)}.",
        f"Choose among: {listing(there)}.",
    )


def _with_forms(label: str, field: str, files: Sequence[BoldFile]) -> str:
    """Say what the images with a label are, where some are on surfaces."""
    forms = {f.form for f in files if (getattr(f.file, field) or "none") == label}
    if all(file.form == "volume" for file in files):
        return label
    return f"{label} ({', '.join(sorted(_FORM_WORDS[form] for form in forms))})"


def _check_one_form(files: Sequence[BoldFile]) -> None:
    """Refuse images of one space that are of several forms."""
    by_space: dict[str | None, dict[str, BoldFile]] = {}
    for bold in files:
        by_space.setdefault(bold.file.space, {}).setdefault(bold.form, bold)
    for space, forms in by_space.items():
        if len(forms) > 1:
            one, other = list(forms.values())[:2]
            raise OptionError(
                f"The BOLD images of space {space or 'none'} are of several forms: "
                f"{listing([_FORM_WORDS[form] for form in forms])}, for example {one.file.path} "
                f"and {other.file.path}.",
                "Choose with --bids-filter-file, for example "
                f'{{"bold": {{"extension": "{one.file.extension}"}}}}.',
            )


def check_one_each(files: Sequence[BoldFile], selection: Selection) -> None:
    """Refuse several spaces or resolutions where none was asked for, and two images of one run."""
    for field, option, asked in (
        ("space", "--space", selection.space),
        ("resolution", "--res", selection.res),
    ):
        there = sorted({getattr(file.file, field) or "none" for file in files})
        if len(there) > 1 and not asked:
            spaces = {(f.file.space, f.file.resolution) for f in files}
            if field == "resolution" and len(spaces) == len({space for space, _ in spaces}):
                continue
            named = [_with_forms(label, field, files) for label in there]
            raise OptionError(
                f"The BOLD images come in several {field}s, and one must be chosen: "
                f"{listing(named)}.",
                f"Choose with {option} {there[0]}.",
            )
    _check_one_form(files)
    seen: dict[tuple[Any, ...], BoldFile] = {}
    for bold in files:
        file = bold.file
        run = by_value(file.run)
        space = (file.space, file.resolution)
        others = tuple(by_number(bold.others).items())
        key = (file.session, file.task, file.acquisition, run, *space, others, bold.form)
        first = seen.setdefault(key, bold)
        if first is not bold:
            differ = sorted(
                k
                for k in first.entities.keys() | bold.entities.keys()
                if first.entities.get(k) != bold.entities.get(k)
            )
            raise OptionError(
                f"Two BOLD images of one run: {first.file.path} and {file.path}"
                + (f"; they differ in {', '.join(differ)}." if differ else "."),
                "Name the dataset to use with -d/--derivatives, or remove one of them.",
            )
