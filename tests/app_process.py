"""Runs of the app as its users see them: an exit code, and what was printed.

Libraries are imported and kernels loaded once where a run goes on in the process of the tests. In
a process of its own a run takes two seconds more.
"""

import contextlib
import io
import subprocess
import sys

from bids_rsa.cli import main

# for tests that look at numbers only: pictures and pages take four fifths of a small run's time
UNDRAWN = ("--no-figures", "--no-report")
# Nipype's workers are not forked from a process that may have threads
NEED_A_PROCESS = {"--nprocs", "--n-cpus", "--use-plugin", "--omp-nthreads"}


def run_app(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the app, one node after the other unless a number of processes is given."""
    words = [str(argument) for argument in arguments]
    if "Linear" not in words:
        if NEED_A_PROCESS & set(words):
            return run_alone(*words)
        words += ["--use-plugin", "Linear"]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as end:  # of the parser
            code = end.code
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def run_alone(*arguments: object, **keywords: object) -> subprocess.CompletedProcess[str]:
    """Run the app in a process of its own; ``keywords`` as for `subprocess.run`."""
    command = [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=600, **keywords
    )
