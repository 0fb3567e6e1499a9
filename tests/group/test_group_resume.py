"""The same bytes for any number of threads, and however often a run was killed."""

import shutil
import signal

import numpy as np
import pytest
from group_trees import group_bytes, start, write_group
from half_written import partial_files
from watched import go_on, start_until, wait_until_stopped

N_DRAWS = 6_000  # twelve blocks
KEPT = "work/group/*/permutations/[0-9a-f]*.npz"
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


def command(place, out, work):
    """The arguments of a run that keeps its work directory."""
    return [place / "bids", out, "group", *OPTIONS, "-w", work]


def draws_kept(work):
    """How many draws are in the state that a run keeps; 0 before the first block."""
    for path in work.glob("group/*/permutations/[0-9a-f]*.npz"):
        with np.load(path) as arrays:
            return len(arrays["t"])
    return 0


def test_killed_runs_go_on_and_write_the_same_bytes(undisturbed, tmp_path):
    place, expected = undisturbed
    out, work = shutil.copytree(place / "maps", tmp_path / "out"), tmp_path / "work"
    moments = {
        "the scores are read": {"there": "work/group/*/read/scores.json"},
        "the first block is kept": {"before": KEPT, "count": 2},
        "half is done": {"before": KEPT, "count": 6},
        "nearly all is done": {"before": KEPT, "count": 6},
        "files are being written": {"there": "out/group/[!.]*.nii.gz", "count": 6},
        "sidecars are being written": {"there": "out/group/[!.]*.json", "count": 4},
    }
    kept = [0]
    for moment in moments.values():
        process = start_until(tmp_path, command(place, out, work), **moment)
        wait_until_stopped(process)
        process.kill()
        process.communicate()
        kept.append(draws_kept(work))
        for path in out.glob("group/[!.]*.json"):
            assert path.read_text().endswith("}\n")
    assert kept == sorted(kept)
    assert 0 < kept[2] < N_DRAWS / 2 <= kept[3] < 0.9 * N_DRAWS <= kept[4] < N_DRAWS
    last = start(place / "bids", out, "group", *OPTIONS, "-w", work)
    said = last.communicate(timeout=300)[1]
    assert last.returncode == 0, said
    assert group_bytes(out) == expected


def test_ctrl_c_is_one_line_and_exit_130(undisturbed, tmp_path):
    place, expected = undisturbed
    out, work = shutil.copytree(place / "maps", tmp_path / "out"), tmp_path / "work"
    process = start_until(tmp_path, command(place, out, work), before=KEPT, count=2)
    wait_until_stopped(process)
    process.send_signal(signal.SIGINT)
    go_on(process)
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
