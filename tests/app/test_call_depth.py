"""Few functions of the app stand between the command and what is compiled."""

import sys
import threading
from pathlib import Path

import pytest
from app_runs import RADIUS
from numba.core.dispatcher import Dispatcher

import bids_rsa
from bids_rsa.cli import main

PACKAGE = Path(bids_rsa.__file__).parent
MOST_CALLS = 7
FOLDS = ("--folds", "runs")


def own_calls(frame):
    """The functions of the package on a stack, from the innermost outwards."""
    found = []
    while frame is not None:
        code = frame.f_code
        if Path(code.co_filename).is_relative_to(PACKAGE):
            found.append(f"{Path(code.co_filename).stem}.{code.co_qualname}")
        frame = frame.f_back
    return found


# sums along rows of both kinds, and pairs of conditions
@pytest.mark.parametrize(
    "how",
    [
        ("--n-cpus", "1"),
        ("--n-cpus", "2", "--omp-nthreads", "2"),
        ("--dissimilarity", "euclidean", *FOLDS),
        ("--dissimilarity", "cityblock"),
    ],
    ids=" ".join,
)
def test_at_most_seven_calls_from_the_command_to_a_kernel_of_rdms(
    small_dataset, tmp_path, monkeypatch, how
):
    main_thread, stacks = threading.get_ident(), set()
    call_kernel = Dispatcher.__call__

    def record(kernel, *arguments, **keywords):
        if "core.dissimilarity" in kernel.py_func.__module__:
            calls = own_calls(sys._getframe(1))
            if threading.get_ident() != main_thread:  # which waits, or makes further blocks
                waiting = own_calls(sys._current_frames()[main_thread])
                calls += waiting[waiting.index("searchlight.searchlight") :]
            # those that prepare are not counted
            if any("SearchlightRsa" in call for call in calls) and calls[0].endswith(".fill"):
                stacks.add(tuple(reversed(calls)))
        return call_kernel(kernel, *arguments, **keywords)

    monkeypatch.setattr(Dispatcher, "__call__", record, raising=False)
    code = main([
        str(small_dataset), str(tmp_path / "out"), "participant", "--participant-label", "01",
        "--model", str(small_dataset / "models/planted.tsv"), *RADIUS, "--no-report", *how,
    ])  # fmt: skip
    assert code == 0
    assert stacks and all(stack[0] == "cli.main" for stack in stacks)
    longest = max(stacks, key=len)
    # the last call, that of the kernel, has no frame: there are as many calls as frames
    assert len(longest) <= MOST_CALLS, " -> ".join(longest)
