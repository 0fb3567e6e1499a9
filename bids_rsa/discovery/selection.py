"""Selection: the filters of the command line and of --bids-filter-file, each miss explained."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.discovery.findings import FIELDS, found_images, values
from bids_rsa.errors import ContentError, InputError, OptionError, SelectionError
from bids_rsa.records import ConditionImage
from bids_rsa.settings import Selection
from bids_rsa.words import listing

# option, field of a record, prefix that users may write
OPTIONS = (
    ("participant_label", "subject"),
    ("session_label", "session"),
    ("task_label", "task"),
    ("run_label", "run"),
    ("space", "space"),
    ("res", "resolution"),
)
# names of entities in a filter file (pybids' and the short ones) and the record's field
ENTITIES = {
    "subject": "subject", "session": "session", "task": "task", "acquisition": "acquisition",
    "run": "run", "space": "space", "res": "resolution", "resolution": "resolution",
    "contrast": "condition", "desc": "desc", "stat": "statistic", "suffix": "suffix",
    "datatype": "datatype", "extension": "extension",
}  # fmt: skip
QUERIES = ("statmap", "mask")
Filters = dict[str, dict[str, Any]]


def same_label(found: str | None, wanted: str) -> bool:
    """Compare labels: 1 and 01 are one run; ``none`` asks for images without the entity."""
    if found is None:
        return wanted == "none"
    return found == wanted or (found.isdigit() and wanted.isdigit() and int(found) == int(wanted))


def select(
    images: Sequence[ConditionImage], selection: Selection, stat: str, filters: Filters, where: str
) -> list[ConditionImage]:
    """Keep the images that were asked for.

    Parameters
    ----------
    images : sequence of ConditionImage
        All that were found, of every statistic.
    selection : Selection
    stat : str
        The statistic wanted.
    filters : dict
        From `read_filters`.
    where : str
        Where they were looked for, for messages.

    Raises
    ------
    SelectionError
        A label that matches nothing, or filters that leave nothing; says what there is.
    """
    kept = list(images)
    for option, field in OPTIONS:
        wanted = getattr(selection, option)
        if wanted and option != "participant_label":
            exact = field != "run"
            kept = _keep(kept, field, wanted, f"--{option.replace('_', '-')}", where, exact)
    kept = _filtered(kept, filters.get("statmap", {}), where, selection.bids_filter_file)
    return _keep(kept, "statistic", (stat,), "--stat", where, True)


def _keep(
    images: list[ConditionImage],
    field: str,
    wanted: Sequence[str],
    option: str,
    where: str,
    exact: bool,
) -> list[ConditionImage]:
    """Keep images whose field is one of the labels; a label that matches none is an error."""
    match: Callable[[str | None, str], bool] = _equal if exact else same_label
    for label in wanted:
        if not any(match(getattr(image, field), label) for image in images):
            there = listing(values(images, field))
            raise SelectionError(
                f"{option} {label} matches no condition image. {FIELDS[field].capitalize()} "
                f"found: {there}.\n{where} {found_images(images)}",
                f"Choose among: {there}.",
            )
    return [i for i in images if any(match(getattr(i, field), label) for label in wanted)]


def _equal(found: str | None, wanted: str) -> bool:
    """Compare labels as they are; ``none`` asks for images without the entity."""
    return (found or "none") == wanted


def read_filters(path: str | None) -> Filters:
    """Read a filter file: {"statmap": {"task": "x", "run": [1, 2], "space": null}, "mask": {...}}.

    Raises
    ------
    InputError, ContentError, OptionError
        No such file, no JSON, unknown keys.
    """
    if path is None:
        return {}
    if not Path(path).is_file():
        raise InputError(f"--bids-filter-file: there is no file {path}.")
    try:
        filters = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise ContentError(f"--bids-filter-file {path} cannot be read as JSON: {error}.") from error
    if not isinstance(filters, dict) or not all(isinstance(v, dict) for v in filters.values()):
        raise ContentError(
            f"--bids-filter-file {path}: expected an object of objects.",
            'For example {"statmap": {"task": "faces"}, "mask": {"desc": "brain"}}.',
        )
    unknown = [k for k in filters if k not in QUERIES]
    unknown += [f"{k}.{e}" for k, v in filters.items() for e in v if e not in ENTITIES]
    if unknown:
        raise OptionError(
            f"--bids-filter-file {path}: unknown {', '.join(unknown)}.",
            f"Known queries: {', '.join(QUERIES)}; known entities: {', '.join(ENTITIES)}.",
        )
    return filters


def passes(item: object, query: dict[str, Any]) -> bool:
    """Tell whether a record or an indexed file passes the entities of one query."""
    return all(_passes_one(item, ENTITIES[name], value) for name, value in query.items())


def _passes_one(item: object, field: str, value: Any) -> bool:
    """Compare one entity; null: must be absent, "*": must be there, a list: any of it."""
    if not hasattr(item, field):
        return True
    found = getattr(item, field)
    if isinstance(value, str) and value.strip("<").startswith("Query."):  # as fMRIPrep writes them
        if "OPTIONAL" in value:
            return True
        value = None if "NONE" in value else "*"
    if value is None:
        return found is None
    if value == "*":
        return found is not None
    wanted = value if isinstance(value, list) else [value]
    return any(same_label(found, str(label)) for label in wanted)


def _filtered(
    images: list[ConditionImage], query: dict[str, Any], where: str, path: str | None
) -> list[ConditionImage]:
    """Apply the filter file to the condition images."""
    kept = [image for image in images if passes(image, query)]
    if images and not kept:
        raise SelectionError(
            f"--bids-filter-file {path}: no condition image passes {json.dumps(query)}.\n"
            f"{where} {found_images(images)}"
        )
    return kept
