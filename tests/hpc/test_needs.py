"""What a step declares to need bounds what it really takes, and is not absurdly more."""

import pickle
import subprocess
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from bids_rsa.core.limits import thread_bytes
from bids_rsa.core.neighborhood.spheres import sphere_rows
from bids_rsa.errors import ResourceError
from bids_rsa.machine import GIB, Machine
from bids_rsa.needs import (
    AnalysisSize,
    analysis_size,
    memory_needs,
    refuse_too_large,
    threads_that_fit,
    usable_memory,
)
from bids_rsa.patterns.stack_plan import plan_stack
from bids_rsa.records import Analysis, ConditionImage, MaskChoice
from bids_rsa.settings import RsaSettings

SHAPE = (60, 72, 60)
N_CONDITIONS, N_RUNS = 24, 4

# runs one step in a process of its own, and prints the most memory it ever held, in KiB
STEP = """
import pickle, sys
from pathlib import Path
import nilearn.plotting, nipype.pipeline.engine, bids
import numpy as np
from bids_rsa.core.searchlight import searchlight_rsa
from bids_rsa.patterns.stacking import stack_analysis
step, folder = sys.argv[1], Path(sys.argv[2])
if step == "read":
    group, rsa = pickle.loads((folder / "group.pickle").read_bytes())
    np.save(folder / "patterns.npy", stack_analysis(group, rsa, 2).patterns)
else:
    shape = tuple(map(int, sys.argv[3:]))
    centers = np.zeros(shape, bool)
    centers[:, shape[1] // 2, shape[2] // 2] = True
    patterns = np.load(folder / "patterns.npy", mmap_mode="r")
    n_cells = patterns.shape[2] * (patterns.shape[2] - 1) // 2
    searchlight_rsa(patterns, np.ones(shape, bool), centers, np.diag([3.0, 3, 3, 1]), 10.0,
                    np.random.default_rng(0).random((2, n_cells)), n_threads=2)
status = Path("/proc/self/status").read_text()
print(status.split("VmHWM:")[1].split()[0])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images of a grid that is large enough for its arrays to outweigh the libraries."""
    folder = tmp_path_factory.mktemp("needs")
    rng = np.random.default_rng(0)
    images = []
    for index in range(N_RUNS):
        path = folder / f"run-{index}.nii"
        data = rng.standard_normal((*SHAPE, N_CONDITIONS), dtype=np.float32)
        nib.Nifti1Image(data, np.diag([3.0, 3, 3, 1])).to_filename(path)
        images += [
            ConditionImage(
                str(path), "01", f"c{volume:02}", "effect", run=str(index), volume=volume
            )
            for volume in range(N_CONDITIONS)
        ]
    conditions = tuple(f"c{volume:02}" for volume in range(N_CONDITIONS))
    group = Analysis("01", tuple(images), conditions)
    (folder / "group.pickle").write_bytes(pickle.dumps((group, RsaSettings(folds="runs"))))
    return folder


def peak_gb(*arguments: object) -> float:
    answer = subprocess.run(
        [sys.executable, "-c", STEP, *map(str, arguments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(answer.stdout.split()[-1]) * 1024 / GIB


def test_declared_memory_bounds_the_real_one(folder):
    n_grid = int(np.prod(SHAPE))
    needs = memory_needs(AnalysisSize(n_grid, n_grid, N_RUNS, N_CONDITIONS, 2), n_threads=2)
    read, searchlight = peak_gb("read", folder), peak_gb("searchlight", folder, *SHAPE)
    assert read <= needs.read_gb <= 2.5 * read
    assert searchlight <= needs.searchlight_gb <= 2.5 * searchlight


def test_sizes_come_from_headers_and_masks(folder):
    mask = np.zeros(SHAPE, np.uint8)
    mask[:10, :10, :10] = 1
    nib.Nifti1Image(mask, np.diag([3.0, 3, 3, 1])).to_filename(folder / "mask.nii")
    conditions = tuple(f"c{volume:02}" for volume in range(N_CONDITIONS))
    images = tuple(
        ConditionImage(str(folder / f"run-{run}.nii"), "01", name, "effect", run=str(run), volume=i)
        for run in range(N_RUNS)
        for i, name in enumerate(conditions)
    )
    choice = MaskChoice((str(folder / "mask.nii"),), "given")
    group = Analysis("01", images, conditions, brain_mask=choice)
    rsa = RsaSettings(folds="runs")
    size = analysis_size(group, plan_stack(group, rsa), rsa, n_maps=3)
    plain = replace(size, sphere_columns=0, sphere_length=0)
    assert plain == AnalysisSize(int(np.prod(SHAPE)), 1000, N_RUNS, N_CONDITIONS, 3)
    everywhere = np.ones(SHAPE, dtype=bool)
    columns = sphere_rows(everywhere, everywhere, np.diag([3.0, 3, 3, 1]), rsa.radius_mm).columns
    assert len(columns.lengths) <= size.sphere_columns <= 2 * len(columns.lengths)
    assert columns.lengths[0] == size.sphere_length


MANY = """
import sys
from pathlib import Path
import numpy as np
from bids_rsa.core.searchlight import searchlight_rsa

n, n_folds, metric = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
n_models, weighted = int(sys.argv[4]), sys.argv[5] == "True"
mask = np.ones((3, 3, int(sys.argv[6])), dtype=bool)
rng = np.random.default_rng(0)

def search(n):
    patterns = rng.standard_normal((mask.sum(), n_folds, n), dtype=np.float32)
    model = rng.random((n_models, n * (n - 1) // 2))
    params = {"w": rng.uniform(0.5, 2, mask.sum())} if weighted else {}
    centers = mask.copy()
    centers[0] = centers[1:, 1:] = False
    searchlight_rsa(
        patterns, mask, centers, np.diag([3.0, 3, 3, 1]), 7, model, dissimilarity=metric,
        params=params,
    )

def peak():  # getrusage tells of the process that started this one, too
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

search(5)
before = peak()
search(n)
print(peak() - before)
"""


@pytest.mark.parametrize(
    ("n_conditions", "n_folds", "metric", "n_models", "weighted", "n_centers"),
    [
        (1200, 1, "correlation", 1, False, 40),
        (900, 4, "correlation", 1, False, 40),
        (900, 4, "sqeuclidean", 1, False, 40),
        (1000, 1, "correlation", 1, True, 40),
        (300, 1, "correlation", 1, True, 2000),
        (40, 1, "correlation", 1000, False, 9000),
    ],
)
def test_a_thread_needs_no_more_than_is_declared(
    n_conditions, n_folds, metric, n_models, weighted, n_centers
):
    arguments = n_conditions, n_folds, metric, n_models, weighted, n_centers
    answer = subprocess.run(
        [sys.executable, "-c", MANY, *map(str, arguments)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    n_cells = n_conditions * (n_conditions - 1) // 2
    models = 4 * 8 * n_models * n_cells
    # the patterns, and the engine's own copy of them; scores, and a copy
    patterns = 2 * 8 * 9 * n_centers * n_folds * n_conditions
    models += patterns + 2 * 8 * n_models * n_centers
    declared = models + thread_bytes(
        n_conditions, n_folds, n_centers, 25, 5, weighted=weighted, n_models=n_models
    )
    needed = int(answer.stdout) * 1024
    assert needed > 8 * n_cells  # one RDM: what is measured is this search
    assert needed <= declared


def test_what_does_not_fit_is_refused_with_both_numbers():
    size = AnalysisSize(900_000, 900_000, 8, 92, 4)
    needs = memory_needs(size, 2)
    refuse_too_large("sub-01", needs, 64, "all of the machine's")
    with pytest.raises(ResourceError) as error:
        refuse_too_large("sub-01", needs, 2, "cgroup memory limit")
    assert error.value.exit_code == 73
    assert f"needs {needs.largest_gb:.1f} GB" in str(error.value)
    assert "2.0 GB (cgroup memory limit)" in str(error.value)


def test_threads_shrink_to_what_fits():
    size = AnalysisSize(900_000, 230_000, 1, 24, 1)
    enough = memory_needs(size, 3).largest_gb
    assert threads_that_fit(size, 64, enough) == 3
    assert threads_that_fit(size, 2, enough) == 2
    assert threads_that_fit(size, 64, 0.1) == 1


def test_the_option_counts_only_below_the_limit():
    machine = Machine(4, "CPU affinity", 4 * GIB, "cgroup memory limit")
    assert usable_memory(machine, None) == (4, "cgroup memory limit")
    assert usable_memory(machine, 2) == (2, "--mem-gb")
    assert usable_memory(machine, 8) == (4, "cgroup memory limit")
