"""A numba without the private classes that the kernels' cache extends still computes."""

import subprocess
import sys

SCRIPT = """
import sys
from numba.core import caching
del caching.{missing}
from bids_rsa.core.engine.jit import kernel
@kernel
def twice(x):
    return 2 * x
assert twice(21) == 42
assert twice._cache.__class__.__name__ == "NullCache", twice._cache
from bids_rsa import compare_rdms
assert abs(compare_rdms([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], "pearson") - 1) < 1e-12
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_missing_classes_of_numba_mean_no_cache():
    done = run(SCRIPT.format(missing="UserWideCacheLocator"))
    assert done.returncode == 0, done.stderr


def test_with_them_there_is_a_cache():
    done = run("from bids_rsa.core.comparison.kernels import find_nan; print(find_nan._cache)")
    assert "KernelCache" in done.stdout, done.stderr


def test_the_module_is_the_app():
    done = subprocess.run(
        [sys.executable, "-m", "bids_rsa", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "bids_rsa" in done.stdout
