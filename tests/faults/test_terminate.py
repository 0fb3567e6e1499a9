"""SIGTERM, what schedulers send, and Ctrl-C stop a run at once and lose nothing."""

import os
import signal

import pytest
from fault_runs import MANY, SLOW, children, node, results, run, start, unfinished, wait_until
from half_written import partial_files


@pytest.mark.parametrize("step", ["masking", "searchlight", "sink"])
def test_it_stops_within_five_seconds_with_exit_143(dataset, tmp_path, step):
    out, work = tmp_path / "out", tmp_path / "work"
    process = start(dataset, out, "-w", work, *SLOW)
    assert wait_until(lambda: node(work, step), process)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 143
    assert "Traceback" not in errors
    assert len([line for line in errors.splitlines() if " ERROR " in line]) == 1
    assert unfinished(out) == []


def test_the_next_run_goes_on_where_it_stopped(dataset, tmp_path):
    clean, out, work = tmp_path / "clean", tmp_path / "out", tmp_path / "work"
    assert run(dataset, clean, *SLOW).returncode == 0
    process = start(dataset, out, "-w", work, *SLOW)
    assert wait_until(lambda: node(work, "sink"), process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    (scores,) = work.rglob("searchlight/scores.json")
    written = scores.stat().st_mtime_ns
    assert run(dataset, out, "-w", work, *SLOW).returncode == 0
    assert scores.stat().st_mtime_ns == written
    assert results(out) == results(clean)


def test_several_processes_stop_together(dataset, tmp_path):
    out, work = tmp_path / "out", tmp_path / "work"
    process = start(dataset, out, "-w", work, *MANY)
    assert wait_until(lambda: len(list(work.glob("participant/*/*/searchlight"))) >= 2, process)
    process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=5)
        assert process.returncode == 143
        assert children(process) == []
    finally:
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
    assert unfinished(out) == []


@pytest.mark.parametrize("options", [SLOW, MANY], ids=["one process", "several processes"])
def test_ctrl_c_is_one_line_and_exit_130(dataset, tmp_path, options):
    out, work = tmp_path / "out", tmp_path / "work"
    process = start(dataset, out, "-w", work, *options)
    assert wait_until(lambda: node(work, "searchlight"), process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes get it
    try:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 130
        assert children(process) == []
    finally:
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
    (line,) = (line for line in errors.splitlines() if " ERROR " in line)
    assert "SIGINT" in line
    assert "Traceback" not in errors
    assert unfinished(out) == []
    assert partial_files(out) == set()
