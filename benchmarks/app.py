"""The whole app on the example dataset: beside the floor of importing its libraries."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

FLOOR = "import numpy, scipy.stats, numba, nibabel, nipype.pipeline.engine, bids"


def measure(repeats: int) -> dict[str, float]:
    """Wall seconds of --help, the libraries' import, a participant run, and its repetition."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "example"
        _run("-m", "bids_rsa.example", str(data))
        model = data / "models" / "planted.tsv"
        command = ("-m", "bids_rsa.cli", str(data))
        one = ("participant", "--participant-label", "01", "--model", str(model))

        def participant(output: str) -> float:
            return _run(*command, str(Path(folder) / output), *one)

        first = participant("first")  # kernels are compiled, if they were not before
        fresh = min(participant(f"out{k}") for k in range(repeats))
        again = min(participant("first") for _ in range(repeats))
        everyone = _run(*command, str(Path(folder) / "all"), "participant", "--model", str(model))
    return {
        "help_s": min(_run("-m", "bids_rsa.cli", "--help") for _ in range(repeats)),
        "import_floor_s": min(_run("-c", FLOOR) for _ in range(repeats)),
        "one_participant_first_s": first,
        "one_participant_s": fresh,
        "same_again_s": again,
        "all_participants_s": everyone,
    }


def _run(*arguments: str) -> float:
    """Wall seconds of a Python process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - start
