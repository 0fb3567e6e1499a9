"""SIGTERM, what schedulers send, and Ctrl-C stop a run at once and lose nothing.

At many more moments: see test_moments.py.
"""

import os
import resource
import signal

import pytest
from fault_runs import (
    LONG,
    MANY,
    ONE,
    processor_seconds,
    results,
    run,
    start_until,
    unfinished,
    wait_for_all,
    wait_until,
)
from half_written import partial_files
from watched import go_on, wait_until_stopped

SEARCHLIGHT = "participant/*/*/searchlight"


def test_it_stops_while_threads_compute(dataset, tmp_path):
    """Of the seconds that the processors would still have been busy, few are spent."""
    out, work = tmp_path / "out", tmp_path / "work"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start_until(work, dataset, out, "-w", work, *LONG, there=SEARCHLIGHT)
    wait_until_stopped(process)
    go_on(process)
    begun = processor_seconds(process)
    assert wait_until(lambda: processor_seconds(process) > begun + 0.2, process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "Traceback" not in errors
    assert len([line for line in errors.splitlines() if " ERROR " in line]) == 1
    assert unfinished(out) == []
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used - begun < 3


def test_the_next_run_goes_on_where_it_stopped(dataset, tmp_path):
    clean, out, work = tmp_path / "clean", tmp_path / "out", tmp_path / "work"
    assert run(dataset, clean, *ONE).returncode == 0
    process = start_until(
        work, dataset, out, "-w", work, *ONE, there="participant/*/*/sink/_0x*_unfinished.json"
    )
    wait_until_stopped(process)
    process.send_signal(signal.SIGTERM)
    go_on(process)
    process.communicate(timeout=120)
    assert process.returncode == 143
    assert not list(out.rglob("*.nii.gz"))
    (scores,) = work.rglob("searchlight/scores.json")
    written = scores.stat().st_mtime_ns
    assert run(dataset, out, "-w", work, *ONE).returncode == 0
    assert scores.stat().st_mtime_ns == written
    assert results(out) == results(clean)


@pytest.mark.parametrize(
    ("signal_number", "to_all"), [(signal.SIGTERM, False), (signal.SIGINT, True)]
)
def test_several_processes_stop_together(dataset, tmp_path, signal_number, to_all):
    """A scheduler tells the main process, and a terminal (Ctrl-C) all of them."""
    out, work = tmp_path / "out", tmp_path / "work"
    process = start_until(work, dataset, out, "-w", work, *MANY, there=SEARCHLIGHT, count=2)
    wait_until_stopped(process)
    (os.killpg if to_all else os.kill)(process.pid, signal_number)
    go_on(process)
    errors = wait_for_all(process)
    assert process.returncode == 128 + signal_number
    (line,) = (line for line in errors.splitlines() if " ERROR " in line)
    assert signal.Signals(signal_number).name in line
    assert "Traceback" not in errors
    assert unfinished(out) == []
    assert partial_files(out) == set()
