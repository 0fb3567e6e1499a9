"""Run the app in the tests of regions."""

import subprocess
import sys

OCTANTS = {k: f"octant {k}" for k in range(1, 9)} | {20: "tiny", 30: "absent"}
SPHERE_MM = 20


def run_app(*arguments, **keywords):
    """Run the app in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bids_rsa.cli", *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=600, **keywords,
    )  # fmt: skip
