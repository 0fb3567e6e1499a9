"""Blocks of centres over threads."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Generic, TypeVar

from threadpoolctl import ThreadpoolController

Block = TypeVar("Block")


@lru_cache(maxsize=1)
def _controller(n_modules: int) -> ThreadpoolController:
    """Find the libraries with threads; again when further modules have been imported."""
    return ThreadpoolController()


def run_blocks(
    run: Callable[[Block], int],
    blocks: Iterable[Block],
    n_threads: int,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Run blocks in several threads, with one thread of BLAS in each.

    The calling thread is one of them: if it only waited for the others, it would interrupt them
    after each block. After an error no more blocks are started.

    Parameters
    ----------
    run : callable
        Called with a block; returns how many centres are finished by it.
    blocks : iterable
    n_threads : int
    on_progress : callable
        Called with the number of newly finished centres, from the calling thread.
    """
    shared = _SharedBlocks(run, blocks)
    with _controller(len(sys.modules)).limit(limits=1, user_api="blas"):
        if n_threads == 1:
            shared.work(on_progress)
            return
        with ThreadPoolExecutor(n_threads - 1) as pool:
            others = [pool.submit(shared.work) for _ in range(n_threads - 1)]
            shared.work(on_progress)
            for other in others:
                other.result()
                shared.report(on_progress)


class _SharedBlocks(Generic[Block]):
    """Blocks that each thread takes one after the other, as soon as it has finished its last."""

    def __init__(self, run: Callable[[Block], int], blocks: Iterable[Block]) -> None:
        self._run, self._left = run, iter(blocks)
        self._one_at_a_time = threading.Lock()
        self._finished: deque[int] = deque()

    def work(self, on_progress: Callable[[int], None] | None = None) -> None:
        """Run blocks until none is left, or until another thread has failed."""
        try:
            while (block := self._next()) is not None:
                self._finished.append(self._run(block))
                self.report(on_progress)
        except BaseException:
            with self._one_at_a_time:
                self._left = iter(())
            raise

    def _next(self) -> Block | None:
        """Return the next block; None: there is no more."""
        with self._one_at_a_time:
            return next(self._left, None)

    def report(self, on_progress: Callable[[int], None] | None) -> None:
        """Tell of what has been finished meanwhile, by any thread."""
        while on_progress is not None and self._finished:
            on_progress(self._finished.popleft())
