"""A run that is killed at any moment is simply started again, and ends as if nothing had been."""

import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
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

# fractions of the time that a step takes, when the process is killed
BEFORE = (0.3, 0.6, 0.9)
SEARCHLIGHT = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
WRITING = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    """The files of an undisturbed run, and when its steps began and it ended, in seconds."""
    folder = tmp_path_factory.mktemp("undisturbed")
    out, work = folder / "out", folder / "work"
    assert run(dataset, folder / "warm", *SLOW).returncode == 0  # compiles the kernels
    begin = time.monotonic()
    process = start(dataset, out, "-w", work, *SLOW)
    times = []
    for name in ("searchlight", "sink"):
        assert wait_until(lambda name=name: node(work, name), process)
        times.append(time.monotonic() - begin)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return results(out), (*times, time.monotonic() - begin)


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
def test_killed_at_twenty_moments_the_next_run_ends_byte_identical(dataset, undisturbed, tmp_path):
    expected, (searchlight, writing, end) = undisturbed
    moments = [("before", searchlight * fraction) for fraction in BEFORE]
    moments += [("searchlight", (writing - searchlight) * fraction) for fraction in SEARCHLIGHT]
    moments += [("writing", (end - writing) * fraction) for fraction in WRITING]

    def try_one(index: int) -> tuple[str, list[str]]:
        """Kill, look, run again; the step in which it was killed, and what was wrong."""
        folder = tmp_path / str(index)
        wanted, seconds = moments[index]
        for attempt in range(5):  # a busy machine keeps no time: earlier, until it is that step
            shutil.rmtree(folder, ignore_errors=True)
            step = killed_at(dataset, folder, wanted, seconds * 0.6**attempt)
            if step == wanted:
                break
        out = folder / "out"
        wrong = unfinished(out)
        again = run(dataset, out, "-w", folder / "work", *SLOW)
        if again.returncode != 0:
            wrong.append(f"exit {again.returncode}: {again.stderr}")
        found = results(out)
        wrong += [name for name in {*expected, *found} if expected.get(name) != found.get(name)]
        wrong += leftovers(out)
        shutil.rmtree(folder)
        return step, [f"{moments[index]} in {step}: {what}" for what in wrong]

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(try_one, range(len(moments))))
    assert [what for _, wrong in outcomes for what in wrong] == []
    steps = [step for step, _ in outcomes]
    assert steps.count("searchlight") >= 5, steps
    assert steps.count("writing") >= 5, steps
    assert len(steps) - steps.count("ended") >= 18, steps


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
