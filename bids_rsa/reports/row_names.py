"""Names of conditions in pictures, or their numbers where there are too many to read."""

from collections.abc import Sequence
from typing import Any

# conditions that pictures name; more are numbered in their order
MOST_NAMED = 30


def names_or_numbers(names: Sequence[str]) -> list[str]:
    """Return names, or numbers from 1 where there are too many to read."""
    if len(names) <= MOST_NAMED:
        return [str(name) for name in names]
    return [str(number) for number in range(1, len(names) + 1)]


def name_rows(axes: Any, names: Sequence[str], fontsize: float) -> None:
    """Write names along both axes of an RDM, or some numbers from 1 where there are too many."""
    places = numbered_rows(len(names))
    labels = [names_or_numbers(names)[place] for place in places]
    axes.set_xticks(places, labels, rotation=90, fontsize=fontsize, parse_math=False)
    axes.set_yticks(places, labels, fontsize=fontsize, parse_math=False)


def numbered_rows(n: int) -> list[int]:
    """Choose the rows of an RDM, from 0, that get a label."""
    if n <= MOST_NAMED:
        return list(range(n))
    step = 5 if n <= 60 else 10
    return [0, *range(step - 1, n, step)]
