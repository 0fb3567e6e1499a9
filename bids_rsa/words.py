"""Words for messages: lists of names, and guesses at what was meant."""

import difflib
from collections.abc import Sequence

SHOWN = 30


def listing(names: Sequence[str]) -> str:
    """Join names, the first ones only where there are many."""
    more = f" ... ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def few(names: Sequence[str], shown: int = 4) -> str:
    """Join the first names, and count the others."""
    told = ", ".join(names[:shown])
    return told if len(names) <= shown else f"{told} and {len(names) - shown} more"


def similar_name(name: str, known: Sequence[str]) -> str:
    """Find the known name that differs in leading zeros only, or is spelled alike; else ``""``."""
    padded = [other for other in known if other.lstrip("0") == name.lstrip("0")]
    near = padded or difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return near[0] if near and near[0] != name else ""


def guess_label(labels: Sequence[str], known: Sequence[str]) -> str:
    """Ask whether other labels were meant, in a sentence; empty where none is similar."""
    near = list(dict.fromkeys(filter(None, (similar_name(label, known) for label in labels))))
    return f"Did you mean {' '.join(near)}? " if near else ""


def in_metres(radius_mm: float) -> str:
    """Ask whether a tiny radius was meant in metres, in a sentence; empty for any other."""
    if not 0 < radius_mm < 0.1:
        return ""
    return f" Lengths are in mm: if you meant {radius_mm:g} m, give {radius_mm * 1000:g}."
