"""Words for messages: lists of names, shortened where there are many."""

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
