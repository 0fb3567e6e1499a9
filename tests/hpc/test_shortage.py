"""Too little memory: one clear message, an exit code, no traceback."""

import errno
import resource
import subprocess
import sys

import pytest

from bids_rsa.errors import ContentError, ResourceError
from bids_rsa.example import ExampleSettings, make_example
from bids_rsa.shortage import as_shortage

MIB = 1024**2


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    settings = ExampleSettings(n_subjects=2, n_runs=2, voxel_mm=10, planted_radius_mm=24)
    return make_example(tmp_path_factory.mktemp("shortage") / "data", settings)


def run_limited(dataset, out, n_bytes, *words):
    """Run the app in a process that may reserve so many bytes."""
    limit = (n_bytes, n_bytes)
    command = [sys.executable, "-m", "bids_rsa.cli", dataset, out, *words]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=300,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    )  # fmt: skip


@pytest.mark.parametrize("n_mib", [30, 100, 300, 600, 1000])
@pytest.mark.parametrize("level", ["participant", "group"])
def test_a_small_address_space_is_named(dataset, tmp_path, n_mib, level):
    done = run_limited(dataset, tmp_path / "out", n_mib * MIB, level)
    assert done.returncode == 73, done.stderr
    (line, hint) = done.stderr.strip().splitlines()
    assert f"may reserve {n_mib / 1024:.2g} GB of memory (ulimit -v)" in line
    assert "--mem-gb" in hint
    assert not (tmp_path / "out").exists()


def test_enough_of_it_is_enough(dataset, tmp_path):
    options = ("--model", dataset / "models/planted.tsv", "--radius", "16", "--nprocs", "1")
    out = tmp_path / "out"
    done = run_limited(dataset, out, 4096 * MIB, "participant", *options, "--no-report")
    assert done.returncode == 0, done.stderr
    assert len(list(out.glob("sub-*/func/*_stat-spearman_*_statmap.nii.gz"))) == 2


def raised(error, cause=None):
    try:
        raise error from cause
    except type(error) as found:
        return found


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 30 GiB for an array"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("can't start new thread"),
        ImportError("libx.so: failed to map segment from shared object"),
        raised(ValueError("Nipype's words"), MemoryError()),
        RuntimeError("Node failed: ... numpy._core._exceptions._ArrayMemoryError: Unable to ..."),
    ],
)
def test_lack_of_memory_is_recognised_whatever_it_looks_like(error):
    found = as_shortage(error)
    assert isinstance(found, ResourceError)
    assert found.message.startswith("Memory ran out: ")
    assert "GB" in found.message and "memory" in found.hint


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), OSError(errno.ENOSPC, "No space"), ImportError("No module named x"),
     ContentError("an image of the wrong shape"),
     OSError("Could not find/load shared object file 'libllvmlite.so'")],
)  # fmt: skip
def test_other_errors_stay_what_they_are(error):
    assert as_shortage(error) is None
