"""Runs that share an output directory, old work directories, locks and input that goes away."""

import csv
import json
import shutil
import signal
import subprocess
import sys

from fault_runs import command, leftovers, results, run, start, start_until, unfinished
from watched import go_on, wait_until_stopped

ONE = ("--participant-label", "01")


def test_four_participants_at_once_into_one_output_directory(dataset, tmp_path):
    out, one_by_one = tmp_path / "out", tmp_path / "one_by_one"
    processes = [
        start(dataset, out, "--participant-label", f"{number:02}", "--n-cpus", "1")
        for number in range(1, 5)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    assert unfinished(out) == []
    assert leftovers(out) == []
    description = json.loads((out / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    with (out / "descriptions.tsv").open(newline="") as file:
        labels = [row["desc_id"] for row in csv.DictReader(file, delimiter="\t")]
    assert sorted(labels) == sorted(set(labels))
    assert "desc-planted" in labels
    four = ("--participant-label", "01", "02", "03", "04")
    assert run(dataset, one_by_one, *four).returncode == 0
    assert results(out) == results(one_by_one)


def test_a_lock_that_a_killed_run_left_stops_nobody(dataset, tmp_path):
    out, clean = tmp_path / "out", tmp_path / "clean"
    out.mkdir()
    code = (
        "import sys, time; from pathlib import Path\n"
        "from bids_rsa.outputs.dataset_files import dataset_lock\n"
        "with dataset_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, out], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert list(out.iterdir()), "the killed process left no lock file"
    assert run(dataset, out, *ONE).returncode == 0
    assert run(dataset, clean, *ONE).returncode == 0
    assert results(out) == results(clean)


def test_a_work_directory_of_another_version_is_not_believed(dataset, tmp_path):
    work, old, out, clean = (tmp_path / name for name in ("work", "old", "out", "clean"))
    code = (
        "import sys, bids_rsa._version as v; v.__version__ = '0.0.1'\n"
        "from bids_rsa.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = command(dataset, old, "-w", work, *ONE)[3:]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    (scores,) = work.rglob("searchlight/scores.json")
    before = scores.stat().st_mtime_ns
    answer = run(dataset, out, "-w", work, *ONE)
    assert answer.returncode == 0, answer.stderr
    (scores,) = work.rglob("searchlight/scores.json")
    assert scores.stat().st_mtime_ns != before
    assert run(dataset, clean, *ONE).returncode == 0
    assert results(out) == results(clean)


def test_a_damaged_work_directory_is_made_anew(dataset, tmp_path):
    work, first, out = (tmp_path / name for name in ("work", "first", "out"))
    assert run(dataset, first, "-w", work, *ONE).returncode == 0
    for path in [path for end in ("pklz", "npy", "nii") for path in work.rglob(f"*.{end}")]:
        path.write_bytes(path.read_bytes()[:50])
    answer = run(dataset, out, "-w", work, *ONE)
    assert answer.returncode == 0, answer.stderr
    assert results(out) == results(first)


def test_input_that_goes_away_in_the_middle(dataset, tmp_path):
    bids, out, work = tmp_path / "bids", tmp_path / "out", tmp_path / "work"
    shutil.copytree(dataset, bids)
    options = ("--participant-label", "01", "02", "--use-plugin", "Linear", "-w", work)
    process = start_until(work, bids, out, *options, there="participant/*/*/masking")
    wait_until_stopped(process)
    shutil.rmtree(bids / "sub-02")
    go_on(process)
    _, errors = process.communicate()
    assert process.returncode == 1, errors
    assert "Traceback" not in errors
    assert any("sub-02" in line and "ERROR" in line for line in errors.splitlines())
    assert list((out / "sub-01").rglob("*_statmap.nii.gz"))
    assert not list(out.glob("sub-02/**/*.nii.gz"))
    shutil.copytree(dataset / "sub-02", bids / "sub-02")
    assert run(bids, out, *options).returncode == 0
    assert list((out / "sub-02").rglob("*_statmap.nii.gz"))
