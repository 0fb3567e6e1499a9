"""A full disk is one message and exit 74, and no truncated file under a final name."""

import errno
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fault_runs import results, run, unfinished

from bids_rsa.disk_arrays import create_array

OPTIONS = ("--participant-label", "01")


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a tmpfs of so many KiB, and may resize it."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(kib: int, options: str = "") -> Path:
        size = f"{options}size={kib}k"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"no disk may be mounted here: {mounted.stderr.strip()}")
        return folder

    yield mount
    if os.path.ismount(folder):
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("kib", [8, 96])
def test_output_on_a_full_disk(dataset, tmp_path, small_disk, kib):
    disk = small_disk(kib)
    out, work = disk / "out", tmp_path / "work"
    answer = run(dataset, out, "-w", work, *OPTIONS)
    assert answer.returncode == 74, answer.stderr
    check_message(answer.stderr)
    assert unfinished(out) == []
    subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
    assert run(dataset, out, "-w", work, *OPTIONS).returncode == 0
    clean = tmp_path / "clean"
    assert run(dataset, clean, *OPTIONS).returncode == 0
    assert results(out) == results(clean)


@pytest.mark.parametrize("kib", [8, 64, 150])
def test_work_directory_on_a_full_disk(dataset, tmp_path, small_disk, kib):
    out, work = tmp_path / "out", small_disk(kib) / "work"
    answer = run(dataset, out, "-w", work, *OPTIONS)
    assert answer.returncode == 74, answer.stderr
    check_message(answer.stderr)
    assert unfinished(out) == []


@pytest.mark.parametrize("kib", [300, 420, 540])
def test_arrays_that_outgrow_the_work_directory(dataset, tmp_path, small_disk, kib):
    """Written through memory, a file without room would end the process (SIGBUS)."""
    out, work = tmp_path / "out", small_disk(kib) / "work"
    noise = ("--noise", "shrinkage", "--noise-from", "images", "--no-report", "--no-figures")
    answer = run(dataset, out, "-w", work, *OPTIONS, *noise, "--use-plugin", "Linear")
    assert answer.returncode == 74, answer.stderr
    check_message(answer.stderr)
    assert "Fatal" not in answer.stderr and unfinished(out) == []


def test_an_array_in_a_file_has_its_room_or_is_not_there(small_disk):
    disk = small_disk(256)
    array = create_array(disk / "small.npy", np.float32, (100, 100))
    array[:] = np.arange(100, dtype=np.float32)
    np.testing.assert_array_equal(np.load(disk / "small.npy"), array)
    del array  # the disk cannot be taken away while it is mapped
    with pytest.raises(OSError, match="No space left") as caught:
        create_array(disk / "large.npy", np.float32, (100, 1000))
    assert caught.value.errno == errno.ENOSPC
    assert [path.name for path in disk.iterdir()] == ["small.npy"]


def check_message(errors: str) -> None:
    """One message that says what is wrong, and the line that sums up."""
    lines = [line for line in errors.splitlines() if " ERROR " in line]
    assert sum("space" in line for line in lines) == 1, errors
    assert len(lines) <= 2, errors
    assert "Traceback" not in errors
