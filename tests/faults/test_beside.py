"""Jobs that share an output folder, work directories that others may write to, and old pictures."""

import os
import shlex
import signal
import stat
import subprocess

import numpy as np
import pytest
from fault_runs import command, results, run, start, start_until, unfinished
from watched import go_on, wait_until_stopped

from bids_rsa.app.work_folder import claim, make_work_dir, work_dir
from bids_rsa.errors import OutputError
from bids_rsa.locks import locked

ONE = ("--participant-label", "01", "--n-cpus", "1")


def random_model(dataset, folder):
    """A second model with the same conditions, in a file of its own."""
    rows = [line.split("\t") for line in (dataset / "models/planted.tsv").read_text().splitlines()]
    rng = np.random.default_rng(3)
    cells = rng.random((len(rows) - 1, len(rows) - 1))
    cells = np.triu(cells, 1) + np.triu(cells, 1).T
    for row, values in zip(rows[1:], cells, strict=True):
        row[1:] = [repr(float(value)) for value in values]
    path = folder / "planted.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    return path


def test_two_models_of_one_participant_at_once(dataset, tmp_path):
    """An array over models: each job ends well, and writes what it writes alone."""
    together, alone = tmp_path / "together", tmp_path / "alone"
    other = random_model(dataset, tmp_path)
    commands = [ONE, (*ONE, "--model", f"other={other}")]
    processes = [start(dataset, together, *options) for options in commands]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert unfinished(together) == []
    for options in commands:
        assert run(dataset, alone, *options).returncode == 0
    assert results(together) == results(alone)
    assert not (together / ".work").exists()


def test_the_same_command_twice_at_once(dataset, tmp_path):
    out, clean = tmp_path / "out", tmp_path / "clean"
    processes = [start(dataset, out, *ONE) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert run(dataset, clean, *ONE).returncode == 0
    assert results(out) == results(clean)


@pytest.mark.parametrize(
    ("moment", "removed"),
    [(".work/*.log", ".work"), (".work/*/.*.lock", ".work/*/participant")],
    ids=["log", "claim"],
)
def test_a_run_that_begins_while_another_removes_what_it_has_made(
    dataset, tmp_path, moment, removed
):
    out, clean = tmp_path / "out", tmp_path / "clean"
    lean = (*ONE, "--no-report", "--no-figures")
    process = start_until(out, dataset, out, *lean, before=moment)
    wait_until_stopped(process)
    assert list(out.glob(removed))
    assert run(dataset, out, *lean).returncode == 0
    assert not list(out.glob(removed))
    go_on(process)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "cannot be written" not in errors
    assert not (out / ".work").exists()
    assert run(dataset, clean, *lean).returncode == 0
    assert results(out) == results(clean)


@pytest.mark.parametrize(
    ("moment", "options"),
    [
        ({"there": ".work/*/participant/*/*/figures/_0x*_unfinished.json"}, ()),
        ({"there": ".work/*/participant/*/*/figures/_0x*_unfinished.json"}, ("--no-figures",)),
        ({"before": "logs/CITATION.md"}, ("--no-figures",)),
    ],
    ids=["pictures", "details", "methods"],
)
def test_a_run_that_is_killed_while_it_replaces_results_leaves_no_old_ones(
    dataset, tmp_path, moment, options
):
    out, clean = tmp_path / "out", tmp_path / "clean"
    assert run(dataset, out, *ONE).returncode == 0
    changed = (*ONE, "--center", "conditions", "--overwrite", *options)
    process = start_until(out, dataset, out, *changed, **moment)
    wait_until_stopped(process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert run(dataset, out, *changed).returncode == 0
    assert run(dataset, clean, *changed).returncode == 0
    assert results(out) == results(clean)


def test_a_mask_that_other_maps_share_is_not_replaced(dataset, tmp_path):
    out = tmp_path / "out"
    assert run(dataset, out, *ONE).returncode == 0
    before = results(out)
    answer = run(dataset, out, *ONE, "--comparison", "pearson", "--min-voxels", "40", "--overwrite")
    assert answer.returncode == 73, answer.stderr
    assert "MinVoxels" in answer.stderr
    assert results(out) == before


def test_a_claim_is_free_again_when_it_is_released(tmp_path):
    first = claim(tmp_path, "sub_01")
    second = claim(tmp_path, "sub_01")
    assert first.folder != second.folder
    first.folder.mkdir()
    second.folder.mkdir()
    first.release(remove=True)
    assert not first.folder.exists()
    assert second.folder.exists()
    again = claim(tmp_path, "sub_01")
    assert again.folder == first.folder
    again.release(remove=True)
    second.release(remove=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("killed", [0, 1], ids=["first", "second"])
def test_a_claim_that_a_killed_run_left_is_removed_by_the_run_beside_it(tmp_path, killed):
    claims = [claim(tmp_path, "sub_01", ("_results",)) for _ in range(2)]
    other = claim(tmp_path, "sub_01_rest")
    for one in (*claims, other):
        one.folder.mkdir()
        one.folder.with_name(f"{one.name}_results").mkdir()
    os.close(claims.pop(killed).descriptor)  # the system does so when a process dies
    os.close(other.descriptor)
    claims[0].release(remove=True)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".sub_01_rest.lock", "sub_01_rest", "sub_01_rest_results"}


def test_colleagues_may_go_on_where_a_run_was_killed_before_it_let_them_in(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o2775)
    (out / ".work").mkdir(mode=0o700)
    (out / ".lock").touch(mode=0o600)
    make_work_dir(work_dir(None, str(out)), out)
    assert stat.S_IMODE((out / ".work").stat().st_mode) & 0o777 == 0o775
    with locked(out / ".lock"):
        assert stat.S_IMODE((out / ".lock").stat().st_mode) == 0o664


def test_a_work_directory_that_others_may_write_to_is_refused(dataset, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    work.chmod(0o775)
    answer = run(dataset, tmp_path / "out", *ONE, "-w", work)
    assert answer.returncode == OutputError.exit_code
    assert "chmod go-w" in answer.stderr


def test_colleagues_may_work_in_a_folder_that_is_writable_for_their_group(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o2775)
    work = make_work_dir(work_dir(None, str(out)), out)
    assert stat.S_IMODE(work.stat().st_mode) & 0o777 == 0o700
    assert stat.S_IMODE(work.parent.stat().st_mode) & 0o777 == 0o775
    mask = os.umask(0o022)
    try:
        with locked(out / ".lock"):
            assert stat.S_IMODE((out / ".lock").stat().st_mode) == 0o664
        out.chmod(0o755)
        (out / ".lock").unlink()
        with locked(out / ".lock"):
            assert stat.S_IMODE((out / ".lock").stat().st_mode) == 0o644
    finally:
        os.umask(mask)


@pytest.mark.parametrize("stream", ["2>&-", ">&-", "2>/dev/full", ">/dev/full"])
def test_a_stream_that_cannot_be_written_stops_nothing(dataset, tmp_path, stream, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # as in most people's shells
    out, clean = tmp_path / "out", tmp_path / "clean"
    line = shlex.join(command(dataset, out, *ONE))
    assert subprocess.run(f"{line} {stream}", shell=True, capture_output=True).returncode == 0
    assert run(dataset, clean, *ONE).returncode == 0
    assert results(out) == results(clean)
