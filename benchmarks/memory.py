"""Peak memory of a whole brain at 2 mm with 92 conditions, in a process of its own."""

import json
import resource
import subprocess
import sys
import time

N_VOXELS = 228_000
N_CONDITIONS = 92


def measure(n_threads: int) -> dict[str, float]:
    """Run the whole brain in a new process and ask the system for its peak memory."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(n_threads)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def _whole_brain(n_threads: int) -> dict[str, float]:
    """Patterns as float32, as images hold them, and one searchlight over all of them."""
    import numpy as np

    from bids_rsa.core.searchlight import searchlight_rsa

    from .data import RADIUS_MM, ellipsoid, random_models

    mask = ellipsoid(N_VOXELS)
    rng = np.random.default_rng(0)
    patterns = rng.standard_normal((int(mask.sum()), 1, N_CONDITIONS), dtype=np.float32)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    start = time.perf_counter()
    searchlight_rsa(
        patterns, mask, mask, affine, RADIUS_MM, random_models(1, N_CONDITIONS),
        n_threads=n_threads,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "n_centers": int(mask.sum()), "n_threads": n_threads, "seconds": seconds,
        "peak_mb": peak_kb / 1024, "patterns_mb": patterns.nbytes / 2**20, "at_most_mb": 1024.0,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(_whole_brain(int(sys.argv[1]))))
