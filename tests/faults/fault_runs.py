"""Runs as processes of their own, and what their output must look like."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import nibabel as nib
import watched

# made anew by every run, with its own times in them
PER_RUN = ("log", ".work", ".lock")
# long on purpose: distances cross-validated by scipy, of all participants one after the other
LONG = ("--folds", "runs", "--dissimilarity", "chebyshev", "--use-plugin", "Linear")
ONE = ("--participant-label", "01")
MANY = ("--participant-label", "01", "02", "03", "--n-cpus", "2")  # in two processes


def command(bids: Path, out: Path, *options: object) -> list[str]:
    """The command line of a participant run with the planted model."""
    model = bids / "models" / "planted.tsv"
    arguments = [bids, out, "participant", "--model", model, "--radius", 20, *options]
    return [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)]


def start(bids: Path, out: Path, *options: object) -> subprocess.Popen[str]:
    """Start a run in a process group of its own."""
    return subprocess.Popen(
        command(bids, out, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start_until(
    place: Path, bids: Path, out: Path, *options: object, **moment: str | int
) -> subprocess.Popen[str]:
    """Start a run that stops itself at a moment; see `watched.start_until`."""
    return watched.start_until(place, command(bids, out, *options)[3:], **moment)


def run(bids: Path, out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Run to the end."""
    return subprocess.run(command(bids, out, *options), capture_output=True, text=True)


def wait_for_all(process: subprocess.Popen[str]) -> str:
    """Wait until a run and its workers are gone; return what they wrote to stderr.

    Workers that live on are killed, and the test fails.
    """
    try:
        _, errors = process.communicate(timeout=120)  # its workers hold the same pipes
        deadline = time.monotonic() + 120
        while children(process):  # a process closes its files a little before it is gone
            assert time.monotonic() < deadline, f"processes live on: {children(process)}"
            time.sleep(0.01)
    finally:
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
    return errors


def children(process: subprocess.Popen[str]) -> list[int]:
    """Processes of a run's process group that are still there."""
    answer = subprocess.run(
        ["ps", "-o", "pid=", "-o", "stat=", "--sid", str(process.pid)],
        capture_output=True, text=True,
    )  # fmt: skip
    rows = [line.split() for line in answer.stdout.splitlines()]
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def wait_until(there: Callable[[], bool], process: subprocess.Popen[str]) -> bool:
    """Wait until something is there; False when the process ended before."""
    while not there():
        if process.poll() is not None:
            return there()
        time.sleep(0.002)
    return True


def results(out: Path) -> dict[str, str]:
    """The hash of every file of an output, but for logs and the work directory."""
    return {
        str(path.relative_to(out)): hashlib.sha256(without_time(path)).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not set(PER_RUN) & set(path.relative_to(out).parts)
    }


def without_time(path: Path) -> bytes:
    """Read a file; of a page, leave out when it was written."""
    found = path.read_bytes()
    return re.sub(rb"<time[^>]*>[^<]*</time>", b"", found) if path.suffix == ".html" else found


def unfinished(out: Path) -> list[str]:
    """Files under a final name that are not whole."""
    broken = []
    for path in files_under_final_names(out):
        try:
            if path.name.endswith(".nii.gz"):
                nib.load(path).get_fdata()
            elif path.suffix == ".json":
                json.loads(path.read_text())
        except Exception as error:
            broken.append(f"{path}: {error}")
    return broken


def files_under_final_names(out: Path) -> Iterable[Path]:
    """What a reader of the dataset sees: no hidden files, nothing of the work directory."""
    for path in out.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(out).parts)
        if path.is_file() and not hidden:
            yield path


def leftovers(out: Path) -> list[str]:
    """Hidden files that a finished run leaves although it should have cleared them away."""
    kept = (".bidsignore", ".lock")
    found = (path.relative_to(out) for path in out.rglob(".*"))
    return [str(path) for path in found if path.name not in kept]


def processor_seconds(process: subprocess.Popen[str]) -> float:
    """The time that a living process has kept processors busy."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
