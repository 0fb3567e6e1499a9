"""Blocks over threads."""

import threading
import time

import pytest

from bids_rsa.core.block_threads import over_threads


def run_blocks(run, blocks, n_threads, on_progress=None):
    """Call a function with each block, which returns what has been finished."""

    def work(shared):
        for block in shared:
            shared.finish(run(block))

    with over_threads(work, blocks, n_threads, on_progress) as shared:
        work(shared)


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_each_block_runs_once_and_is_counted_in_the_calling_thread(n_threads):
    ran, counted, callers = [], [], set()

    def run(block):
        ran.append(block)
        return block

    def on_progress(n_done):
        counted.append(n_done)
        callers.add(threading.get_ident())

    run_blocks(run, iter(range(1, 101)), n_threads, on_progress)
    assert sorted(ran) == sorted(counted) == list(range(1, 101))
    assert callers == {threading.get_ident()}


def test_blocks_run_at_the_same_time():
    together = threading.Barrier(3)
    run_blocks(lambda _: together.wait(timeout=60), range(3), 3)
    assert not together.broken


@pytest.mark.parametrize("in_caller", [True, False])
def test_an_error_in_any_thread_is_raised_and_stops_all(in_caller):
    both, failed, begun = threading.Barrier(2), threading.Event(), []

    def run(block):
        begun.append(block)
        if block < 2:
            both.wait(timeout=60)
        if (threading.current_thread() is threading.main_thread()) == in_caller:
            failed.set()
            raise OSError("no space left")
        failed.wait(timeout=60)
        time.sleep(0.01)  # the other thread may take some more before it hears of the error
        return 1

    with pytest.raises(OSError, match="no space left"):
        run_blocks(run, range(1000), 2)
    assert len(begun) < 1000
