"""Blocks of centres over threads."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

from bids_rsa.core.neighborhood.protocol import CenterBlock


def run_blocks(
    run: Callable[[CenterBlock], int],
    blocks: Iterable[CenterBlock],
    n_threads: int,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Run all blocks, with one thread of BLAS in each thread; after an error no more are started.

    Parameters
    ----------
    run : callable
        Computes a block, and returns its number of centres; called from several threads.
    blocks : iterable of CenterBlock
    n_threads : int
        With one, blocks run in the calling thread: handing them over takes 4 % of the time.
    on_progress : callable
        Called with the number of newly finished centres, from the calling thread, in the order of
        the blocks.
    """
    with threadpool_limits(1, "blas"), _mapped(run, blocks, n_threads) as finished:
        for n_done in finished:
            if on_progress is not None:
                on_progress(n_done)


@contextmanager
def _mapped(
    run: Callable[[CenterBlock], int], blocks: Iterable[CenterBlock], n_threads: int
) -> Iterator[Iterator[int]]:
    """Yield the results of all blocks, in their order."""
    if n_threads == 1:
        yield map(run, blocks)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            yield pool.map(run, blocks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
