"""Blocks of centres over threads."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from typing import Generic, TypeVar

from threadpoolctl import ThreadpoolController

Block = TypeVar("Block")


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> ThreadpoolController:
    """Find the libraries with threads; again when further modules have been imported."""
    return ThreadpoolController()


class SharedBlocks(Generic[Block]):
    """Blocks that each thread takes one after the other, as soon as it has finished its last."""

    def __init__(
        self, blocks: Iterable[Block], on_progress: Callable[[int], None] | None = None
    ) -> None:
        self._left, self._on_progress = iter(blocks), on_progress
        self._one_at_a_time = threading.Lock()
        self._finished: deque[int] = deque()
        self._caller = threading.get_ident()

    def __iter__(self) -> Iterator[Block]:
        """Take blocks until none is left."""
        return self

    def __next__(self) -> Block:
        """Take the next block."""
        with self._one_at_a_time:
            return next(self._left)

    def finish(self, n_centers: int) -> None:
        """Count the centres of a block as finished."""
        self._finished.append(n_centers)
        if threading.get_ident() == self._caller:
            self.report()

    def report(self) -> None:
        """Tell of what has been finished meanwhile, by any thread."""
        while self._on_progress is not None and self._finished:
            self._on_progress(self._finished.popleft())

    def stop(self) -> None:
        """Leave no block to be taken."""
        with self._one_at_a_time:
            self._left = iter(())


@contextmanager
def over_threads(
    work: Callable[[SharedBlocks[Block]], None],
    blocks: Iterable[Block],
    n_threads: int,
    on_progress: Callable[[int], None] | None = None,
) -> Iterator[SharedBlocks[Block]]:
    """Let other threads work on blocks, with one thread of BLAS in each, and share them.

    The calling thread works too: if it only waited for the others, it would interrupt them after
    each block. After an error no more blocks are taken.

    Parameters
    ----------
    work : callable
        Takes all blocks that it can get, and calls `SharedBlocks.finish` after each.
    blocks : iterable
    n_threads : int
        The calling thread is one of them.
    on_progress : callable
        Called with the number of newly finished centres, from the calling thread.

    Yields
    ------
    SharedBlocks
        For the calling thread to work on.
    """
    shared = SharedBlocks(blocks, on_progress)

    def stop_if_failed(done: Future[None]) -> None:
        if done.exception() is not None:
            shared.stop()

    with _controller(len(sys.modules)).limit(limits=1, user_api="blas"):
        if n_threads == 1:
            yield shared
            return
        with ThreadPoolExecutor(n_threads - 1) as pool:
            try:
                others = [pool.submit(work, shared) for _ in range(n_threads - 1)]
                for other in others:
                    other.add_done_callback(stop_if_failed)
                yield shared
            except BaseException:
                shared.stop()
                raise
            for other in others:
                other.result()
                shared.report()
