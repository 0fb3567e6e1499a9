"""What a text on the command line means: labels, numbers, names of metrics, JSON."""

import json
import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from bids_rsa.core.comparison.table import COMPARISONS
from bids_rsa.core.dissimilarity.table import DISSIMILARITIES
from bids_rsa.entities import short_key
from bids_rsa.tables import json_of

LEVELS = ("participant", "group")


def level(text: str) -> str:
    """Read the level of the analysis; say the order of arguments where something else is there."""
    if text in LEVELS:
        return text
    near = get_close_matches(text.lower(), LEVELS, n=1, cutoff=0.75)
    guess = f"Did you mean {near[0]}? " if near else ""
    raise ArgumentTypeError(
        f"expected participant or group as the third argument, but got {text!r}. {guess}"
        "The order is: bids_rsa BIDS_DIR OUTPUT_DIR {participant,group}, then the options."
    )


def label(prefix: str) -> Callable[[str], str]:
    """Make the reader of a BIDS label that may carry its entity (``sub-01`` is ``01``)."""

    def read(text: str) -> str:
        """Strip the entity, and keep to what BIDS allows in a label."""
        value = text.removeprefix(f"{prefix}-")
        if not value.replace("+", "").isalnum():
            raise ArgumentTypeError(
                f"{text!r} is not a BIDS label, which contains letters and digits only. "
                f"Give it as {prefix}-LABEL or LABEL.",
            )
        return value

    return read


def space(text: str) -> str:
    """Read the label of a space, which fMRIPrep's ``:res-2`` and ``:cohort-1`` may follow."""
    first, *more = text.split(":")
    for part in more:
        key, dash, value = part.partition("-")
        if short_key(key) is None or not dash or not value.isalnum():
            raise ArgumentTypeError(
                f"expected a space, optionally with a resolution or cohort, such as "
                f"MNI152NLin2009cAsym:res-2, but got {text!r}."
            )
    return ":".join([label("space")(first), *more])


def known_name(text: str, known: Sequence[str], what: str) -> str:
    """Return the name if it is one of those known, else suggest the nearest."""
    name = text.lower().replace("_", "-")
    if name in known:
        return name
    near = get_close_matches(name, known, n=1, cutoff=0.4)
    suggestion = f"Did you mean {near[0]!r}? " if near else ""
    raise ArgumentTypeError(
        f"unknown {what} {text!r}. {suggestion}Choose from: {', '.join(known)}."
    )


def dissimilarity(text: str) -> str:
    """Read the name of a dissimilarity."""
    return known_name(text, tuple(DISSIMILARITIES), "dissimilarity")


def comparison(text: str) -> str:
    """Read the name of a comparison."""
    return known_name(text, tuple(COMPARISONS), "comparison")


def positive_number(unit: str) -> Callable[[str], float]:
    """Make the reader of a finite number above 0."""

    def read(text: str) -> float:
        """Read the number."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise ArgumentTypeError(f"expected a number of {unit} above 0, but got {text!r}.")
        return value

    return read


def number_from_zero(unit: str, most: float = math.inf) -> Callable[[str], float]:
    """Make the reader of a finite number that is not below 0 and not above ``most``."""
    range_ = "of at least 0" if most == math.inf else f"from 0 to {most:g}"

    def read(text: str) -> float:
        """Read the number."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and 0 <= value <= most):
            raise ArgumentTypeError(f"expected a number of {unit} {range_}, but got {text!r}.")
        return value

    return read


def share(whole: bool = False, none: bool = False) -> Callable[[str], float]:
    """Make the reader of a number between 0 and 1; with ``whole`` also 1, with ``none`` also 0."""

    def read(text: str) -> float:
        """Read the number."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (0 < value < 1 or (whole and value == 1) or (none and value == 0)):
            upper = "at most 1" if whole else "below 1"
            lower = "of at least 0" if none else "above 0"
            raise ArgumentTypeError(f"expected a number {lower} and {upper}, but got {text!r}.")
        return value

    return read


def whole_number(lowest: int) -> Callable[[str], int]:
    """Make the reader of a whole number that is at least ``lowest``."""

    def read(text: str) -> int:
        """Read the number."""
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if value < lowest:
            raise ArgumentTypeError(
                f"expected a whole number of at least {lowest}, but got {text!r}."
            )
        return value

    return read


def folds(text: str) -> str:
    """Read the way runs become folds: none, runs, max or a number of at least 2."""
    if text in ("none", "runs", "max") or (text.isdecimal() and int(text) >= 2):
        return text
    raise ArgumentTypeError(
        f"expected none, runs (one run per fold), max (the same) or a number of folds of at least "
        f"2, but got {text!r}."
    )


def json_object(text: str) -> str:
    """Read a JSON object, and write it in the one canonical way."""
    try:
        value = json_of(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ArgumentTypeError(
            f"{text!r} is not a JSON object. Write parameters like '{{\"p\": 3}}'."
        )
    return json.dumps(value, sort_keys=True)
