"""The same bytes for any number of threads, and however often a run was killed."""

import shutil
import signal
import time

import numpy as np
import pytest
from group_trees import group_bytes, start, write_group
from half_written import partial_files

N_DRAWS = 30_000
OPTIONS = ("--n-permutations", N_DRAWS, "--nprocs", "1")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A dataset, and the files of a run that nobody disturbed."""
    place = tmp_path_factory.mktemp("undisturbed")
    (place / "bids").mkdir()
    write_group(place / "maps", n_subjects=18)
    out = shutil.copytree(place / "maps", place / "out")
    done = start(place / "bids", out, "group", *OPTIONS)
    said = done.communicate(timeout=300)[1]
    assert done.returncode == 0, said
    return place, group_bytes(out)


def test_two_threads_write_the_same_bytes(undisturbed, tmp_path):
    place, expected = undisturbed
    out = shutil.copytree(place / "maps", tmp_path / "out")
    done = start(place / "bids", out, "group", *OPTIONS[:2], "--nprocs", "2")
    said = done.communicate(timeout=300)[1]
    assert done.returncode == 0, said
    assert group_bytes(out) == expected


def draws_kept(work):
    """How many draws are in the state that a run keeps; 0 before the first block."""
    for path in work.glob("group/*/permutations/[0-9a-f]*.npz"):
        with np.load(path) as arrays:
            return len(arrays["t"])
    return 0


def kill_when(process, reached):
    """Kill a process without notice as soon as something is reached; tell whether it was."""
    while process.poll() is None:
        if reached():
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.002)
    return False


def test_killed_runs_go_on_and_write_the_same_bytes(undisturbed, tmp_path):
    place, expected = undisturbed
    out, work = shutil.copytree(place / "maps", tmp_path / "out"), tmp_path / "work"
    moments = {
        "the scores are read": lambda: list(work.glob("group/*/read/scores.json")),
        "the first block is kept": lambda: draws_kept(work) > 0,
        "half is done": lambda: draws_kept(work) >= N_DRAWS / 2,
        "nearly all is done": lambda: draws_kept(work) >= N_DRAWS * 0.9,
        "files are being written": lambda: len(list(out.glob("group/[!.]*.nii.gz"))) > 5,
        "sidecars are being written": lambda: len(list(out.glob("group/[!.]*.json"))) > 3,
    }
    kept = [0]
    for moment, reached in moments.items():
        process = start(place / "bids", out, "group", *OPTIONS, "-w", work)
        assert kill_when(process, reached), f"finished before {moment}"
        kept.append(draws_kept(work))
        for path in out.glob("group/[!.]*.json"):
            assert path.read_text().endswith("}\n")
    assert kept == sorted(kept)
    assert kept[2] < N_DRAWS / 2 <= kept[3]
    last = start(place / "bids", out, "group", *OPTIONS, "-w", work)
    said = last.communicate(timeout=300)[1]
    assert last.returncode == 0, said
    assert group_bytes(out) == expected


def test_ctrl_c_is_one_line_and_exit_130(undisturbed, tmp_path):
    place, expected = undisturbed
    out, work = shutil.copytree(place / "maps", tmp_path / "out"), tmp_path / "work"
    process = start(place / "bids", out, "group", *OPTIONS, "-w", work)
    while draws_kept(work) == 0:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    (line,) = (line for line in said.splitlines() if " ERROR " in line)
    assert "SIGINT" in line
    assert "Traceback" not in said
    assert partial_files(tmp_path) == set()
    again = start(place / "bids", out, "group", *OPTIONS, "-w", work)
    said = again.communicate(timeout=300)[1]
    assert again.returncode == 0, said
    assert group_bytes(out) == expected
