"""Run the app in the tests of regions, in their process: kernels are compiled once."""

import contextlib
import io
from types import SimpleNamespace

from bids_rsa.cli import main

OCTANTS = {k: f"octant {k}" for k in range(1, 9)} | {20: "tiny", 30: "absent"}
SPHERE_MM = 20


def run_app(*arguments):
    """Run the app; its exit code and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())
