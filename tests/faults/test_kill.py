"""A run that is killed at any moment is simply started again, and ends as if nothing had been."""

import os
import shutil
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest
from fault_runs import (
    MANY,
    SLOW,
    children,
    leftovers,
    node,
    results,
    run,
    start,
    unfinished,
    wait_until,
)

# fractions of the time that a step takes, when the process is killed in it
MOMENTS = [
    *(("before", fraction) for fraction in (0.3, 0.6, 0.9)),
    *(("searchlight", fraction) for fraction in (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)),
    *(("writing", fraction) for fraction in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)),
]
ATTEMPTS = 6


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    """The files of an undisturbed run, and how long each of its steps took, in seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    out, work = folder / "out", folder / "work"
    assert run(dataset, folder / "warm", *SLOW).returncode == 0  # compiles the kernels
    times = [time.monotonic()]
    process = start(dataset, out, "-w", work, *SLOW)
    for name in ("searchlight", "sink"):
        assert wait_until(lambda name=name: node(work, name), process)
        times.append(time.monotonic())
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    times.append(time.monotonic())
    lengths = [after - before for before, after in pairwise(times)]
    return results(out), dict(zip(("before", "searchlight", "writing"), lengths, strict=True))


def killed_at(dataset: Path, folder: Path, step: str, seconds: float) -> str:
    """Kill a run so many seconds into a step; returns the step it was in."""
    out, work = folder / "out", folder / "work"
    process = start(dataset, out, "-w", work, *SLOW)
    if step != "before":
        wait_until(lambda: node(work, "searchlight" if step == "searchlight" else "sink"), process)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    if process.returncode != -signal.SIGKILL:
        return "ended"
    if node(work, "sink"):
        return "writing"
    return "searchlight" if node(work, "searchlight") else "before"


@pytest.mark.slow
@pytest.mark.parametrize(("step", "fraction"), MOMENTS)
def test_killed_at_any_moment_the_next_run_ends_byte_identical(
    dataset, undisturbed, tmp_path, step, fraction
):
    expected, lengths = undisturbed
    out, work = tmp_path / "out", tmp_path / "work"
    for attempt in range(ATTEMPTS):
        # a busy machine keeps no time: earlier, until it is that step, at last at its beginning
        sooner = 0.6**attempt if attempt < ATTEMPTS - 1 else 0.0
        found = killed_at(dataset, tmp_path, step, lengths[step] * fraction * sooner)
        if found == step:
            break
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
    assert found == step
    assert unfinished(out) == []
    again = run(dataset, out, "-w", work, *SLOW)
    assert again.returncode == 0, again.stderr
    assert results(out) == expected
    assert leftovers(out) == []


def test_workers_end_with_the_process_that_is_killed(dataset, tmp_path):
    """Else they would write into the work directory that the next run uses."""
    out, work, clean = tmp_path / "out", tmp_path / "work", tmp_path / "clean"
    process = start(dataset, out, "-w", work, *MANY)
    assert wait_until(lambda: len(list(work.glob("participant/*/*/searchlight"))) >= 2, process)
    process.kill()
    try:
        process.communicate(timeout=120)  # its workers hold the same pipes
        assert children(process) == []
    finally:
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
    again = run(dataset, out, "-w", work, *MANY)
    assert again.returncode == 0, again.stderr
    assert run(dataset, clean, *MANY).returncode == 0
    assert results(out) == results(clean)
    assert leftovers(out) == []
