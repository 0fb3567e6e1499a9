"""Selection: the filters of the command line and of --bids-filter-file, each miss explained."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bids_rsa.discovery.findings import WORDS, found_images, values
from bids_rsa.entities import ENTITIES, FIELDS, by_value, file_facts, name_pairs, short_key
from bids_rsa.errors import ContentError, InputError, OptionError, SelectionError
from bids_rsa.records import ConditionImage
from bids_rsa.settings import Selection
from bids_rsa.tables import json_of
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
# what a filter may name next to the entities of BIDS names
FACTS = ("contrast", "desc", "stat", "suffix", "extension", "datatype", "node")
QUERIES = ("statmap", "mask")
Filters = dict[str, dict[str, Any]]


def same_label(found: str | None, wanted: str) -> bool:
    """Compare labels: 1 and 01 are one run; ``none`` asks for images without the entity."""
    if found is None:
        return wanted == "none"
    return by_value(found) == by_value(wanted)


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

    def fits(image: ConditionImage, label: str) -> bool:
        if field == "space":
            return of_space(image, label)
        match: Callable[[str | None, str], bool] = _equal if exact else same_label
        return match(getattr(image, field), label)

    for label in wanted:
        if not any(fits(image, label) for image in images):
            there = listing(values(images, field))
            raise SelectionError(
                f"{option} {label} matches no condition image. {WORDS[field].capitalize()} "
                f"found: {there}.\n{where} {found_images(images)}",
                f"Choose among: {there}.",
            )
    return [image for image in images if any(fits(image, label) for label in wanted)]


def of_space(item: Any, label: str) -> bool:
    """Tell whether an item is of a space as --space names it, also ``X:res-2:cohort-1``."""
    space, *more = label.split(":")
    pairs = [part.partition("-")[::2] for part in more]
    return _equal(item.space, space) and all(
        same_label(value_of(item, key), value) for key, value in pairs
    )


def _equal(found: str | None, wanted: str) -> bool:
    """Compare labels as they are; ``none`` asks for images without the entity."""
    return (found or "none") == wanted


def read_filters(path: str | None, queries: Sequence[str] = QUERIES) -> Filters:
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
        filters = json_of(Path(path).read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        raise ContentError(f"--bids-filter-file {path} cannot be read as JSON: {error}.") from error
    if not isinstance(filters, dict) or not all(isinstance(v, dict) for v in filters.values()):
        raise ContentError(
            f"--bids-filter-file {path}: expected an object of objects.",
            'For example {"statmap": {"task": "faces"}, "mask": {"desc": "brain"}}.',
        )
    unknown = [k for k in filters if k not in queries]
    unknown += [
        f"{k}.{e}" for k, v in filters.items() for e in v if not (e in FACTS or short_key(e))
    ]
    if unknown:
        raise OptionError(
            f"--bids-filter-file {path}: unknown {', '.join(unknown)}.",
            f"Known queries: {', '.join(queries)}; known entities: "
            f"{', '.join([*FACTS, *ENTITIES.values()])}, and their short keys.",
        )
    return filters


def passes(item: Any, query: dict[str, Any]) -> bool:
    """Tell whether a record or an indexed file passes the entities of one query."""
    return all(_passes_one(value_of(item, name), value) for name, value in query.items())


def value_of(item: Any, name: str) -> str | None:
    """Return the value that a record, an indexed file or a map has of an entity or a fact.

    Parameters
    ----------
    item : object
        With ``path`` and ``others``, and a field for each entity of `bids_rsa.entities.FIELDS`.
    name : str
        A key, pybids' name of it, or one of `FACTS`.
    """
    key = short_key(name) or name
    if key in FIELDS:
        return getattr(item, FIELDS[key], None)
    if key == "contrast" and hasattr(item, "condition"):
        return str(item.condition)
    if key == "stat" and hasattr(item, "statistic"):
        return str(item.statistic)
    path = getattr(item, "path", "")
    return (file_facts(path) | dict(name_pairs(path)) | dict(item.others)).get(key)


def _passes_one(found: str | None, value: Any) -> bool:
    """Compare one entity; null: must be absent, "*": must be there, a list: any of it."""
    if isinstance(value, str) and value.strip("<").startswith("Query."):  # as fMRIPrep writes them
        if "OPTIONAL" in value:
            return True
        value = None if "NONE" in value else "*"
    if value is None:
        return found is None
    if value == "*":
        return found is not None
    wanted = value if isinstance(value, list) else [value]
    return any(_same(found, label) for label in wanted)


def _same(found: str | None, label: Any) -> bool:
    """Compare a value with one that is wanted; an extension may lack its first dot."""
    if label is None:
        return found is None
    return same_label(found, str(label)) or ((found or "").startswith(".") and found == f".{label}")


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
