"""A progress bar with the time that is left, also from a worker process."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

FORMAT = (
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt}{unit}, {elapsed} gone, "
    "{remaining} left{postfix}"
)
SECONDS_BETWEEN_LINES = 30.0  # where the output is a file, each update is a line


@contextmanager
def progress_bar(
    total: int,
    label: str,
    position: int,
    unit: str = "centres",
    postfix: str = "kernels are compiled at first use",
) -> Iterator[Callable[[int], None]]:
    """Show how many centres (or other units) are finished.

    Parameters
    ----------
    total : int
        Their number.
    label : str
        Whose they are.
    position : int
        Line of the terminal, so that the bars of several workers don't overwrite each other.
    unit : str
        What is counted.
    postfix : str
        Said until something is finished.

    Yields
    ------
    callable
        Takes the number finished since the last call.
    """
    terminal = sys.stderr.isatty()
    with tqdm(
        total=total,
        desc=label,
        unit=f" {unit}",
        bar_format=FORMAT,
        position=position if terminal else None,
        leave=False if terminal else None,
        mininterval=0.2 if terminal else SECONDS_BETWEEN_LINES,
        postfix=postfix,
        file=sys.stderr,
    ) as bar:

        def advance(n_new: int) -> None:
            if bar.n == 0:
                # what came before is compilation, of which the time that is left knows nothing
                bar.start_t = bar.last_print_t = bar._time()
                bar.set_postfix_str("", refresh=False)
            bar.update(n_new)

        yield advance
