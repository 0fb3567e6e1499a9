"""A progress bar with the time that is left, also from a worker process."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any, TextIO

from numba.core import event
from tqdm import tqdm

LOGGER = logging.getLogger(__name__)

FORMAT = (
    "{desc}: {percentage:3.0f}%|{bar}| {n_fmt} of {total_fmt}{unit}, {elapsed} elapsed, "
    "{remaining} left{postfix}"
)
COMPILING = "Compiling kernels for this machine, once: {n_fmt} done, {elapsed} elapsed"
SECONDS_BETWEEN_LINES = 30.0  # where the output is a file, each update is a line


class _Unfailing:
    """A stream whose failure stops no one: a bar that cannot be shown is no reason to."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Lines(_Unfailing):
    """A file or a pipe, in which each update is a separate line, between those of the log."""

    def write(self, text: str) -> None:
        """Write what a bar draws over its last state as a line."""
        if line := text.strip():
            super().write(f"{line}\n")


class _CompilationBar(event.Listener):
    """A bar that appears when a kernel is really compiled, and not when it is read from a cache."""

    def __init__(self, position: int) -> None:
        self.position, self.lock = position, Lock()
        self.bar: Any = None

    def on_start(self, event: Any) -> None:
        """Say once that kernels are compiled."""
        with self.lock:
            if self.bar is None:
                terminal = sys.stderr.isatty()
                if not terminal:
                    LOGGER.info("Compiling kernels for this machine; later runs reuse them.")
                self.bar = tqdm(
                    desc="Compiling",
                    bar_format=COMPILING,
                    position=self.position if terminal else None,
                    leave=False,
                    mininterval=0.2 if terminal else SECONDS_BETWEEN_LINES,
                    file=_Unfailing(sys.stderr),
                    disable=not terminal,
                )

    def on_end(self, event: Any) -> None:
        """Count a kernel."""
        with self.lock:
            self.bar.update(1)


@contextmanager
def _compilation(position: int) -> Iterator[None]:
    """Show what is compiled meanwhile."""
    shown = _CompilationBar(position)
    try:
        with event.install_listener("numba:compile", shown):
            yield
    finally:
        if shown.bar is not None:
            shown.bar.close()


@contextmanager
def progress_bar(
    total: int,
    label: str,
    position: int,
    unit: str = "centres",
    postfix: str = "",
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
    with (
        _compilation(position + 1),
        tqdm(
            total=total,
            desc=label,
            unit=f" {unit}",
            bar_format=FORMAT,
            position=position if terminal else None,
            leave=False if terminal else None,
            mininterval=0.2 if terminal else SECONDS_BETWEEN_LINES,
            postfix=postfix,
            file=_Unfailing(sys.stderr) if terminal else _Lines(sys.stderr),
        ) as bar,
    ):

        def advance(n_new: int) -> None:
            if bar.n == 0:
                # what came before is compilation, of which the time that is left knows nothing
                bar.start_t = bar.last_print_t = bar._time()
                bar.set_postfix_str("", refresh=False)
            bar.update(n_new)

        yield advance
